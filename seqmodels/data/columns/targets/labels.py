"""The labels of a table: their names, and in which rows they hold."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from seqmodels.data.columns.infer import Layout
from seqmodels.data.files.ragged import Ragged
from seqmodels.data.read.table import Table

# Between the names of several labels in one cell.
BETWEEN_LABELS = "|"


class Labels:
    """The labels that hold in the rows of a table: one, or any number of them.

    >>> table = Table("a.csv", {"kind": ["b|a", "", "b"]}, [2, 3, 4])
    >>> labels = Labels(table, Layout("wide", "kind", "sets", "sequence"))
    >>> labels.names, labels.holding(np.array([0, 1, 2]))[0].tolist()
    (['b', 'a'], [0, 1, 0])

    Args:
        table, layout: with one column of labels, or a column of 0 and 1 for each.

    Attributes:
        names: of the labels, in order of appearance.
    """

    def __init__(self, table: Table, layout: Layout) -> None:
        self._columns: list[np.ndarray] = []
        if layout.more_targets:
            self.names = list(layout.targets)
            self._columns = [table.numbers(name) for name in layout.targets]
            return
        self._codes, cells = table.codes(layout.target, "target")
        own = [_names(cell) if layout.target_kind == "sets" else (cell,) for cell in cells]
        self.names = list(dict.fromkeys(name for some in own for name in some))
        number = {name: i for i, name in enumerate(self.names)}
        self._sets = Ragged.of([[number[name] for name in some] for some in own], np.int64)

    def holding(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the numbers of the labels that hold in some rows, one after another, and the place of each row."""
        if self._columns:
            holds = np.stack([column[rows] for column in self._columns], axis=1) == 1
            place, label = np.nonzero(holds)
            return label, place
        found = self._sets.take(self._codes[rows])
        return found.flat(), np.repeat(np.arange(len(rows)), found.lengths)

    def counts(self, rows: Ragged) -> np.ndarray:
        """Return how often each label holds in the rows of some sequences, int64 ``(labels,)``."""
        found = np.zeros(len(self.names), np.int64)
        for part in rows.parts():
            found += np.bincount(self.holding(rows.flat(part))[0], minlength=len(found))
        return found


def _names(cell: str) -> tuple[str, ...]:
    return tuple(name for part in cell.split(BETWEEN_LABELS) if (name := part.strip()))


def sort_labels(labels: Iterable[str]) -> tuple[str, ...]:
    """Return labels in the order of numbers where all are numbers, else of the alphabet.

    >>> sort_labels({"10", "9"}), sort_labels({"b", "a"})
    (('9', '10'), ('a', 'b'))
    """
    try:
        return tuple(sorted(labels, key=lambda label: (float(label), label)))
    except ValueError:
        return tuple(sorted(labels))
