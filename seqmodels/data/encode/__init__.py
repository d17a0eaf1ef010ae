"""Encoding: vocabularies, classes, scales, features, and their storage."""
