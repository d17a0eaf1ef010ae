"""Decoding of predictions: samples, texts, and predictions from the first steps."""
