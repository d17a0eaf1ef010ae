"""Readers of data sets for baselines, in chunks so that memory does not grow with the data.

A data set here is anything with `spec`, `lengths` and `read(index, start, stop)`. N sequences, n
items, T steps, F features, L steps of history, V values.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from seqmodels.dataset import Part, SequenceDataset

# Maximum number of items, and of numbers, per chunk.
ITEMS, NUMBERS = 1 << 18, 1 << 22


def labels(dataset: SequenceDataset) -> np.ndarray:
    """Return the label of each sequence, or of each step of all sequences, int64."""
    if dataset.spec.target_shape == "sequence":
        known = getattr(dataset, "labels", None)  # known without reading the files one by one
        count = len(dataset.lengths)
        return (
            np.fromiter((dataset.read(i, 0, 1)[1] for i in range(count)), np.int64, count) if known is None else known
        )
    return np.concatenate([dataset.read(i, 0, int(n))[1] for i, n in enumerate(dataset.lengths)])


def sequences(
    dataset: SequenceDataset, indices: Iterable[int] | None = None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield inputs and targets of whole sequences."""
    for i in range(len(dataset.lengths)) if indices is None else indices:
        yield dataset.read(int(i), 0, int(dataset.lengths[i]))


def last_stretch(dataset: SequenceDataset, most: int) -> np.ndarray:
    """Return features ``(T, F)`` of the last contiguous stretch of a data set, at most `most` steps.

    Windows that overlap by all but one step, or as their `starts` say, are joined; of whole sequences it is
    the last.
    """
    while isinstance(dataset, Part):
        dataset = dataset.dataset
    last, starts = len(dataset.lengths) - 1, getattr(dataset, "starts", None)
    newest = dataset.read(last, max(0, int(dataset.lengths[last]) - most), int(dataset.lengths[last]))[0]
    steps = [newest]
    for i in range(last - 1, -1, -1):
        if sum(map(len, steps)) >= most:
            break
        inputs = dataset.read(i, 0, int(dataset.lengths[i]))[0]
        apart = 1 if starts is None else int(starts[i + 1] - starts[i])
        overlap = len(inputs) == len(newest) and 0 < apart < len(inputs)
        if not overlap or not np.array_equal(inputs[apart:], newest[:-apart], equal_nan=True):
            break
        steps.append(inputs[:apart])
        newest = inputs
    return np.concatenate(steps[::-1])


def neighbourhoods(tokens: np.ndarray, before: int, after: int, border: int) -> np.ndarray:
    """Return each token with its neighbours, ``(T, before + 1 + after)``, padded with `border`.

    >>> neighbourhoods(np.array([5, 6, 7]), before=1, after=0, border=9).tolist()
    [[9, 5], [5, 6], [6, 7]]
    """
    return sliding_window_view(np.pad(tokens, (before, after), constant_values=border), before + 1 + after)


def step_items(dataset: SequenceDataset, before: int, after: int = 0) -> Iterator[tuple[np.ndarray, ...]]:
    """Yield token contexts ``(n, before + 1 + after)`` and targets ``(n,)`` of all steps in chunks."""

    def parts() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        border = dataset.spec.input_size
        for i, steps in enumerate(dataset.lengths.tolist()):
            for start in range(0, steps, ITEMS):
                stop = min(steps, start + ITEMS)
                low, high = max(0, start - before), min(steps, stop + after)
                inputs, targets = dataset.read(i, low, high)
                items = slice(start - low, stop - low)
                yield neighbourhoods(inputs, before, after, border)[items], targets[items]

    return joined(parts())


