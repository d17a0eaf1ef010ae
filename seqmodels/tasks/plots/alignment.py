"""Plot of a decoder's attention over the source.

T source steps, S target steps.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from seqmodels.batch import SequenceBatch
from seqmodels.spec import Spec
from seqmodels.tasks.base import name_of
from seqmodels.tasks.plots.style import TRUTH, WRONG, panels

# Maximum number of names beside an axis, and of rows in a plot.
MOST_NAMES, MOST_ROWS, COLUMNS = 60, 6, 3


class Alignment(NamedTuple):
    """Source and generated tokens of a row, and the attention weights ``(S, T)``."""

    source: Sequence[str]
    written: Sequence[str]
    weights: np.ndarray
    right: bool


def alignments(model: Any, spec: Spec, batch: SequenceBatch, made: Tensor) -> list[Alignment]:
    """Return the alignment of each row with generated tokens ``made (B, S)``."""
    features, _ = model.features(batch.inputs, lengths=batch.lengths)
    weights = model.head.attention_weights(features, batch.lengths, made).detach().cpu().numpy()
    found = []
    for row, length in enumerate(batch.lengths.tolist()):
        true, written = (_with_stop(tokens.tolist(), spec.stop) for tokens in (batch.targets[row], made[row]))
        source = [name_of(spec.input_names, token) for token in batch.inputs[row, :length].tolist()]
        names = [name_of(spec.target_names, token) for token in written]
        found.append(Alignment(source, names, weights[row, : len(names), :length], true == written))
    return found


def _with_stop(tokens: list[int], stop: int | None) -> list[int]:
    return tokens[: tokens.index(stop) + 1] if stop in tokens else tokens


def alignment_figure(rows: Sequence[Alignment]) -> Figure:
    """Plot attention with source tokens as columns and generated tokens as rows, darker for more."""
    rows = rows[:MOST_ROWS]
    figure, grid = panels(len(rows), COLUMNS, (3.6, 3.4))
    for axes, row in zip(grid, rows, strict=True):
        axes.imshow(row.weights, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        for ticks, names in ((axes.set_xticks, row.source), (axes.set_yticks, row.written)):
            few = len(names) <= MOST_NAMES
            ticks(range(len(names)) if few else [], list(names) if few else [], fontsize=8)
        if max(map(len, row.source)) > 2:
            axes.tick_params(axis="x", rotation=90)
        axes.set_title("as in the data" if row.right else "not as in the data", fontsize=8, color=TRUTH)
        axes.title.set_color(TRUTH if row.right else WRONG)
        axes.spines[:].set_visible(False)
    figure.suptitle("attention: what is read (across) for each token written (down)", fontsize=10)
    return figure
