"""Gate activations and their saturation.

B rows, T steps, H units.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from seqmodels.batch import SequenceBatch, step_mask
from seqmodels.model import SequenceModel
from seqmodels.tasks.base import Task
from seqmodels.training.diagnostics.cuts import is_per_step, last_steps, longest_rows, predict
from seqmodels.training.diagnostics.trace import Step, named_cells, recorded

# Range of each gate of this package's cells.
RANGES = dict.fromkeys("ifozr", (0.0, 1.0)) | dict.fromkeys("gn", (-1.0, 1.0))


class Activations(NamedTuple):
    """Gates and state fields on a slice of a batch, by layer and name, each ``(N, H)``."""

    gates: dict[str, dict[str, Tensor]]
    states: dict[str, dict[str, Tensor]]


@torch.no_grad()
def gate_activations(
    model: SequenceModel, task: Task, batch: SequenceBatch, rows: int = 8, steps: int = 64
) -> Activations:
    """Run a slice of `batch` by the plain loop and collect gates and states.

    Args:
        batch: the slice is the last `steps` steps of its `rows` longest rows.
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
    """Return a boolean mask ``(B, T)`` of the steps that are not padding; all if the lengths are unknown."""
    projected = steps[0].projected
    if lengths is None or len(lengths) != len(projected):
        return torch.ones(len(projected), len(steps), dtype=torch.bool, device=projected.device)
    return step_mask(lengths, len(steps))


def saturated_share(name: str, values: Tensor, margin: float = 0.05) -> float | None:
    """Return the share of values within `margin` of an end of the gate's range, where gradients vanish.

    >>> import torch
    >>> saturated_share("i", torch.tensor([0.01, 0.5, 0.6, 0.99]))
    0.5

    Args:
        name: the gate's name; the range of one not in `RANGES` is -1 to 1 if some values are
            negative, else 0 to 1.
        margin: sigmoid gates are saturated below `margin` and above ``1 - margin``, tanh gates
            beyond ``+-(1 - margin)``.

    Returns:
        None without values, or for values outside the range.
    """
    if values.numel() == 0:
        return None
    low, high = RANGES.get(name) or (-1.0 if bool(values.min() < 0) else 0.0, 1.0)
    if values.min() < low or values.max() > high:
        return None
    return float(((values < low + margin) | (values > high - margin)).float().mean())


def saturation(activations: Activations) -> dict[str, dict[str, float]]:
    """Return the share of saturated values by layer and gate; without gates, of the tanh output `h`."""
    shares: dict[str, dict[str, float]] = {}
    for layer, gates in activations.gates.items():
        # An output that is never negative is not a tanh, and a rectifier does not saturate.
        tanh = {name: h for name, h in activations.states[layer].items() if name == "h" and bool((h < 0).any())}
        found = {name: saturated_share(name, values) for name, values in (gates or tanh).items()}
        shares[layer] = {name: share for name, share in found.items() if share is not None}
    return shares
