"""What a config may be: each setting by itself, and settings together."""
