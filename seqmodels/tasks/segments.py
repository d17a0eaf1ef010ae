"""Segments: runs of steps whose tags are among some, such as the coding parts of genes, and how well they are found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

COUNTS = ("segments_found", "segments_true", "segments_both", "steps_found", "steps_true", "steps_both")


def find_segments(tags: Tensor, starts: Tensor, members: Sequence[int]) -> tuple[Tensor, Tensor]:
    """The first and the last step of each segment, int64 ``(n,)`` each.

    >>> tags, starts = torch.tensor([1, 1, 0, 1, 1]), torch.tensor([True, False, False, False, True])
    >>> [ends.tolist() for ends in find_segments(tags, starts, [1])]
    [[0, 3, 4], [1, 3, 4]]

    Args:
        tags: of all steps of all sequences, one after the other, ``(N,)``.
        starts: bool ``(N,)``, where a sequence begins.
        members: the tags that make up segments.
    """
    inside = torch.isin(tags, tags.new_tensor(list(members)))
    no, yes = inside.new_zeros(1), inside.new_ones(1)
    first = inside & (starts | ~torch.cat((no, inside[:-1])))
    last = inside & torch.cat((starts[1:] | ~inside[1:], yes))
    return first.nonzero().flatten(), last.nonzero().flatten()


def count_segments(predicted: Tensor, truth: Tensor, starts: Tensor, members: Sequence[int]) -> dict[str, int]:
    """How many segments were found, are true, and are both, with the same ends; the same of steps in segments.

    >>> truth, starts = torch.tensor([0, 1, 1, 0, 1]), torch.tensor([True, False, False, False, False])
    >>> list(count_segments(torch.tensor([0, 1, 1, 1, 0]), truth, starts, [1]).values())
    [1, 2, 0, 3, 3, 2]

    Args:
        predicted, truth: tags ``(N,)``.
        starts, members: as for `find_segments`.
    """
    if not len(truth):
        return dict.fromkeys(COUNTS, 0)
    ends = [find_segments(tags, starts, members) for tags in (predicted, truth)]
    found, true = (first * len(truth) + last for first, last in ends)
    inside = [torch.isin(tags, tags.new_tensor(list(members))) for tags in (predicted, truth)]
    steps = [int(part.sum()) for part in (*inside, inside[0] & inside[1])]
    return dict(zip(COUNTS, [len(found), len(true), int(torch.isin(found, true).sum()), *steps], strict=True))


def segment_scores(counts: Mapping[str, float]) -> dict[str, float]:
    """Of the steps in segments F1, and of whole segments precision, recall and F1; 0 where there are none.

        precision = both / found,    recall = both / true,    F1 = 2 both / (found + true)

    >>> segment_scores(dict(zip(COUNTS, [4, 2, 1, 3, 3, 2])))["segment_precision"]
    0.25
    """
    found, true, both, steps_found, steps_true, steps_both = (counts[name] for name in COUNTS)
    return {
        "step_f1": 2 * steps_both / max(1, steps_found + steps_true),
        "segment_precision": both / max(1, found),
        "segment_recall": both / max(1, true),
        "segment_f1": 2 * both / max(1, found + true),
    }
