"""Sources whose sequences are made, or put together, from a seed."""
