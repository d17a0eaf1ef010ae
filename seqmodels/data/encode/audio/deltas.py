"""Changes of features, beside the features.

T frames, F features, D orders.
"""

from __future__ import annotations

import numpy as np

ORDERS = ("", " change", " change of change")


def with_deltas(frames: np.ndarray, orders: int) -> np.ndarray:
    """Put beside each feature its changes: ``(T, F * (D + 1))``, so that a band stays together.

        d_t = (x_(t+1) - x_(t-1)) / 2, the first and the last frame repeated

    >>> with_deltas(np.array([[1.0], [2.0], [4.0]]), 1).tolist()
    [[1.0, 0.5], [2.0, 1.5], [4.0, 1.0]]

    Args:
        frames: ``(T, F)``.
        orders: D, 0 for none, 1 for changes, 2 for changes of changes too.
    """
    parts = [frames]
    for _ in range(orders):
        padded = np.pad(parts[-1], ((1, 1), (0, 0)), mode="edge")
        parts.append((padded[2:] - padded[:-2]) / 2)
    return np.stack(parts, axis=2).reshape(len(frames), -1)


def delta_names(names: tuple[str, ...], orders: int) -> tuple[str, ...]:
    """Name the features that `with_deltas` gives.

    >>> delta_names(("a", "b"), 1)
    ('a', 'a change', 'b', 'b change')
    """
    return tuple(name + order for name in names for order in ORDERS[: orders + 1])
