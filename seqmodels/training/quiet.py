"""Suppression of Lightning's tips and of its hints about deliberate choices."""

import logging
import warnings

HINTS = (
    ".*does not have many workers.*",
    ".*Checkpoint directory .* exists and is not empty.*",
    ".*isinstance.*LeafSpec.*",
    "Total length of .list. across ranks is zero.*",  # a run without validation
    ".*smaller than the logging interval.*",
    ".*ReduceLROnPlateau conditioned on metric.*",
)


def quieten() -> None:
    """Restrict Lightning's messages to errors in this process."""
    for name in ("pytorch_lightning", "lightning_fabric", "pytorch_lightning.utilities.rank_zero"):
        logging.getLogger(name).setLevel(logging.ERROR)
    for hint in HINTS:
        warnings.filterwarnings("ignore", message=hint)
