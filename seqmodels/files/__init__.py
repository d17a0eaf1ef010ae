"""Files: written whole or not at all, in folders of one's own, and what those of others promise."""
