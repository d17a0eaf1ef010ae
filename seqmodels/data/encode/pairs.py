"""Encoded pairs as a data set: its rows, which of them belong together, and where each was read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from seqmodels.data.encode.token_file import TokenFile
from seqmodels.data.encode.tokenizer import Tokenizer
from seqmodels.dataset import SequenceDataset
from seqmodels.spec import Spec


class PairDataset(SequenceDataset):
    """Some rows of a file of encoded pairs.

    Args:
        spec: as `PairsSource` makes it.
        tokens: the file.
        rows: which of its rows; None for all.
    """

    def __init__(self, spec: Spec, tokens: TokenFile, rows: np.ndarray | None = None) -> None:
        self.spec, self.tokens = spec, tokens
        self._maps: dict[str, np.ndarray] = {}
        offsets = self.map("offsets")
        self.rows = np.arange(len(offsets) // 2) if rows is None else rows
        self.lengths = offsets[2 * self.rows + 1] - offsets[2 * self.rows]
        if rows is not None:
            self.groups = Keys(self)

    def map(self, name: str) -> np.ndarray:
        """Map one of the arrays beside the tokens: offsets, keys or lines."""
        if name not in self._maps:
            self._maps[name] = np.asarray(np.load(self.tokens.folder / f"{name}.npy", mmap_mode="r"))
        return self._maps[name]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_maps": {}}  # a copy in another process maps the files anew

    def read(self, index: int, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        row = 2 * int(self.rows[index])
        first, middle, last = self.map("offsets")[row : row + 3].tolist()
        inputs = self.tokens[first + start : min(first + stop, middle)].astype(np.int64)
        return inputs, self.tokens[middle:last].astype(np.int64)


class Keys(Sequence[str]):
    """The hash of each row's source, as text: rows of one source are in one split."""

    def __init__(self, dataset: PairDataset) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset.rows)

    def __getitem__(self, index: Any) -> Any:
        keys = self.dataset.map("keys")[self.dataset.rows[index]]
        return [f"{key:016x}" for key in keys.tolist()] if isinstance(index, slice) else f"{int(keys):016x}"


class Origins(Sequence[dict[str, Any]]):
    """The line of each row, and its source as the model reads it, to stand beside its prediction."""

    def __init__(self, dataset: PairDataset, units: Tokenizer) -> None:
        self.dataset, self.units = dataset, units

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        row = range(len(self))[index]
        tokens, _ = self.dataset.read(row, 0, int(self.dataset.lengths[row]))
        return {"line": int(self.dataset.map("lines")[row]), "source": self.units.text(tokens.tolist())}
