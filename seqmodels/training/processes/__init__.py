"""Training in several processes: made here, or by a launcher such as torchrun, and how they are stopped."""
