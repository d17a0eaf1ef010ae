"""Plots of classification: attention over the steps, and accuracy after the first steps."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from seqmodels.tasks.plots.style import MODEL, TRUTH, WRONG, new_figure, tidy

# Characters per line of a text, and maximum number of lines of a text.
LINE, LINES = 150, 4

Attended = Sequence[tuple[str | int, float]]


def attention_figure(rows: Sequence[tuple[Attended, str | None, str]]) -> Figure:
    """Plot each text with its words shaded by attention, relative to its maximum; features as bars.

    Args:
        rows: steps with their weights, predicted label and true label of each sequence.
    """
    figure = new_figure(9.5, 0.4 + 0.85 * len(rows))
    grid = figure.subplots(len(rows), 1, squeeze=False).ravel()
    for axes, (steps, predicted, truth) in zip(grid, rows, strict=True):
        colour = TRUTH if predicted == truth else WRONG
        axes.set_title(f"{truth}, predicted {predicted}", loc="left", fontsize=8, color=colour)
        axes.axis("off")
        if steps and isinstance(steps[0][0], str):
            _write_words(axes, steps)
        elif steps:
            axes.bar(range(len(steps)), [weight for _, weight in steps], color=MODEL, width=1.0)
    return figure


def _write_words(axes: object, steps: Attended) -> None:
    """Write words from left to right in a monospaced font, wrapped."""
    highest = max(weight for _, weight in steps) or 1.0
    column, line = 0, 0
    letters = max(len(str(word)) for word, _ in steps) <= 1
    for word, weight in steps:
        text = str(word)
        if column + len(text) > LINE:
            column, line = 0, line + 1
        if line == LINES:
            break
        axes.text(  # type: ignore[attr-defined]
            column / LINE,
            1 - (line + 0.5) / LINES,
            text,
            fontsize=7,
            family="monospace",
            va="center",
            transform=axes.transAxes,  # type: ignore[attr-defined]
            bbox={"facecolor": MODEL, "alpha": 0.6 * weight / highest, "edgecolor": "none", "pad": 0.8},
        )
        column += len(text) + (0 if letters else 1)


def early_figure(accuracy: Mapping[int, float], whole: float) -> Figure:
    """Plot accuracy against the number of steps read."""
    figure = new_figure(5.4, 3.4)
    axes = figure.subplots()
    axes.plot(list(accuracy), list(accuracy.values()), color=MODEL, marker="o", label="after the first steps")
    axes.axhline(whole, color=TRUTH, linewidth=1, linestyle="--", label="whole sequences")
    axes.set(xlabel="steps read", ylabel="accuracy", title="how soon the decision is right")
    axes.legend(frameon=False, fontsize=8)
    tidy(axes)
    return figure
