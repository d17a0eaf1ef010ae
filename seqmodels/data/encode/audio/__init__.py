"""Recordings as features, and what is said in them as tokens."""
