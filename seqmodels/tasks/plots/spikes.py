"""Plot of token probabilities of a transcription."""

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from torch import Tensor

from seqmodels.tasks.plots.style import new_figure, tidy

# Maximum number of tokens with their own line, the most likely ones.
MOST_LINES = 12


def spikes_figure(probability: Tensor, names: Sequence[str], truth: str, made: str) -> Figure:
    """Plot the probability of each token and the blank at each step.

    Args:
        probability: ``(T, V + 1)``, the blank last.
    """
    values = np.asarray(probability)
    figure = new_figure(10, 3.2)
    axes = figure.subplots()
    axes.fill_between(range(len(values)), values[:, -1], color="#dddddd", linewidth=0, label="blank")
    likely = [token for token in np.argsort(-values[:, :-1].max(0))[:MOST_LINES] if values[:, token].max() > 0.05]
    for place, token in enumerate(sorted(likely)):
        colour = colormaps["tab20" if len(likely) > 10 else "tab10"](place)
        axes.plot(values[:, token], color=colour, linewidth=1.6, label=names[token].strip() or "space")
    axes.set(xlabel="step", ylabel="probability", ylim=(0, 1.03), xlim=(0, max(1, len(values) - 1)))
    axes.set_title(f"true: {truth}\nheard: {made}", loc="left", fontsize=9)
    tidy(axes)
    figure.legend(loc="outside right upper", frameon=False, fontsize=8)
    return figure
