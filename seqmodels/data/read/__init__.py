"""Readers of file formats: each makes tables or examples."""
