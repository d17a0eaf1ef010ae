"""Files: found, unpacked, read in pieces, cached."""
