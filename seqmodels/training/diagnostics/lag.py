"""Gradient norm against time lag: how far back the gradient reaches.

L lags, B rows, H units. For each layer and field of its state, the curve is

    norm(lag) = mean over rows of || d loss_T / d h_(T - lag) ||,   lag = 0 .. L - 1

exact, by backpropagation through the plain loop and all layers.

Sources: Hochreiter 1991; Bengio, Simard & Frasconi 1994 (vanishing gradients); Pascanu, Mikolov
& Bengio 2013.
"""

from functools import lru_cache

import torch
from matplotlib.figure import Figure
from torch import Tensor

from seqmodels.batch import SequenceBatch
from seqmodels.cells import ElmanCell, LSTMCell
from seqmodels.model import SequenceModel
from seqmodels.scan.reference import reference_steps
from seqmodels.state import State, leaves
from seqmodels.tasks.base import Task
from seqmodels.training.diagnostics.cuts import (
    NotApplicableError,
    is_per_step,
    last_steps,
    longest_rows,
    only_step,
    own_targets,
    predict,
)
from seqmodels.training.diagnostics.style import COLOURS, GREY, new_figure
from seqmodels.training.diagnostics.trace import Step, recorded

Curves = dict[str, dict[str, Tensor]]


def gradient_by_lag(model: SequenceModel, task: Task, batch: SequenceBatch, rows: int = 8, lags: int = 128) -> Curves:
    """Compute the gradient norm of the last step's loss at every earlier state, by layer and state field.

    With targets at every step, loss_T is the loss of the last step (of the first for a reversed
    layer, which ends there); otherwise it is the whole loss, and lags count from the last input.
    For a decoder's own cells it is the loss of the last target step.

    Args:
        model: unchanged, including `.grad`.
        batch: its `rows` longest rows are used, cut to a common length.

    Returns:
        layer -> field -> norms ``(L,)``, lag 0 first.

    Raises:
        NotApplicableError: no layer has a state and runs for more than one step.
    """
    batch = longest_rows(batch, rows)
    batch = last_steps(batch, min(lags, int(batch.lengths.min())), is_per_step(task))
    if task.spec.target_shape == "own" and batch.target_lengths is not None:
        steps = 1 if task.unaligned else lags  # more might not fit into the remaining inputs
        batch = own_targets(batch, 0, max(1, min(steps, int(batch.target_lengths.min()))))
    with torch.enable_grad(), recorded(model) as record:
        prediction = predict(model, batch, task)
        states = {name: [step.after for step in met] for name, met in record.items() if _remembers(met)}
        if not states:
            raise NotApplicableError("no layer has a state and runs for more than one step: there is no lag to look at")
        return {name: _norms(states[name], _loss(name, task, prediction, batch)) for name in states}


def _remembers(met: list[Step]) -> bool:
    return len(met) > 1 and len(met[0].after) > 0


def _loss(layer: str, task: Task, prediction: Tensor, batch: SequenceBatch) -> Tensor:
    if layer.startswith("decoder"):
        steps = prediction.shape[1]
        return task.loss(prediction[:, -1:], own_targets(batch, steps - 1, steps))[0]
    if not is_per_step(task):
        return task.loss(prediction, batch)[0]
    end = torch.zeros_like(batch.lengths) if layer.endswith("_reverse") else batch.lengths - 1
    return task.loss(*only_step(prediction, batch, end))[0]


def _norms(states: list[State], loss: Tensor) -> dict[str, Tensor]:
    """Return norms by field, lag 0 first, for `states` in order of computation."""
    wanted = [leaf for state in states for leaf in leaves(state)]
    gradients = torch.autograd.grad(loss, wanted, retain_graph=True, allow_unused=True)
    norms = [0.0 if g is None else float(g.flatten(1).norm(dim=1).mean()) for g in gradients]
    fields = states[0]._fields
    return {name: torch.tensor(norms[i :: len(fields)]).flip(0) for i, name in enumerate(fields)}


def decay_per_step(norms: Tensor) -> float | None:
    """Return the factor by which the gradient changes per step back, from the slope of its logarithm.

    >>> round(decay_per_step(0.5 ** torch.arange(10.0)), 4)
    0.5

    Args:
        norms: ``(L,)``, lag 0 first; zeros and non-finite values are ignored.

    Returns:
        None if fewer than two norms remain.
    """
    good = (norms > 0) & norms.isfinite()
    if int(good.sum()) < 2:
        return None
    lag = torch.arange(len(norms), dtype=torch.float64)[good]
    lag = lag - lag.mean()
    slope = (lag * norms[good].double().log()).sum() / lag.square().sum()
    return float(slope.exp())


@lru_cache(maxsize=4)
def fresh_cell_curves(width: int, lags: int) -> dict[str, Tensor]:
    """Compute reference curves of an untrained Elman network and LSTM: norms ``(L,)`` of h by name.

    The inputs are standard normal, and the loss is a random projection of the last output.
    The LSTM's forget bias is 1, as usual (Jozefowicz et al. 2015).
    """
    curves = {}
    with torch.random.fork_rng(devices=[]), torch.enable_grad(), torch.device("cpu"):
        torch.manual_seed(0)
        cells = {
            "untrained Elman": ElmanCell(width, width),
            "untrained LSTM (forget bias 1)": LSTMCell(width, width, forget_bias=1.0),
        }
        for name, cell in cells.items():
            inputs = torch.randn(8, lags, width)
            states = reference_steps(cell, inputs, cell.initial_state(8, inputs))[1]
            curves[name] = _norms(states, (states[-1].h * torch.randn(width)).sum())["h"]
    return curves


def gradient_lag_figure(curves: Curves, references: dict[str, Tensor]) -> Figure:
    """Plot the curves on one logarithmic axis, each relative to its lag 0."""
    figure, axes = new_figure(
        "How far back the gradient reaches",
        "A line that falls fast (vanishing gradient): early inputs cannot be learned from. A flat one: they can.",
        size=(9.2, 4.8),
    )
    for dash, (name, norms) in zip((":", "--"), references.items(), strict=False):
        axes.plot(_relative(norms), dash, color=GREY, linewidth=1.8, label=name)
    for colour, (layer, fields) in zip(COLOURS * len(curves), curves.items(), strict=False):
        for field, norms in fields.items():
            first = field == next(iter(fields))
            style = {"linewidth": 2.4} if first else {"linewidth": 1.4, "dashes": (4, 1.5)}
            axes.plot(_relative(norms), color=colour, label=f"{layer}, state {field}", **style)
    axes.set_yscale("log")
    # Below float32's precision relative to the first value nothing can be learned.
    axes.set_ylim(bottom=max(axes.get_ylim()[0], 1e-12))
    axes.set_xlabel("time lag (steps back from the loss)")
    axes.set_ylabel("gradient norm, relative to lag 0")
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
    return figure


def _relative(norms: Tensor) -> Tensor:
    """Divide by the first norm above zero; zeros become gaps."""
    positive = norms[norms > 0]
    scale = positive[0] if len(positive) else torch.ones(())
    return torch.where(norms > 0, norms / scale, torch.nan)
