"""Plot of the calibration of forecast quantiles."""

import numpy as np
from matplotlib.figure import Figure

from seqmodels.tasks.metrics.intervals import IntervalMetric
from seqmodels.tasks.plots.style import BASELINE, MODEL, TRUTH, new_figure, tidy

# Deviation from the nominal coverage that is still good.
TOLERANCE = 0.05


def calibration_figure(counted: IntervalMetric) -> Figure:
    """Plot the reliability of quantiles (left), and coverage and width by step of the horizon (right)."""
    figure = new_figure(9.4, 4.2)
    reliability, coverage = figure.subplots(1, 2)
    items = float(counted.count)
    observed = np.asarray(counted.below.mean(0).cpu()) / items
    reliability.plot([0, 1], [0, 1], color=TRUTH, linewidth=1, linestyle="--", label="as it should be")
    reliability.plot(counted.levels, observed, color=MODEL, marker="o", linewidth=1.6, label="model")
    reliability.set(xlim=(0, 1), ylim=(0, 1), aspect="equal", title="reliability")
    reliability.set(xlabel="level of the quantile", ylabel="share of the values not above it")
    reliability.legend(frameon=False, fontsize=8, loc="upper left")
    share = counted.levels[counted.high] - counted.levels[counted.low]
    inside, wide = (np.asarray(values.cpu()) / items for values in (counted.inside, counted.wide))
    steps = np.arange(1, len(inside) + 1)
    coverage.axhspan(share - TOLERANCE, share + TOLERANCE, color="#cccccc", alpha=0.5, linewidth=0)
    coverage.axhline(share, color=TRUTH, linewidth=1, linestyle="--")
    coverage.plot(steps, inside, color=MODEL, marker="o", linewidth=1.6, label="coverage")
    coverage.set(ylim=(0, 1.02), xlabel="step of the horizon", ylabel="share of the values inside")
    coverage.set_title(f"{share:.0%} interval holds {inside.mean():.1%} of {int(items):,} x {len(steps)} values")
    widths = coverage.twinx()
    widths.plot(steps, wide, color=BASELINE, linewidth=1.4, label="mean width")
    widths.set(ylabel="mean width", ylim=(0, 1.25 * max(float(wide.max()), 1e-9)))
    coverage.legend(handles=[*coverage.get_lines()[1:], *widths.get_lines()], frameon=False, fontsize=8, loc=4)
    tidy(reliability)
    tidy(coverage)
    return figure
