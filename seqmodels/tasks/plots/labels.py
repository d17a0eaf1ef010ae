"""Plot of multilabel scores."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from seqmodels.tasks.plots.style import BASELINE, MODEL, new_figure

# Maximum number of labels in a plot.
MOST_LABELS = 30


def labels_figure(counts: np.ndarray, names: Sequence[str]) -> Figure:
    """Plot precision and recall of each label, the most frequent on top.

    Args:
        counts: ``(V, 5)``: true and false positives, true and false negatives, and support of each label.
    """
    order = np.argsort(-counts[:, 4], kind="stable")[:MOST_LABELS]
    right, false, _, missed, support = counts[order].T.astype(float)
    precision, recall = (right / np.maximum(right + wrong, 1) for wrong in (false, missed))
    figure = new_figure(6.4, 1.4 + 0.36 * len(order))
    axes = figure.subplots()
    place = np.arange(len(order))
    axes.barh(place - 0.2, precision, 0.38, color=MODEL, label="precision: of those said, right")
    axes.barh(place + 0.2, recall, 0.38, color=BASELINE, label="recall: of those that hold, found")
    axes.set_yticks(place, [f"{names[i]} ({int(n):,})" for i, n in zip(order, support, strict=True)])
    axes.invert_yaxis()
    axes.set(xlim=(0, 1), xlabel="share")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", alpha=0.25, linewidth=0.6)
    figure.legend(loc="outside upper center", ncols=2, frameon=False)
    return figure
