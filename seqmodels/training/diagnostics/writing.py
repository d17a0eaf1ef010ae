"""The TensorBoard entries of each diagnostic."""

from typing import Any

import torch
from torchmetrics import MetricCollection

from seqmodels.batch import SequenceBatch
from seqmodels.model import SequenceModel, evaluating
from seqmodels.tasks.base import Task
from seqmodels.tasks.plots.style import plain
from seqmodels.training.diagnostics.board import Board
from seqmodels.training.diagnostics.cuts import Slice, predict
from seqmodels.training.diagnostics.gates import gate_activations, saturation
from seqmodels.training.diagnostics.lag import decay_per_step, fresh_cell_curves, gradient_by_lag, gradient_lag_figure
from seqmodels.training.diagnostics.memory import effective_memory, memory_figure
from seqmodels.training.diagnostics.spectrum import spectral_radii
from seqmodels.training.diagnostics.trace import named_cells


def write_round(board: Board, model: SequenceModel, task: Task, batch: SequenceBatch, size: Slice) -> None:
    """Write all diagnostics of one batch, each independently."""
    board.attempt("gates", lambda: write_gates(board, model, task, batch, size))
    board.attempt("gradient", lambda: write_gradient_lag(board, model, task, batch, size))
    board.attempt("spectral_radius", lambda: write_spectrum(board, model))
    board.attempt("memory", lambda: write_memory(board, model, task, batch, size))


def write_gates(board: Board, model: SequenceModel, task: Task, batch: SequenceBatch, size: Slice) -> None:
    """Write histograms `gates/LAYER/GATE` and `state/LAYER/FIELD`, and scalars `gates/LAYER/GATE/saturated`."""
    activations = gate_activations(model, task, batch, size.rows, size.steps)
    for group, layers in (("gates", activations.gates), ("state", activations.states)):
        for layer, found in layers.items():
            for name, values in found.items():
                board.histogram(f"{group}/{layer}/{name}", values)
    for layer, shares in saturation(activations).items():
        for gate, share in shares.items():
            board.scalar(f"gates/{layer}/{gate}/saturated", share)


def write_gradient_lag(board: Board, model: SequenceModel, task: Task, batch: SequenceBatch, size: Slice) -> None:
    """Write image `gradient/norm_against_lag` and scalars `gradient/LAYER/FIELD/decay_per_step`."""
    curves = gradient_by_lag(model, task, batch, size.rows, size.lags)
    width = [cell.hidden_size for name, cell in named_cells(model).items() if name in curves][-1]
    longest = max(len(norms) for fields in curves.values() for norms in fields.values())
    board.figure("gradient/norm_against_lag", gradient_lag_figure(curves, fresh_cell_curves(width, longest)))
    for layer, fields in curves.items():
        for field, norms in fields.items():
            decay = decay_per_step(norms)
            if decay is not None:
                board.scalar(f"gradient/{layer}/{field}/decay_per_step", decay)


def write_spectrum(board: Board, model: SequenceModel) -> None:
    """Write scalars `spectral_radius/LAYER/GATE`."""
    for layer, radii in spectral_radii(model).items():
        for gate, radius in radii.items():
            board.scalar(f"spectral_radius/{layer}/{gate}", radius)


def write_memory(board: Board, model: SequenceModel, task: Task, batch: SequenceBatch, size: Slice) -> None:
    """Write image `memory/loss_against_context` and scalar `memory/effective_steps`."""
    curve = effective_memory(model, task, batch, size.samples)
    board.figure("memory/loss_against_context", memory_figure(curve))
    board.scalar("memory/effective_steps", curve.effective())


def write_shown(
    board: Board, model: SequenceModel, task: Task, batch: SequenceBatch, metrics: MetricCollection | None
) -> None:
    """Write the task's plots `plots/NAME` and texts `texts/NAME`."""
    board.attempt("plots", lambda: _write_plots(board, model, task, batch, metrics))
    board.attempt("texts", lambda: _write_texts(board, model, task, batch))


@torch.no_grad()
def _write_plots(board: Board, model: Any, task: Task, batch: SequenceBatch, metrics: Any) -> None:
    with evaluating(model):
        prediction = predict(model, batch, task)
    for name, figure in task.plots(prediction, batch, metrics).items():
        board.figure(f"plots/{name}", plain(figure))


@torch.no_grad()
def _write_texts(board: Board, model: Any, task: Task, batch: SequenceBatch) -> None:
    # A fixed seed, so that samples differ only by what the model has learned.
    generator = torch.Generator(board.device).manual_seed(0)
    with evaluating(model):
        for name, words in task.texts(model, batch, generator).items():
            board.text(f"texts/{name}", words)
        for name, figure in task.sample_plots(model, batch, generator).items():
            board.figure(f"plots/{name}", plain(figure))