class NewestTokens(SequenceDataset):
    """Data set whose inputs are tokens joined with those before them, read as the newest tokens."""

    def __init__(self, dataset: SequenceDataset) -> None:
        self.dataset, self.lengths = dataset, dataset.lengths
        self.spec = replace(dataset.spec, input_size=dataset.spec.target_size)

    def read(self, index: int, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Read as the data set itself does."""
        inputs, targets = self.dataset.read(index, start, stop)
        return inputs % self.spec.input_size, targets


def target_items(dataset: SequenceDataset, before: int) -> Iterator[tuple[np.ndarray, ...]]:
    """Yield contexts ``(n, before)`` and tokens ``(n,)`` of all target sequences in chunks."""

    def parts() -> Iterator[tuple[np.ndarray, ...]]:
        border = dataset.spec.target_size
        for i in range(len(dataset.lengths)):
            tokens = dataset.read(i, 0, 1)[1]
            past = np.concatenate([np.full(before, border), tokens])[: len(tokens) + before - 1]
            yield (sliding_window_view(past, before) if len(tokens) else np.empty((0, before), np.int64)), tokens

    return joined(parts())


def joined(parts: Iterable[tuple[np.ndarray, ...]], most: int = ITEMS) -> Iterator[tuple[np.ndarray, ...]]:
    """Concatenate small arrays of items to chunks of about `most` items."""
    held: list[tuple[np.ndarray, ...]] = []
    count = 0
    for part in parts:
        held.append(part)
        count += len(part[0])
        if count >= most:
            yield tuple(np.concatenate(arrays) for arrays in zip(*held, strict=True))
            held, count = [], 0
    if held:
        yield tuple(np.concatenate(arrays) for arrays in zip(*held, strict=True))


def item_count(dataset: SequenceDataset, stride: int = 1) -> int:
    """Return the number of targets, or the number that `histories` yields with this stride."""
    if dataset.spec.target_shape == "sequence":
        return -(-len(dataset.lengths) // stride)
    return int((-(-np.asarray(dataset.lengths) // stride)).sum())


def histories(dataset: SequenceDataset, steps: int, stride: int = 1) -> Iterator[tuple[np.ndarray, ...]]:
    """Yield the last L inputs before each target, with the targets, in chunks.

    Shorter histories are padded with their first step. Tokens become one-hot features.

    Args:
        dataset: data set with values as targets, one per sequence or per step.
        steps: L.
        stride: step between the sequences, or steps, used.

    Yields:
        Histories ``(n, L, F)``, numbers of known steps ``(n,)``, and targets ``(n, V)``.
    """
    size = max(1, NUMBERS // (steps * dataset.spec.input_size))
    parts: Iterable[tuple[np.ndarray, ...]]
    if dataset.spec.target_shape == "sequence":
        parts = (
            (_last(_features(dataset, inputs), steps)[None], np.array([min(steps, len(inputs))]), targets[None])
            for inputs, targets in _ends(dataset, steps, stride)
        )
    else:
        parts = (
            part
            for inputs, targets in sequences(dataset)
            for part in _per_step(_features(dataset, inputs), targets, steps, stride, size)
        )
    return joined(parts, size)


def _ends(dataset: SequenceDataset, steps: int, stride: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the last inputs and the targets of every `stride`-th sequence."""
    for i in range(0, len(dataset.lengths), stride):
        stop = int(dataset.lengths[i])
        yield dataset.read(i, max(0, stop - steps), stop)


def _features(dataset: SequenceDataset, inputs: np.ndarray) -> np.ndarray:
    return np.eye(dataset.spec.input_size)[inputs] if inputs.ndim == 1 else inputs


def _last(features: np.ndarray, steps: int) -> np.ndarray:
    last = features[-steps:]
    return np.concatenate([np.repeat(last[:1], steps - len(last), axis=0), last])


def _per_step(
    features: np.ndarray, targets: np.ndarray, steps: int, stride: int, size: int
) -> Iterator[tuple[np.ndarray, ...]]:
    padded = np.concatenate([np.repeat(features[:1], steps - 1, axis=0), features])
    windows = sliding_window_view(padded, steps, axis=0).swapaxes(1, 2)[::stride]
    known = np.minimum(np.arange(len(features)) + 1, steps)[::stride]
    for low in range(0, len(windows), size):
        part = slice(low, low + size)
        yield windows[part], known[part], targets[::stride][part]
