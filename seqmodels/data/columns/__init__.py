"""Meaning of columns and items: roles, times, targets, splits."""
