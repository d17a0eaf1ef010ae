"""Files of typed columns, read by DuckDB or pyarrow."""
