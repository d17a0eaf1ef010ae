"""Segments, runs of steps with certain tags such as coding regions of genes, and their scores."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

COUNTS = ("segments_found", "segments_true", "segments_both", "steps_found", "steps_true", "steps_both")


def find_segments(tags: Tensor, starts: Tensor, members: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Return the first and last step of each segment, int64 ``(n,)`` each.

    >>> tags, starts = torch.tensor([1, 1, 0, 1, 1]), torch.tensor([True, False, False, False, True])
    >>> [ends.tolist() for ends in find_segments(tags, starts, [1])]
    [[0, 3, 4], [1, 3, 4]]

    Args:
        tags: ``(N,)``, all steps of all sequences, concatenated.
        starts: bool ``(N,)``, true at the start of each sequence.
        members: tags of segments.
    """
    inside = torch.isin(tags, tags.new_tensor(list(members)))
    no, yes = inside.new_zeros(1), inside.new_ones(1)
    first = inside & (starts | ~torch.cat((no, inside[:-1])))
    last = inside & torch.cat((starts[1:] | ~inside[1:], yes))
    return first.nonzero().flatten(), last.nonzero().flatten()


def count_segments(predicted: Tensor, truth: Tensor, starts: Tensor, members: Sequence[int]) -> dict[str, int]:
    """Count segments found, true, and both (with the same ends), and likewise the steps in segments.

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
    """Return F1 of the steps in segments, and precision, recall and F1 of whole segments; 0 if undefined.

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
