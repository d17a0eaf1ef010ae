"""Plot of a series with its anomalies and alarms."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from seqmodels.tasks.metrics.detector import Detector, runs
from seqmodels.tasks.plots.style import MODEL, TRUTH, WRONG, new_figure, tidy

COLOURS = ("#e08a1e", "#2c9a57", "#8a5cc2", "#c2a11e", "#3a9fbf", "#777777")


def anomaly_figure(
    errors: np.ndarray, kinds: np.ndarray, values: np.ndarray, detector: Detector, names: Sequence[str]
) -> Figure:
    """Plot the series, anomalies shaded and flagged steps in red, above the score and its threshold.

    >>> steps = np.zeros(4)
    >>> len(anomaly_figure(steps, steps.astype(int), steps, Detector((1,), (1.0,), (0.0,), 3.0), ["spike"]).axes)
    2

    Args:
        errors, kinds, values: ``(n,)`` of one sequence.
        names: names of the kinds, from 1 on.
    """
    figure = new_figure(11.0, 5.0)
    above, below = figure.subplots(2, 1, sharex=True)
    score, steps = detector.score(errors), np.arange(len(errors))
    flags = score > detector.threshold
    above.plot(steps, values, color=TRUTH, linewidth=0.8, label="series")
    above.plot(steps[flags], values[flags], ".", color=WRONG, markersize=4, label="flagged")
    below.semilogy(steps, np.maximum(score, 1e-2), color=MODEL, linewidth=0.7)
    below.axhline(detector.threshold, color=WRONG, linewidth=1, linestyle="--", label="threshold")
    shown: set[int] = set()
    for start, stop in runs(kinds):
        kind = int(kinds[start])
        label = names[kind - 1].replace("_", " ") if kind not in shown else None
        shown.add(kind)
        above.axvspan(start - 0.5, stop - 0.5, color=COLOURS[(kind - 1) % len(COLOURS)], alpha=0.35, label=label)
        below.axvspan(start - 0.5, stop - 0.5, color=COLOURS[(kind - 1) % len(COLOURS)], alpha=0.35)
    above.set(ylabel="value", title="anomalies, and where they were flagged")
    below.set(ylabel="score", xlabel="step")
    below.legend(frameon=False, fontsize=8, loc="upper right")
    figure.legend(*above.get_legend_handles_labels(), loc="outside lower center", ncols=8, frameon=False)
    for axes in (above, below):
        tidy(axes)
    return figure
