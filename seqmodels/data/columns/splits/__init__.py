"""Splits: which items are for training, validation and test."""
