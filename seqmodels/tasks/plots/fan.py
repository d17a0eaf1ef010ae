"""Fan chart: the recent past of series and their forecasts."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

from seqmodels.tasks.plots.style import MODEL, TRUTH, legend_below, panels, tidy

# Maximum number of series in a figure.
MOST_PANELS = 9


class Fan(NamedTuple):
    """Recent past of a series, and the rows of its forecast.

    Fields:
        name: name of the series; empty for a single one.
        times: times of the past, dates or numbers.
        values: values of the past.
        ahead: times of the forecast.
        rows: rows as returned by `seqmodels.inference.Model.forecast`.
        sure: number of steps after which the forecast continues from itself.
    """

    name: str
    times: np.ndarray
    values: np.ndarray
    ahead: np.ndarray
    rows: Sequence[Mapping[str, Any]]
    sure: int


def fan_figure(fans: Sequence[Fan], target: str) -> Figure:
    """Plot a panel for each of the first series, with bands between symmetric quantiles.

    >>> rows = [{"forecast": 3.0, "quantile_0.1": 2.0, "quantile_0.9": 4.0}]
    >>> fan = Fan("", np.arange(2), np.array([1.0, 2.0]), np.array([2]), rows, 1)
    >>> len(fan_figure([fan], "sales").axes)
    1
    """
    shown = fans[:MOST_PANELS]
    figure, grid = panels(len(shown), 3, (4.2, 2.6), (0.0, 1.2))
    figure.set_figwidth(max(7.5, figure.get_figwidth()))
    for axes, fan in zip(grid, shown, strict=True):
        _draw(axes, fan, target)
    more = f" ({len(shown)} of {len(fans)} series)" if len(fans) > len(shown) else ""
    figure.suptitle(f"{target}: forecast{more}")
    handles: dict[str, Any] = {}
    for axes in grid:
        found, labels = axes.get_legend_handles_labels()
        handles.update(zip(labels, found, strict=True))
    legend_below(figure, list(handles.values()), list(handles))
    return figure


def _draw(axes: Axes, fan: Fan, target: str) -> None:
    forecast = np.array([row["forecast"] for row in fan.rows])
    times = np.concatenate([fan.times[-1:], fan.ahead])
    for low, high in _bands(fan.rows[0]):
        label = f"{float(high.rpartition('_')[2]) - float(low.rpartition('_')[2]):.0%} interval"
        below, above = (np.array([fan.values[-1], *(row[name] for row in fan.rows)]) for name in (low, high))
        axes.fill_between(times, below, above, color=MODEL, alpha=0.2, linewidth=0, label=label)
    axes.plot(fan.times, fan.values, color=TRUTH, linewidth=1.2, label="history")
    axes.plot(times, np.concatenate([fan.values[-1:], forecast]), color=MODEL, linewidth=1.8, label="forecast")
    if fan.sure < len(fan.rows):
        axes.axvline(fan.ahead[fan.sure - 1], color="#8a8a8a", linewidth=0.8, linestyle=":", label="horizon")
    axes.set(ylabel=target, title=fan.name)
    if np.issubdtype(np.asarray(fan.times).dtype, np.datetime64):
        locator = AutoDateLocator(minticks=3, maxticks=6)
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    else:
        axes.set_xlabel("step")
    tidy(axes)


def _bands(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the names of symmetric pairs of quantiles, the widest first."""
    levels = {float(name.rpartition("_")[2]): name for name in row if name.startswith("quantile_")}
    pairs = [(low, high) for low in levels for high in levels if low < 0.5 and abs(low + high - 1) < 1e-6]
    return [(levels[low], levels[high]) for low, high in sorted(pairs)]
