"""Heads that decode their targets one by one, and their parts."""
