"""Figures of predictions, made without pyplot's global state, to be read at the size that TensorBoard shows.

One file for each kind. matplotlib is imported when the first is drawn.
"""
