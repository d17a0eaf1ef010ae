"""Profile of the splits of a data set, counted before any training.

N sequences, T steps of one, F features, V target values.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from seqmodels.data.columns.splits.near import near_copies
from seqmodels.data.encode.kmers import kmer_names
from seqmodels.data.files.ragged import Ragged
from seqmodels.dataset import SequenceDataset
from seqmodels.spec import Spec

# What is read of each split, at most; the rest is left out evenly. Lengths and numbers of sequences are exact.
MOST_SEQUENCES, MOST_STEPS, PIECE = 200_000, 4_000_000, 65_536
# Blocks of a histogram of lengths, and tokens that are named.
BLOCKS, FREQUENT = 24, 20

Plain = dict[str, Any]


class Piece(NamedTuple):
    """Some steps of one sequence, and the targets that belong to them.

    Fields:
        first: whether no piece of the sequence came before.
        whole: whether it is all of the sequence.
    """

    inputs: np.ndarray
    targets: np.ndarray
    first: bool
    whole: bool


def profile_splits(splits: dict[str, SequenceDataset]) -> Plain:
    """Count what each split holds, as plain values, and how many of its sequences are in training too.

    >>> from seqmodels.data.dataset import ArrayDataset
    >>> spec = Spec("tokens", 3, "labels", 2, "sequence", ("a", "b", "c"), ("no", "yes"))
    >>> train = ArrayDataset(spec, [np.array([0, 1]), np.array([2])], [0, 1])
    >>> found = profile_splits({"train": train, "val": ArrayDataset(spec, [np.array([2])], [1])})
    >>> found["train"]["classes"], found["train"]["lengths"]["median"], found["val"]["also in train"]
    ({'no': 1, 'yes': 1}, 1.5, 1)
    """
    counted, contents, texts = {}, {}, {}
    for name, split in splits.items():
        counted[name], contents[name], texts[name] = _profile(split)
    for name, near in _near_copies(contents, texts).items():
        counted[name]["near copies in train"] = near
    for name in splits:
        if name != "train":
            counted[name]["also in train"] = sum(key in contents["train"] for key in contents[name])
            groups = set(splits[name].groups or ()) & set(splits["train"].groups or ())
            counted[name]["groups also in train"] = len(groups)
    return counted


def _near_copies(contents: dict[str, list[bytes]], texts: dict[str, list[np.ndarray]]) -> dict[str, int]:
    """Count the sequences of tokens in each split that are near copies, and no copies, of others in training."""
    splits = [name for name in sorted(texts, key=lambda name: name != "train") if texts[name]]
    if "train" not in splits:
        return {}
    owner = near_copies(Ragged.of([text for name in splits for text in texts[name]]))
    parts = np.split(owner, np.cumsum([len(texts[name]) for name in splits])[:-1])
    known = set(contents["train"])
    found = {"train": len(known) - len(set(parts[0].tolist()))}
    for name, part in zip(splits[1:], parts[1:], strict=True):
        new = [key not in known for key in contents[name]]
        found[name] = int((new & (part < len(parts[0]))).sum())
    return found


def _profile(split: SequenceDataset) -> tuple[Plain, list[bytes], list[np.ndarray]]:
    """Count one split; return a key for each sequence that was read whole, and its tokens where it has such."""
    spec = split.spec
    inputs: _Tokens | _Numbers = _Tokens(spec.input_size) if spec.inputs == "tokens" else _Numbers(spec.input_size)
    of_tokens = spec.targets in ("tokens", "labels")
    targets: _Tokens | _Numbers = _Tokens(spec.target_size) if of_tokens else _Numbers(spec.target_size)
    keys, texts, read, target_lengths = [], list[np.ndarray](), 0, []
    for piece in pieces(split):
        read += piece.first
        inputs.add(piece.inputs)
        if spec.target_shape == "step" or piece.first:
            targets.add(piece.targets)
        if spec.target_shape == "own" and piece.first:
            target_lengths.append(len(piece.targets))
        if piece.whole and not split.stream:
            keys.append(_key(piece, spec))
            texts += [piece.inputs] if spec.inputs == "tokens" else []
    found: Plain = {"sequences": len(split), "sequences read": read}
    found |= {"steps": int(split.lengths.sum()), "steps read": inputs.steps}
    found["lengths"] = _lengths(split.lengths)
    if target_lengths:
        found["target lengths"] = _lengths(np.array(target_lengths))
    if isinstance(inputs, _Tokens):
        width = 1 if spec.text is None else spec.text.kmer
        found["tokens"] = inputs.named(kmer_names(spec.input_names, width) if width > 1 else spec.input_names)
    else:
        found["features"] = inputs.named(spec.input_names, spec.input_shift, spec.input_scale)
    return {**found, **_of_targets(spec, targets), **_of_sequences(split)}, keys, texts


def _of_targets(spec: Spec, targets: _Tokens | _Numbers) -> Plain:
    if isinstance(targets, _Numbers) and spec.targets == "values":
        return {"values": targets.named(spec.target_names, spec.shift, spec.scale)}
    if spec.targets != "tokens":
        counts = targets.total if isinstance(targets, _Numbers) else targets.counts
        names = _names(spec.target_names, spec.target_size)
        return {"classes": dict(zip(names, counts.astype(int).tolist(), strict=True))}
    found = targets.named(spec.target_names) if isinstance(targets, _Tokens) else {}
    return {"target tokens": found} if spec.target_shape == "own" else {}


def _of_sequences(split: SequenceDataset) -> Plain:
    found: Plain = {}
    if split.groups is not None:
        found["groups"] = len(set(split.groups))
    if split.weights is not None:
        weights = np.asarray(split.weights)
        found["weights"] = {"min": float(weights.min()), "mean": float(weights.mean()), "max": float(weights.max())}
    return found


def pieces(split: SequenceDataset) -> Iterator[Piece]:
    """Yield what is profiled: sequences spread evenly over the split, in pieces, within the limits."""
    lengths = split.lengths
    mean = max(1.0, float(lengths.mean()))
    count = min(len(lengths), MOST_SEQUENCES, max(1, int(MOST_STEPS / mean)))
    most = max(1, MOST_STEPS // count // PIECE)  # pieces of one sequence
    for index in np.linspace(0, len(lengths) - 1, count).astype(np.int64).tolist():
        length = int(lengths[index])
        starts = range(0, length, PIECE)
        chosen = [starts[i] for i in np.linspace(0, len(starts) - 1, min(most, len(starts))).astype(int).tolist()]
        for number, start in enumerate(chosen):
            inputs, targets = split.read(index, start, min(start + PIECE, length))
            yield Piece(inputs, targets, number == 0, len(starts) == 1)


def _key(piece: Piece, spec: Spec) -> bytes:
    """Digest the inputs, and the targets where they are sequences too: one label may have many texts."""
    digest = hashlib.blake2b(np.ascontiguousarray(piece.inputs).tobytes(), digest_size=16)
    if spec.target_shape == "own":
        digest.update(b"|" + np.ascontiguousarray(piece.targets).tobytes())
    return digest.digest()


def _lengths(lengths: np.ndarray) -> Plain:
    low, high = int(lengths.min()), int(lengths.max())
    counts = np.histogram(lengths, bins=min(BLOCKS, high - low + 1), range=(low, high + 1))[0]
    return {"min": low, "median": float(np.median(lengths)), "max": high, "histogram": counts.tolist()}


def _names(names: tuple[str, ...], size: int) -> list[str]:
    return [*map(str, names), *map(str, range(len(names), size))][:size]


class _Tokens:
    """Counts of tokens."""

    def __init__(self, size: int) -> None:
        self.counts, self.steps = np.zeros(size, np.int64), 0

    def add(self, tokens: np.ndarray) -> None:
        flat = np.asarray(tokens).reshape(-1)
        flat = flat[flat >= 0]  # below 0: a step without a target
        self.counts += np.bincount(flat, minlength=len(self.counts))
        self.steps += len(flat)

    def named(self, names: tuple[str, ...]) -> Plain:
        """Return the vocabulary's size, the most frequent tokens with their shares, and the share of unknown ones."""
        total, known = max(1, self.steps), _names(names, len(self.counts))
        order = np.argsort(-self.counts, kind="stable")[:FREQUENT]
        frequent = {known[i]: int(self.counts[i]) / total for i in order.tolist() if self.counts[i]}
        unknown = [i for i, name in enumerate(known) if name == "<unk>"]
        found: Plain = {"vocabulary": len(known), "seen": int((self.counts > 0).sum()), "frequent": frequent}
        return {**found, "unknown": int(self.counts[unknown].sum()) / total} if unknown else found


