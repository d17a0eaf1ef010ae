"""Entry point of scans: check the arguments, choose an engine, run it."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import torch
from torch import Tensor

from seqmodels.cells.base import Cell
from seqmodels.cells.checks import own_tensors, traced, watch_backward
from seqmodels.scan.arguments import prepare
from seqmodels.scan.engine import Engine
from seqmodels.scan.fused import FUSED
from seqmodels.scan.gate import unreadable
from seqmodels.scan.parallel import PARALLEL
from seqmodels.scan.reference import REFERENCE, STATELESS, reference_steps
from seqmodels.scan.vendor import VENDOR, vendor_is_faster
from seqmodels.state import State, leaves, map_state, stack_steps

#: Engines by name in order of preference: "auto" takes the first without an obstacle (see `_order`).
ENGINES: dict[str, Engine] = {
    "stateless": STATELESS,
    "vendor": VENDOR,
    "fused": FUSED,
    "parallel": PARALLEL,
    "reference": REFERENCE,
}

_log = logging.getLogger(__name__)
_reported: set[tuple[str, str]] = set()


def scan(
    cell: Cell,
    inputs: Tensor,
    state: State = None,
    lengths: Tensor | None = None,
    reset: Tensor | None = None,
    engine: str = "auto",
    reverse: bool = False,
) -> tuple[Tensor, State]:
    """Run `cell` over all steps of `inputs`.

    >>> from seqmodels.cells import LSTMCell
    >>> outputs, state = scan(LSTMCell(3, 5), torch.zeros(2, 7, 3), lengths=torch.tensor([7, 4]))
    >>> outputs.shape, state.c.shape
    (torch.Size([2, 7, 5]), torch.Size([2, 5]))

    Args:
        cell: any `seqmodels.cells.Cell`.
        inputs: ``(B, T, F)``, T at least 1.
        state: state before the first step; None for the cell's initial state.
        lengths: int64 ``(B,)``, each 0 to T. Beyond its length the state of a row is held and its outputs are zero.
        reset: bool ``(B,)`` or ``(B, T)``. True restarts the row from the cell's initial state at that step (at the
            first step for ``(B,)``).
        engine: "auto", or a name in `seqmodels.scan.ENGINES`.
        reverse: whether to run from the last real step of each row to its first. Outputs stay at their step; `reset`
            must then be ``(B,)``.

    Returns:
        Outputs ``(B, T, output_size)`` and the state after the last real step of each row.

    Raises:
        ValueError: a wrong shape, dtype or engine; the message names the argument.
    """
    inputs, state = _begin_call(cell, inputs, state)
    inputs, state, lengths, reset = prepare(cell, inputs, state, lengths, reset, reverse)
    if engine == "auto" and lengths is None and reset is None and _is_one_step_on_cpu(inputs):
        y, state = cell.forward(inputs[:, 0], state)
        return y.unsqueeze(1), state
    cell.check_weights(inputs)
    others = [*leaves(state), *(tensor for tensor in (lengths, reset) if tensor is not None)]
    run = _pick(cell, inputs, reset, engine, others).run
    outputs, state = run(cell, flip(inputs, lengths) if reverse else inputs, state, lengths, reset)
    watch_backward(cell, (outputs, *leaves(state)))
    return flip(outputs, lengths) if reverse else outputs, state


def scan_states(
    cell: Cell,
    inputs: Tensor,
    state: State = None,
    lengths: Tensor | None = None,
    reset: Tensor | None = None,
    reverse: bool = False,
) -> tuple[Tensor, State]:
    """Run as `scan` by the plain loop; return the states after all steps, leaves ``(B, T, ...)``."""
    inputs, state = _begin_call(cell, inputs, state)
    inputs, state, lengths, reset = prepare(cell, inputs, state, lengths, reset, reverse)
    cell.check_weights(inputs)
    steps = reference_steps(cell, flip(inputs, lengths) if reverse else inputs, state, lengths, reset)
    outputs, states = torch.stack(steps[0], dim=1), stack_steps(steps[1])
    watch_backward(cell, (outputs, *leaves(states)))
    if not reverse:
        return outputs, states
    return flip(outputs, lengths), map_state(lambda leaf: flip(leaf, lengths), states)


def _begin_call(cell: Cell, inputs: Tensor, state: State) -> tuple[Tensor, State]:
    """Run the cell's forward pre-hooks: a scan is one call of its cell, over all steps.

    `torch.nn.utils.weight_norm` and `spectral_norm` recompute the weight in such a hook; a weight of the previous call
    would belong to a freed graph.
    """
    for key, hook in cell._forward_pre_hooks.items():
        if key in cell._forward_pre_hooks_with_kwargs:
            changed = hook(cell, (inputs, state), {})
            changed = None if changed is None else changed[0]
        else:
            changed = hook(cell, (inputs, state))
        if changed is not None:
            inputs, state = (*changed, state)[:2] if isinstance(changed, tuple) else (changed, state)
    return inputs, state


def flip(inputs: Tensor, lengths: Tensor | None) -> Tensor:
    """Reverse the real steps of each row ``(B, T, ...)``; padding stays where it is."""
    if lengths is None:
        return inputs.flip(1)
    steps = torch.arange(inputs.shape[1], device=inputs.device)
    mirrored = lengths.unsqueeze(1) - 1 - steps
    index = torch.where(mirrored >= 0, mirrored, steps)
    return inputs[torch.arange(len(inputs), device=inputs.device).unsqueeze(1), index]


def choose(
    cell: Cell, inputs: Tensor | None = None, reset: Tensor | None = None, others: Sequence[Tensor] = ()
) -> tuple[str, str]:
    """Return the engine that ``engine="auto"`` picks and the reason; `others` are further tensors of the call.

    >>> from seqmodels.cells import GRUCell
    >>> choose(GRUCell(3, 5, reset_gate="before"))
    ('reference', 'this GRUCell has a step of its own, and only update is generated')
    """
    if inputs is not None and _is_one_step_on_cpu(inputs) and cell.state_type._fields:
        return "reference", "a single step is taken by the cell itself"
    obstacles: dict[str, str] = {}
    for name in _order(cell, inputs):
        engine = ENGINES[name]
        obstacle = _obstacle(engine, cell, inputs, reset, others)
        if obstacle is None and engine is not REFERENCE:
            return name, engine.reason
        if obstacle is not None and isinstance(cell, engine.cells):
            obstacles[name] = obstacle
    # The obstacle of the engine meant for such cells says more than that torch has no such layer.
    return "reference", next((obstacles[name] for name in reversed(ENGINES) if name in obstacles), REFERENCE.reason)


def _obstacle(
    engine: Engine, cell: Cell, inputs: Tensor | None, reset: Tensor | None, others: Sequence[Tensor]
) -> str | None:
    """Return why an engine cannot run this call, or None if it can."""
    if engine.reads_memory and inputs is not None and not traced():
        named = [("inputs", inputs), *(("state, lengths or reset", other) for other in others)]
        reason = unreadable([*named, *own_tensors(cell)])
        if reason is not None:
            return reason
    return engine.obstacle(cell, inputs, reset)


def engines_for(cell: Cell) -> list[str]:
    """Return all engines that can run `cell`, in order of preference.

    >>> from seqmodels.cells import GRUCell
    >>> engines_for(GRUCell(3, 5, reset_gate="before"))
    ['reference']
    """
    return [name for name in _order(cell, None) if ENGINES[name].obstacle(cell, None, None) is None]


def _order(cell: Cell, inputs: Tensor | None) -> list[str]:
    """Return the engines, fastest first for `cell` and `inputs`."""
    names = list(ENGINES)
    if not vendor_is_faster(cell, inputs):
        names.remove("vendor")
        names.insert(names.index("fused") + 1, "vendor")
    if inputs is not None and inputs.device.type != "cpu":  # on a GPU, parallel steps beat sequential ones
        names.remove("parallel")
        names.insert(names.index("fused"), "parallel")
    return names


def _pick(cell: Cell, inputs: Tensor, reset: Tensor | None, name: str, others: Sequence[Tensor]) -> Engine:
    if name == "auto":
        name, reason = choose(cell, inputs, reset, others)
        if name == "reference" and not _is_one_step_on_cpu(inputs) and not torch.compiler.is_compiling():
            _report_fallback(cell, reason)
        return ENGINES[name]
    check_engine(name)
    obstacle = _obstacle(ENGINES[name], cell, inputs, reset, others)
    if obstacle is not None:
        raise ValueError(f"engine={name!r} cannot run this: {obstacle}; use engine='auto'")
    return ENGINES[name]


def check_engine(name: str) -> None:
    """Reject an unknown engine name."""
    if name != "auto" and name not in ENGINES:
        raise ValueError(f"engine must be one of auto, {', '.join(ENGINES)}; got {name!r}")


def _is_one_step_on_cpu(inputs: Tensor) -> bool:
    return inputs.shape[1] == 1 and inputs.device.type == "cpu"


def _report_fallback(cell: Cell, reason: str) -> None:
    """Warn once why a gated or linear cell runs by the plain loop."""
    key = (type(cell).__name__, reason)
    if key not in _reported and isinstance(cell, FUSED.cells):
        _reported.add(key)
        _log.warning("%s falls back to the reference engine, which is slower: %s", *key)
