"""Simple methods that a model has to beat: they see the training split, and are scored on another."""
