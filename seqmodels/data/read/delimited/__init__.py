"""Files with separators, such as CSV."""
