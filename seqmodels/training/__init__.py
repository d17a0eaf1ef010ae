"""Training: the Learner, the state it carries, checkpoints, diagnostics, and whole runs."""
