"""The verbs, a file each; only the one that is wanted is imported."""
