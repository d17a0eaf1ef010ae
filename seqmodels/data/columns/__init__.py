"""What columns and items mean: roles, times, targets, splits."""
