"""What the gates do: their values, and how many of them are saturated.

B rows, T steps, H units.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from seqmodels.batch import SequenceBatch, step_mask
from seqmodels.training.diagnostics.cuts import is_per_step, last_steps, longest_rows, predict
from seqmodels.training.diagnostics.trace import Step, named_cells, recorded

if TYPE_CHECKING:
    from seqmodels.model import SequenceModel
    from seqmodels.tasks.base import Task

# Lower and upper end of what a gate can be, for the gates of the cells here.
RANGES = dict.fromkeys("ifozr", (0.0, 1.0)) | dict.fromkeys("gn", (-1.0, 1.0))


class Activations(NamedTuple):
    """Values met on a slice of a batch, by layer and by name: gates, and fields of the state, each ``(N, H)``."""

    gates: dict[str, dict[str, Tensor]]
    states: dict[str, dict[str, Tensor]]


@torch.no_grad()
def gate_activations(
    model: SequenceModel, task: Task, batch: SequenceBatch, rows: int = 8, steps: int = 64
) -> Activations:
    """Run a slice of `batch` by the plain loop and collect what gates and states were.

    Args:
        model: the model.
        task: says what the targets are.
        batch: the slice is its `rows` longest rows, each row's last `steps` steps.
        rows: at most so many.
        steps: at most so many.
    """
    batch = last_steps(longest_rows(batch, rows), steps, is_per_step(task))
    with recorded(model) as record:
        predict(model, batch, task)
    gates: dict[str, dict[str, Tensor]] = {}
    states: dict[str, dict[str, Tensor]] = {}
    for name, cell in named_cells(model).items():
        if not record[name]:
            continue
        lengths = batch.target_lengths if name.startswith("decoder") else batch.lengths
        real = _real(record[name], lengths)
        met = [cell.activations(step.projected, step.before) for step in record[name]]
        gates[name] = {gate: torch.stack([m[gate] for m in met], dim=1)[real] for gate in met[0]}
        after = [step.after._asdict() for step in record[name]]
        states[name] = {field: torch.stack([a[field] for a in after], dim=1)[real] for field in after[0]}
    return Activations(gates, states)


def _real(steps: list[Step], lengths: Tensor | None) -> Tensor:
    """Bool ``(B, T)``: the steps that are no padding; all, where the lengths are not known."""
    projected = steps[0].projected
    if lengths is None or len(lengths) != len(projected):
        return torch.ones(len(projected), len(steps), dtype=torch.bool, device=projected.device)
    return step_mask(lengths, len(steps))


def saturated_share(name: str, values: Tensor, margin: float = 0.05) -> float | None:
    """Share of values within `margin` of an end of the gate's range, where gradients hardly pass.

    >>> import torch
    >>> saturated_share("i", torch.tensor([0.01, 0.5, 0.6, 0.99]))
    0.5

    Args:
        name: the gate's name; one not in `RANGES` is judged by its values: from -1 to 1 where
            some are negative, from 0 to 1 where none is.
        values: of any shape.
        margin: sigmoid gates count below `margin` and above ``1 - margin``, tanh gates beyond
            ``+-(1 - margin)``.

    Returns:
        None where there is no value, or the values lie outside any such range.
    """
    if values.numel() == 0:
        return None
    low, high = RANGES.get(name) or (-1.0 if bool(values.min() < 0) else 0.0, 1.0)
    if values.min() < low or values.max() > high:
        return None
    return float(((values < low + margin) | (values > high - margin)).float().mean())


def saturation(activations: Activations) -> dict[str, dict[str, float]]:
    """Share of saturated values by layer and gate; for a cell without gates, of its tanh output `h`."""
    shares: dict[str, dict[str, float]] = {}
    for layer, gates in activations.gates.items():
        # An output that is never negative is no tanh: a rectifier has no upper end to saturate at.
        tanh = {name: h for name, h in activations.states[layer].items() if name == "h" and bool((h < 0).any())}
        found = {name: saturated_share(name, values) for name, values in (gates or tanh).items()}
        shares[layer] = {name: share for name, share in found.items() if share is not None}
    return shares
