"""Forecasts: points, quantiles and distributions, their calibration, and a linear start."""
