"""Training: the Learner, its carried state, checkpoints, diagnostics, and whole runs."""
