"""Effective memory: how much of the past the model uses.

B rows, T steps.
"""

from typing import NamedTuple

import torch
from matplotlib.figure import Figure

from seqmodels.batch import SequenceBatch
from seqmodels.model import SequenceModel, evaluating
from seqmodels.tasks.base import Task
from seqmodels.training.diagnostics.cuts import (
    NotApplicableError,
    is_per_step,
    last_steps,
    longest_rows,
    loss_at_end,
    map_batch,
)
from seqmodels.training.diagnostics.style import COLOURS, GREY, new_figure

ROW_STEPS = 50_000  # limit of rows times steps of the longest context, for speed


class MemoryCurve(NamedTuple):
    """Mean loss against the number of context steps.

    Attributes:
        steps: 1, 2, 4, ... and the longest, ascending.
        losses: one per entry of `steps`.
        samples: number of losses per mean.
    """

    steps: list[int]
    losses: list[float]
    samples: int

    def effective(self, tolerance: float = 0.01) -> int:
        """Return the fewest steps whose loss is within `tolerance` of the best.

        >>> MemoryCurve([1, 2, 4, 8], [3.0, 2.0, 1.005, 1.0], 32).effective()
        4
        """
        best = min(self.losses)
        return next(k for k, loss in zip(self.steps, self.losses, strict=True) if loss <= best + tolerance * abs(best))


@torch.no_grad()
def effective_memory(model: SequenceModel, task: Task, batch: SequenceBatch, samples: int = 128) -> MemoryCurve:
    """Compute the loss when only the last 1, 2, 4, ... steps are read, each from a fresh state.

    With targets at every step, the loss is that of a row's last step, and of some steps before it
    up to `samples`; otherwise it is the whole loss, with the input cut to the last steps. The same
    targets are scored for every context length.

    Args:
        batch: its longest rows are used.
        samples: approximate number of losses per mean; fewer for very long sequences.

    Raises:
        NotApplicableError: the inputs have one step only, or would be too short for the targets if cut.
    """
    if task.unaligned:
        raise NotApplicableError("the targets lie along all of the inputs, which therefore cannot be cut")
    per_step = is_per_step(task)
    longest = int(batch.lengths.max())
    samples = min(samples, max(8, ROW_STEPS // max(longest, 1)))
    batch = longest_rows(batch, samples)
    ends = max(1, min(longest // 4, samples // len(batch.lengths))) if per_step else 1
    batch = _shortened(batch, ends)
    longest -= ends - 1
    if longest < 2:
        raise NotApplicableError("the inputs have one step only, so there is no context to cut")
    steps = [k for k in (2**n for n in range(longest.bit_length())) if k < longest] + [longest]
    losses, count = [], 0.0
    with evaluating(model):
        for k in steps:
            total, items = loss_at_end(model, task, last_steps(batch, k, per_step))
            losses.append(float(total / items.clamp(min=1)))
            count = float(items)
    return MemoryCurve(steps, losses, int(count))


def _shortened(batch: SequenceBatch, ends: int) -> SequenceBatch:
    """Repeat each row `ends` times without its last 0, 1, ... steps, dropping repeats without steps."""
    if ends == 1:
        return batch
    cuts = [batch._replace(lengths=batch.lengths - n) for n in range(ends)]
    together = map_batch(lambda *fields: torch.cat(fields), *cuts)
    return longest_rows(together, len(together.lengths))


def memory_figure(curve: MemoryCurve) -> Figure:
    """Plot loss against context, with the effective memory marked."""
    effective = curve.effective()
    mark = curve.losses[curve.steps.index(effective)]
    figure, axes = new_figure(
        f"Effective memory: the model uses about {effective} step{'s' if effective > 1 else ''}",
        f"Loss when only the last k steps are seen, from a fresh state ({curve.samples} targets)."
        " Past the mark, more context helps by less than 1 %.",
    )
    best = min(curve.losses)
    band = (best, best + 0.01 * abs(best))
    axes.axhspan(*band, color=GREY, alpha=0.25, linewidth=0, label="within 1 % of the best")
    axes.axvline(effective, color=COLOURS[1], linewidth=1.2, linestyle="--")
    axes.plot(curve.steps, curve.losses, "o-", color=COLOURS[0], label="loss")
    axes.plot([effective], [mark], "o", color=COLOURS[1], markersize=11, label=f"effective memory: {effective}")
    axes.set_xscale("log", base=2)
    ticks = [k for k in curve.steps if k == curve.steps[-1] or k * 1.6 < curve.steps[-1]]  # no overlaps
    axes.set_xticks(ticks, [str(k) for k in ticks])
    axes.minorticks_off()
    axes.set_xlabel("context kept (steps)")
    axes.set_ylabel("loss (mean per target)")
    axes.legend(frameon=False)
    return figure
