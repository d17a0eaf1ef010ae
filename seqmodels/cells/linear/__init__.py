"""Cells that are linear in their state, so that all steps can run in parallel."""