class _Numbers:
    """Mean, spread and range of each column, and how many numbers are missing."""

    def __init__(self, size: int) -> None:
        self.steps = 0
        self.total, self.squares = np.zeros(size), np.zeros(size)
        self.low, self.high = np.full(size, np.inf), np.full(size, -np.inf)
        self.known = np.zeros(size, np.int64)

    def add(self, values: np.ndarray) -> None:
        rows = np.asarray(values, np.float64).reshape(-1, len(self.total))
        there = np.isfinite(rows)
        filled = np.where(there, rows, 0.0)
        self.steps += len(rows)
        self.known += there.sum(0)
        self.total += filled.sum(0)
        self.squares += (filled**2).sum(0)
        self.low = np.minimum(self.low, np.where(there, rows, np.inf).min(0, initial=np.inf))
        self.high = np.maximum(self.high, np.where(there, rows, -np.inf).max(0, initial=-np.inf))

    def named(self, names: tuple[str, ...], shift: tuple[float, ...], scale: tuple[float, ...]) -> dict[str, Plain]:
        """Return mean, deviation, range and missing values of each column, by name, in original units."""
        size, count = len(self.total), np.maximum(self.known, 1)
        mean = self.total / count
        spread = np.sqrt(np.maximum(self.squares / count - mean**2, 0.0))
        factor = np.array([*scale, *[1.0] * (size - len(scale))])  # what is not scaled comes last
        offset = np.array([*shift, *[0.0] * (size - len(shift))])
        found = {}
        for i, name in enumerate(_names(names, size)):
            low, mid, high = (float(v[i] * factor[i] + offset[i]) for v in (self.low, mean, self.high))
            column = {"mean": mid, "sd": float(spread[i] * factor[i]), "min": low, "max": high}
            found[name] = {**column, "missing": int(self.steps - self.known[i])}
        return found
