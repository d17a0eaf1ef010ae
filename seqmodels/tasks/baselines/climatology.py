"""Harmonic climatology: regression on sines and cosines of the calendar.

n items, H steps of horizon, C calendar cycles, K harmonics of each.
"""

import numpy as np

# Harmonics of each calendar cycle: the full period and half of it.
HARMONICS = 2
# Name of a calendar cycle that is a harmonic of another.
HALF = "half_"
# Suffixes of the sine and cosine features of a calendar cycle.
WAVES = (" sin", " cos")


def calendar_columns(names: tuple[str, ...]) -> list[tuple[int, int]]:
    """Return the columns of sine and cosine of each full calendar cycle among the features.

    >>> calendar_columns(("sales", "day_of_year sin", "day_of_year cos", "half_year sin", "half_year cos"))
    [(1, 2)]
    """
    parts = [name.removesuffix(WAVES[0]) for name in names if name.endswith(WAVES[0]) and not name.startswith(HALF)]
    return [(names.index(part + WAVES[0]), names.index(part + WAVES[1])) for part in parts if part + WAVES[1] in names]


class Climatology:
    """Least squares on calendar harmonics, separately for each step ahead.

    >>> angle = np.linspace(0, 12, 50)
    >>> waves = np.stack([np.sin(angle), np.cos(angle)], axis=1)
    >>> usual = Climatology(waves, 20 + 5 * np.sin(angle + 1)[:, None])
    >>> usual.predict(waves[:1]).round(6).tolist() == [[round(20 + 5 * float(np.sin(1)), 6)]]
    True

    Args:
        waves: ``(n, 2 C)``, sine and cosine of each calendar cycle at the last known step.
        targets: ``(n, H)``.
    """

    def __init__(self, waves: np.ndarray, targets: np.ndarray) -> None:
        self.weight = np.linalg.lstsq(_harmonics(waves), targets.astype(np.float64), rcond=None)[0]

    def predict(self, waves: np.ndarray) -> np.ndarray:
        """Return the climatological values ``(n, H)``."""
        usual: np.ndarray = _harmonics(waves) @ self.weight
        return usual


def _harmonics(waves: np.ndarray) -> np.ndarray:
    """Return the design matrix ``(n, 1 + 2 C K)``."""
    angle = np.arctan2(waves[:, 0::2].astype(np.float64), waves[:, 1::2])
    rounds = [wave(k * angle) for k in range(1, HARMONICS + 1) for wave in (np.sin, np.cos)]
    return np.concatenate([np.ones((len(waves), 1)), *rounds], axis=1)
