"""Sequences whose items are made when they are asked for."""

from __future__ import annotations

import operator
from abc import abstractmethod
from collections.abc import Sequence
from typing import TypeVar, overload

T = TypeVar("T")


class LazySequence(Sequence[T]):
    """A sequence of which a subclass says how long it is and makes each item, or several at once.

    >>> class Squares(LazySequence[int]):
    ...     def __len__(self):
    ...         return 5
    ...
    ...     def item(self, index):
    ...         return index**2
    >>> Squares()[-1], Squares()[1:4]
    (16, [1, 4, 9])
    """

    @abstractmethod
    def item(self, index: int) -> T:
        """Return one item, from 0 on."""

    def items(self, places: range) -> list[T]:
        """Return several items."""
        return [self.item(index) for index in places]

    @overload
    def __getitem__(self, index: int) -> T: ...

    @overload
    def __getitem__(self, index: slice) -> list[T]: ...

    def __getitem__(self, index: int | slice) -> T | list[T]:
        places = range(len(self))
        return self.items(places[index]) if isinstance(index, slice) else self.item(places[operator.index(index)])
