"""Windows of sequences dealt onto the rows of batches."""
