"""Plot of a confusion matrix."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from seqmodels.tasks.plots.style import TRUTH, new_figure

# Maximum number of classes with annotations and names; beyond, only the pattern is shown.
MOST_NUMBERS, MOST_NAMES = 20, 40


def confusion_figure(confusion: Tensor, names: Sequence[str]) -> Figure:
    """Plot the share of each true class (row) predicted as each class (column).

    Args:
        confusion: counts ``(V, V)``.
    """
    counts = np.asarray(confusion.cpu(), dtype=float)
    total = counts.sum(1, keepdims=True)
    share = np.divide(counts, total, out=np.zeros_like(counts), where=total > 0)
    size = float(np.clip(2.8 + 0.34 * len(names), 4.2, 9.5))
    figure = new_figure(size + 0.7, size)
    axes = figure.subplots()
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(image, ax=axes, shrink=0.75, label="share of the true class")
    present = total[:, 0] > 0
    recall = share.diagonal()[present].mean() if present.any() else float("nan")
    axes.set_title(f"confusion matrix, mean recall {recall:.3f}, {int(total.sum()):,} items")
    axes.set(xlabel="predicted", ylabel="true")
    if len(names) <= MOST_NAMES:
        axes.set_xticks(range(len(names)), names, rotation=90 if len(names) > 6 else 0)
        axes.set_yticks(range(len(names)), [f"{n} ({int(t):,})" for n, t in zip(names, total[:, 0], strict=True)])
    if len(names) <= MOST_NUMBERS:
        for row, column in zip(*np.nonzero(counts), strict=True):
            value = share[row, column]
            if value >= 0.005:
                text = f"{value:.2f}".removeprefix("0") if value < 0.995 else "1"
                colour = "white" if value > 0.55 else TRUTH
                axes.text(column, row, text, ha="center", va="center", fontsize=8, color=colour)
    return figure
