"""Callbacks and log of a run: checkpoints, stopping on a signal, progress and TensorBoard."""
