"""Sequences of a file as they are, before they are encoded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np


@dataclass(frozen=True)
class Examples:
    """N sequences as a source reads them: texts or numbers, with targets where the file has them.

    >>> examples = Examples("a.txt", ["to be", "or not"], ["ann", "bob"], lines=[3, 7])
    >>> some = examples.select(np.array([1]))
    >>> some.inputs, some.targets, some.place(0)
    (['or not'], ['bob'], 'a.txt, line 7')

    Fields:
        path: of the file, for messages.
        inputs: of each a text, or numbers ``(T, F)``.
        targets: of each the name of its class, or numbers ``(V,)``; with `target_per` "step" names ``(T,)`` or
            numbers ``(T, V)``. None where the file has none.
        target_per: whether a sequence has one target, or each of its steps.
        groups: of each what must not be in two splits, such as a person.
        lines: of each the line of the file it begins in.
        names: of the F features.
        target_names: of the V numbers.
        notes: what was left out, one sentence each.
    """

    path: str
    inputs: Sequence[str] | Sequence[np.ndarray]
    targets: Sequence[str] | Sequence[np.ndarray] | Sequence[Sequence[str]] | None = None
    target_per: Literal["sequence", "step"] = "sequence"
    groups: Sequence[str] | None = None
    lines: Sequence[int] | None = None
    names: tuple[str, ...] = ()
    target_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.inputs)

    def select(self, items: np.ndarray) -> Examples:
        """Return some of the sequences."""
        return replace(
            self,
            inputs=_chosen(self.inputs, items),
            targets=_chosen(self.targets, items),
            groups=_chosen(self.groups, items),
            lines=_chosen(self.lines, items),
        )

    def place(self, index: int) -> str:
        """Say where a sequence is."""
        return self.path if self.lines is None else f"{self.path}, line {self.lines[index]}"

    @property
    def labelled(self) -> bool:
        """Whether targets are names of classes."""
        one = None if not self.targets else self.targets[0]
        return isinstance(one, str) or (self.target_per == "step" and one is not None and not _numbers(one))


def _numbers(values: object) -> bool:
    return isinstance(values, np.ndarray) and values.dtype.kind in "fiub"


def _chosen(values: Sequence[Any] | None, items: np.ndarray) -> Any:
    return None if values is None else [values[i] for i in items.tolist()]
