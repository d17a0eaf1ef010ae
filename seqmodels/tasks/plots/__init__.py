"""Plots of predictions, one file per kind, without pyplot's global state and legible in TensorBoard.

Tasks import this room, and matplotlib with it, when the first plot is drawn.
"""
