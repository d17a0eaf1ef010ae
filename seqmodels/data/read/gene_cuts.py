"""Genes cut out of a record that holds many, such as a chromosome: each on its own strand, with letters around it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

# Letters before and after a gene at most; between two genes each gets half of what lies there.
AROUND = 300

Spans = list[tuple[int, int]]


class Gene(NamedTuple):
    """A gene in a record.

    Fields:
        start, stop: the first letter of it and what lies around it, and one past the last, from 0.
        reverse: whether it is read on the other strand.
        coding: its coding parts on its own strand, counted from the cut's beginning, in order.
    """

    start: int
    stop: int
    reverse: bool
    coding: Spans


def cut_genes(places: Sequence[tuple[int, Spans]], length: int) -> list[Gene]:
    """Return the genes of a record of `length` letters, by strand (1, -1) and coding parts (from 0, ends excluded).

    A gene more than half of which is coding in a longer one too, such as another reading of it, is left out.

    >>> cut_genes([(1, [(10, 20)]), (-1, [(40, 50), (55, 60)])], length=70)[1]
    Gene(start=30, stop=70, reverse=True, coding=[(10, 15), (20, 30)])
    """
    kept = _apart(places, length)
    starts, stops = (np.sort([span[side] for _, spans in kept for span in spans]) for side in (0, 1))
    genes = []
    for strand, spans in kept:
        first, last = spans[0][0], spans[-1][1]
        # What is coding nearest to the gene: none of its own, since that lies between first and last.
        earlier, later = stops[: np.searchsorted(starts, first)], starts[np.searchsorted(stops, last, "right") :]
        before = max(0, first - int(earlier[-1])) // 2 if len(earlier) else first
        after = max(0, int(later[0]) - last) // 2 if len(later) else length - last
        start, stop = first - min(AROUND, before), last + min(AROUND, after)
        coding = [(a - start, b - start) if strand > 0 else (stop - b, stop - a) for a, b in spans]
        genes.append(Gene(start, stop, strand < 0, sorted(coding)))
    return genes


def _apart(places: Sequence[tuple[int, Spans]], length: int) -> list[tuple[int, Spans]]:
    """Return the genes that are largely their own, in order of their first letters."""
    taken, kept = np.zeros(length, bool), []
    for strand, spans in sorted(places, key=lambda place: -sum(b - a for a, b in place[1])):
        if 2 * sum(int(taken[a:b].sum()) for a, b in spans) <= sum(b - a for a, b in spans):
            kept.append((strand, spans))
            for a, b in spans:
                taken[a:b] = True
    return sorted(kept, key=lambda place: place[1])
