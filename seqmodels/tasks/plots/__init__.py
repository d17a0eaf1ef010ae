"""Plots of predictions, one file per kind, without pyplot's global state and legible in TensorBoard.

matplotlib is imported when the first is drawn.
"""
