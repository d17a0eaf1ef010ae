"""Baselines: simple methods fitted to the training split and scored on another."""
