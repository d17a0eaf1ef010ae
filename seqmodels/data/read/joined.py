"""Sequences of features that lie one after the other in an .npz file.

N sequences, T frames, F features, S target steps.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from seqmodels.data.examples import Examples
from seqmodels.data.files.find import find_file
from seqmodels.data.files.numpy import Archive
from seqmodels.quoting import listed

NAMES = ("X", "lengths", "y", "target_lengths")
FORM = "X (frames, features), lengths (sequences,) and perhaps y"


def read_joined(path: str | Path) -> Examples:
    """Read sequences: ``X`` are all frames one after the other, ``lengths`` their number in each sequence.

    ``y`` holds a whole number for each sequence, or, where there is ``target_lengths``, that many for each. Targets
    are arrays ``(S,)``, with a single number where each has one label.

    Raises:
        ValueError: not such a file, arrays of other shapes or kinds, lengths that do not add up, or
            numbers that are not finite.
    """
    arrays = _arrays(path)
    features, lengths = _features(path, arrays), _counts(path, arrays, "lengths")
    if len(lengths) == 0 or lengths.min() < 1:
        raise ValueError(f"{path}: each of its sequences needs a frame at least, and lengths has {_least(lengths)}")
    if lengths.sum() != len(features):
        raise ValueError(
            f"{path}: lengths adds up to {lengths.sum()} frames, and X has {len(features)}: the file is cut short"
        )
    inputs = np.split(features, np.cumsum(lengths)[:-1])
    return Examples(str(path), inputs, _targets(path, arrays, len(lengths)) if "y" in arrays else None)


def _least(lengths: np.ndarray) -> str:
    return f"{lengths.min()} for sequence {int(lengths.argmin())}" if len(lengths) else "none"


def _arrays(path: str | Path) -> dict[str, np.ndarray]:
    found = find_file(path)
    try:
        archive = Archive(found)
        arrays = {name: archive.read(name) for name in NAMES if name in archive.members}
    except ValueError as error:
        cure = "save it anew with numpy.savez; of recordings with what is said in them say data=audio"
        raise ValueError(f"{path}: expected an .npz file with {FORM}; it cannot be read: {error}; {cure}") from None
    missing = [name for name in ("X", "lengths") if name not in arrays]
    if missing:
        has = listed(archive.members) or "none"
        raise ValueError(f"{path}: expected {FORM}; it lacks {' and '.join(missing)}, and has {has}")
    return arrays


def _features(path: str | Path, arrays: dict[str, np.ndarray]) -> np.ndarray:
    features = arrays["X"]
    if features.ndim != 2 or features.shape[1] == 0 or features.dtype.kind not in "fiu":
        raise ValueError(f"{path}: X must be numbers (frames, features), got {features.dtype} {features.shape}")
    features = features.astype(np.float32)
    finite = np.isfinite(features).all(axis=1)
    if not finite.all():
        raise ValueError(f"{path}: X has a number that is not finite in frame {int(np.argmin(finite))}; mend it")
    return features


def _counts(path: str | Path, arrays: dict[str, np.ndarray], name: str) -> np.ndarray:
    values = arrays[name]
    if values.ndim != 1 or values.dtype.kind not in "iu":
        raise ValueError(f"{path}: {name} must be whole numbers (n,), got {values.dtype} {values.shape}")
    return values.astype(np.int64)


def _targets(path: str | Path, arrays: dict[str, np.ndarray], count: int) -> list[np.ndarray]:
    labels = _counts(path, arrays, "y")
    each = _counts(path, arrays, "target_lengths") if "target_lengths" in arrays else np.ones(count, np.int64)
    if len(each) != count or each.min() < 0 or each.sum() != len(labels):
        raise ValueError(f"{path}: {count} sequences and {len(labels)} targets in y: give one each, or target_lengths")
    return np.split(labels, np.cumsum(each)[:-1])
