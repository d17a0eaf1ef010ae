"""Figures, made without pyplot's global state, to be read at the size that TensorBoard shows.

matplotlib is imported when the first is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from torch import Tensor

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TRUTH, MODEL, BASELINE, WRONG = "#222222", "#1f6fd6", "#e08a1e", "#d62f3a"
# Classes whose matrix is annotated and named; above, the picture shows the pattern only.
MOST_NUMBERS, MOST_NAMES = 20, 40
# Points in a scatter, and steps of history in a forecast, in horizons but at least so many.
MOST_POINTS, SHOWN_HORIZONS, LEAST_HISTORY = 2000, 4, 24


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=110, layout="constrained")


def _tidy(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25, linewidth=0.6)


def confusion_figure(confusion: Tensor, names: Sequence[str]) -> Figure:
    """Of each true class (row), the share that was predicted as each class (column).

    Args:
        confusion: counts ``(V, V)``.
        names: of the V classes.
    """
    counts = np.asarray(confusion.cpu(), dtype=float)
    total = counts.sum(1, keepdims=True)
    share = np.divide(counts, total, out=np.zeros_like(counts), where=total > 0)
    size = float(np.clip(2.8 + 0.34 * len(names), 4.2, 9.5))
    figure = _figure(size + 0.7, size)
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


class Window(NamedTuple):
    """One row of a forecast: what was known, what came, what was forecast, perhaps with its quantiles ``(H, Q)``."""

    history: Tensor
    truth: Tensor
    forecast: Tensor
    baseline: Any = None
    quantiles: Tensor | None = None


def forecast_figure(windows: Sequence[Window], name: str, baseline: str = "", levels: Sequence[float] = ()) -> Figure:
    """History, truth, forecast and a baseline's forecast, one panel per window.

    Args:
        windows: in original units.
        name: of the series.
        baseline: its name.
        levels: of the windows' quantiles; each two that lie evenly around 0.5 bound a band.
    """
    columns = 1 if len(windows) == 1 else 2
    rows = -(-len(windows) // columns)
    figure = _figure(4.6 * columns + (0.6 if columns > 1 or windows[0].quantiles is None else 2.0), 2.5 * rows + 0.9)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, window in zip(grid, windows, strict=False):
        _draw_bands(axes, window, levels)
        _draw_window(axes, window, baseline)
        axes.set(ylabel=name)
    for axes in grid[len(windows) :]:
        axes.set_visible(False)
    for axes in grid[max(0, len(windows) - columns) : len(windows)]:
        axes.set_xlabel("steps from the last known value")
    handles, labels = grid[0].get_legend_handles_labels()
    figure.suptitle(f"{name}: forecast against truth")
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
    return figure


def _draw_window(axes: Axes, window: Window, baseline: str) -> None:
    horizon = len(window.truth)
    past = np.asarray(window.history)[-max(SHOWN_HORIZONS * horizon, LEAST_HISTORY) :]
    known = past[-1:]  # where every line ahead begins
    ahead = np.arange(1 - len(known), horizon + 1)
    if len(past):
        axes.plot(np.arange(1 - len(past), 1), past, color="#8a8a8a", linewidth=1.2, label="history")
        axes.axvline(0, color="#8a8a8a", linewidth=0.7, linestyle=":")
    marker = "o" if horizon <= 3 else None
    for values, colour, label, width in (
        (window.baseline, BASELINE, baseline, 1.4),
        (window.truth, TRUTH, "truth", 1.8),
        (window.forecast, MODEL, "model", 1.8),
    ):
        if values is not None:
            line = np.concatenate([known, np.asarray(values)])
            axes.plot(ahead, line, color=colour, linewidth=width, label=label, marker=marker)
    _tidy(axes)


def _draw_bands(axes: Axes, window: Window, levels: Sequence[float]) -> None:
    """A fan: the wider the band, the paler."""
    if window.quantiles is None:
        return
    known = np.asarray(window.history)[-1:]
    ahead = np.arange(1 - len(known), len(window.truth) + 1)
    pairs = [(i, len(levels) - 1 - i) for i in range(len(levels) // 2)]
    shares = ", ".join(f"{levels[high] - levels[low]:.0%}" for low, high in pairs)
    for i, pair in enumerate(pairs):
        low, high = (np.concatenate([known, np.asarray(window.quantiles[:, j])]) for j in pair)
        label = None if i else f"{shares} interval{'s' if len(pairs) > 1 else ''}"
        axes.fill_between(ahead, low, high, color=MODEL, alpha=0.18, linewidth=0, label=label)


def tags_figure(
    truth: Sequence[int], predicted: Sequence[int], names: Sequence[str], letters: Sequence[str] | None = None
) -> Figure:
    """True and predicted tags of one sequence as two strips of colour, with the mistakes marked below.

    Args:
        truth, predicted: a tag for each step.
        names: of the tags.
        letters: the step's inputs, written above where they are short and few.
    """
    from matplotlib.colors import ListedColormap
    from matplotlib.patches import Patch

    figure = _figure(10, 2.9)
    axes = figure.subplots()
    used = sorted({*truth, *predicted})
    place = {tag: i for i, tag in enumerate(used)}
    colours = _colours(len(used))
    strips = [[place[tag] for tag in tags] for tags in (truth, predicted)]
    axes.imshow(
        strips, aspect="auto", cmap=ListedColormap(colours), vmin=-0.5, vmax=len(used) - 0.5, interpolation="nearest"
    )
    wrong = [step for step, (a, b) in enumerate(zip(truth, predicted, strict=True)) if a != b]
    axes.scatter(wrong, [1.68] * len(wrong), marker="^", color=WRONG, s=18, clip_on=False)
    axes.axhline(0.5, color="white", linewidth=2)
    axes.set_yticks([0, 1], ["true", "predicted"])
    axes.set(xlabel="step", ylim=(1.85, -0.5), xlim=(-0.5, len(truth) - 0.5))
    axes.spines[:].set_visible(False)
    if letters is not None and len(letters) <= 120 and max(map(len, letters)) <= (1 if len(letters) > 40 else 3):
        for step, letter in enumerate(letters):
            axes.text(step, -0.62, letter, ha="center", va="bottom", fontsize=8, family="monospace")
    share = 1 - len(wrong) / len(truth)
    axes.set_title(f"one sequence: {share:.1%} of {len(truth)} steps right (red: wrong)", pad=22 if letters else 8)
    if len(used) <= 24:
        patches = [Patch(color=colour, label=names[tag]) for tag, colour in zip(used, colours, strict=True)]
        figure.legend(handles=patches, loc="outside right upper", frameon=False, fontsize=8, ncols=1 + len(used) // 12)
    return figure


def _colours(count: int) -> list[Any]:
    from matplotlib import colormaps

    if count <= 10:
        return [colormaps["tab10"](i) for i in range(count)]
    return [colormaps["turbo"](0.05 + 0.9 * i / (count - 1)) for i in range(count)]


def scatter_figure(truth: Tensor, predicted: Tensor, names: Sequence[str]) -> Figure:
    """Predicted against true values; on the diagonal they are the same.

    Args:
        truth, predicted: ``(n, V)`` in original units.
        names: of the V values.
    """
    shown = min(len(names), 6)
    columns = min(shown, 3)
    rows = -(-shown // columns)
    figure = _figure(4.4 * columns, 4.2 * rows)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    chosen = np.linspace(0, len(truth) - 1, min(len(truth), MOST_POINTS)).round().astype(int)
    for column, axes in enumerate(grid[:shown]):
        x, y = np.asarray(truth[:, column]), np.asarray(predicted[:, column])
        low, high = float(min(x.min(), y.min())), float(max(x.max(), y.max()))
        axes.plot([low, high], [low, high], color=TRUTH, linewidth=1, linestyle="--", label="prediction = truth")
        axes.scatter(x[chosen], y[chosen], s=12, alpha=0.5, color=MODEL, edgecolors="none", label="one target each")
        error = np.sqrt(np.mean((x - y) ** 2))
        axes.set(title=f"{names[column]}, rmse {error:.4g}", xlabel="true", ylabel="predicted")
        _tidy(axes)
    grid[0].legend(frameon=False, fontsize=8)
    for axes in grid[shown:]:
        axes.set_visible(False)
    return figure
