"""Sources that read tables: sequences and time series."""
