"""A config: what may be chosen, composed, read and changed by name."""
