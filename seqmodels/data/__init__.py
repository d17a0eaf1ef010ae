"""Sequences, how they are cut into batches, and where they come from."""
