"""Plot of true and predicted tags of a sequence."""

from collections.abc import Sequence
from typing import Any

from matplotlib import colormaps
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from seqmodels.tasks.plots.style import WRONG, new_figure

# Maximum number of steps that are distinguishable in a strip.
MOST_MARKED = 120


def tags_figure(
    truth: Sequence[int], predicted: Sequence[int], names: Sequence[str], letters: Sequence[str] | None = None
) -> Figure:
    """Plot true and predicted tags as two strips of colour, with errors marked below.

    Args:
        letters: input tokens, written above if they are short and few.
    """
    figure = new_figure(10, 2.9)
    axes = figure.subplots()
    used = sorted({*truth, *predicted})
    place = {tag: i for i, tag in enumerate(used)}
    colours = _colours(len(used))
    strips = [[place[tag] for tag in tags] for tags in (truth, predicted)]
    axes.imshow(
        strips, aspect="auto", cmap=ListedColormap(colours), vmin=-0.5, vmax=len(used) - 0.5, interpolation="nearest"
    )
    wrong = [step for step, (a, b) in enumerate(zip(truth, predicted, strict=True)) if a != b]
    mark = "^" if len(truth) <= MOST_MARKED else "|"  # single steps are not visible in long sequences
    axes.scatter(wrong, [1.68] * len(wrong), marker=mark, color=WRONG, s=18, clip_on=False)
    axes.axhline(0.5, color="white", linewidth=2)
    axes.set_yticks([0, 1], ["true", "predicted"])
    axes.set(xlabel="step", ylim=(1.85, -0.5), xlim=(-0.5, len(truth) - 0.5))
    axes.spines[:].set_visible(False)
    if letters is not None and (len(letters) > MOST_MARKED or max(map(len, letters)) > (1 if len(letters) > 40 else 3)):
        letters = None
    if letters is not None:
        for step, letter in enumerate(letters):
            axes.text(step, -0.62, letter, ha="center", va="bottom", fontsize=8, family="monospace")
    share = 1 - len(wrong) / len(truth)
    axes.set_title(f"one sequence: {share:.1%} of {len(truth)} steps right (red: wrong)", pad=22 if letters else 8)
    if len(used) <= 24:
        patches = [Patch(color=colour, label=names[tag]) for tag, colour in zip(used, colours, strict=True)]
        figure.legend(handles=patches, loc="outside right upper", frameon=False, fontsize=8, ncols=1 + len(used) // 12)
    return figure


def _colours(count: int) -> list[Any]:
    if count <= 10:
        return [colormaps["tab10"](i) for i in range(count)]
    return [colormaps["turbo"](0.05 + 0.9 * i / (count - 1)) for i in range(count)]
