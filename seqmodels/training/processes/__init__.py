"""Training in several processes, started here or by a launcher such as torchrun, and stopping them."""
