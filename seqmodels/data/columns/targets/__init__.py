"""Targets of tables: labels, classes and values, checked and encoded."""
