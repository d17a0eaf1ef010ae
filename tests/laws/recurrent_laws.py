"""The laws of a recurrent layer, as plain functions: ``law(make, g)``.

`make(F, H)` builds the layer, in float64; `g` is the source of random numbers. A law raises
AssertionError where it is broken. They ask for nothing but the call of a layer, so that they
hold anyone's cell: ``for law in LAWS: law(lambda F, H: Recurrent(MyCell(F, H)).double(), g)``.

B rows, T steps, F features, H units.
"""

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Generator, Tensor
from torch.func import functional_call

from seqmodels.batch import step_mask
from seqmodels.layers import Layer, Recurrent
from seqmodels.state import State, detach, leaves, map_state, select, where
from tests.laws.catalogue import MakeLayer, resets_inside

Law = Callable[[MakeLayer, Generator], None]
LAWS: list[Law] = []
# (B, T, F, H): ordinary, odd, and the smallest.
SIZES = [(3, 6, 4, 6), (2, 5, 1, 7), (1, 1, 3, 2), (4, 3, 2, 2)]


def law(function: Law) -> Law:
    LAWS.append(function)
    return function


def close(actual: Iterable[Tensor | None], expected: Iterable[Tensor | None], tolerance: float = 1e-10) -> None:
    for one, other in zip(actual, expected, strict=True):
        if one is None or other is None:
            assert one is other
        else:
            torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance)


def randn(*shape: int, g: Generator) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=g)


def random_state(layer: Layer, batch: int, g: Generator) -> State:
    """A state like that after some steps."""
    zero = layer.initial_state(batch, torch.zeros((), dtype=torch.float64))
    return map_state(lambda leaf: torch.randn(leaf.shape, dtype=leaf.dtype, generator=g) / 2, zero)


def random_lengths(batch: int, steps: int, g: Generator) -> Tensor:
    """From 0 to T, with both ends where there are rows for them."""
    lengths = torch.randint(0, steps + 1, (batch,), generator=g)
    lengths[0] = steps if batch > 1 else lengths[0]
    lengths[-1] = 0 if batch > 2 else lengths[-1]
    return lengths


def random_reset(*shape: int, g: Generator) -> Tensor:
    return torch.rand(*shape, generator=g) < 0.4


def gradients(layer: Layer, result: tuple[Tensor, State], *wanted: Tensor) -> list[Tensor | None]:
    """Of a scalar that depends on every output and every part of the last state."""
    outputs, state = result
    total = (outputs * torch.linspace(-1, 2, outputs.numel(), dtype=outputs.dtype).view_as(outputs)).sum()
    total = total + sum((leaf.sin() * (2 + index)).sum() for index, leaf in enumerate(leaves(state)))
    return list(torch.autograd.grad(total, [*wanted, *layer.parameters()], allow_unused=True))


def each_size(make: MakeLayer, g: Generator, carried: bool = False) -> Iterator[tuple[Layer, Tensor, State, Tensor]]:
    """Layer, inputs, state and lengths of each size; of layers that carry their state alone, if that is asked for."""
    for B, T, F, H in SIZES:
        layer = make(F, H)
        if layer.carries or not carried:
            yield layer, randn(B, T, F, g=g), random_state(layer, B, g), random_lengths(B, T, g)


@law
def chunk(make: MakeLayer, g: Generator) -> None:
    """Whole = any cut with carried state = step by step."""
    for layer, x, before, lengths in each_size(make, g, carried=True):
        B, T, _ = x.shape
        reset = random_reset(B, T, g=g) if resets_inside(layer) else None
        whole = layer(x, before, lengths, reset)
        cut = int(torch.randint(0, T + 1, (1,), generator=g))
        for bounds in ([0, cut, T], list(range(T + 1))):
            parts, state = [], before
            for start, stop in itertools.pairwise(bounds):
                if start < stop:
                    here = None if reset is None else reset[:, start:stop]
                    y, state = layer(x[:, start:stop], state, (lengths - start).clamp(0, stop - start), here)
                    parts.append(y)
            close([torch.cat(parts, dim=1), *leaves(state)], [whole[0], *leaves(whole[1])])


@law
def row(make: MakeLayer, g: Generator) -> None:
    """Permuting the batch permutes the answer, and a row does not see its neighbours."""
    for layer, x, state, lengths in each_size(make, g):
        reset = random_reset(len(x), g=g)
        y, last = layer(x, state, lengths, reset)
        order = torch.randperm(len(x), generator=g)
        moved = layer(x[order], select(state, order), lengths[order], reset[order])
        close([moved[0], *leaves(moved[1])], [y[order], *leaves(select(last, order))])
        x[0] = randn(*x[0].shape, g=g) * 9
        changed = layer(x, state, lengths, reset)
        close(
            [changed[0][1:], *(leaf[1:] for leaf in leaves(changed[1]))], [y[1:], *(leaf[1:] for leaf in leaves(last))]
        )


@law
def causal(make: MakeLayer, g: Generator) -> None:
    """Changing x after t leaves y up to t exactly as it was, where the layer carries its state."""
    for layer, x, *_ in each_size(make, g, carried=True):
        y = layer(x)[0]
        t = int(torch.randint(0, x.shape[1], (1,), generator=g))
        x[:, t + 1 :] = randn(*x[:, t + 1 :].shape, g=g)
        close([layer(x)[0][:, : t + 1]], [y[:, : t + 1]], tolerance=1e-13)


@law
def padding(make: MakeLayer, g: Generator) -> None:
    """Garbage after a row's length, NaN too, changes nothing; outputs there are zero."""
    for layer, clean, state, lengths in each_size(make, g):
        B, T, _ = clean.shape
        valid = step_mask(lengths, T).unsqueeze(-1)
        reset = random_reset(B, T, g=g) if resets_inside(layer) else random_reset(B, g=g)
        results = []
        for garbage in (0.0, float("nan"), float("inf"), -1e300):
            x = torch.where(valid, clean, torch.tensor(garbage, dtype=torch.float64)).requires_grad_()
            y, last = layer(x, state, lengths, reset)
            if reset.dim() == 2:
                reset = torch.where(valid[..., 0], reset, ~reset)  # garbage as well
            results.append([y, *leaves(last), *gradients(layer, (y, last), x)])
            assert not y.masked_select(~valid).any()
        for result in results[1:]:
            close(result, results[0])


@law
def alone(make: MakeLayer, g: Generator) -> None:
    """A ragged batch = each row alone at its own length; a row of length 0 keeps its state."""
    for layer, x, state, lengths in each_size(make, g):
        y, last = layer(x, state, lengths)
        for index, length in enumerate(lengths.tolist()):
            mine = torch.tensor([index])
            before, after = select(state, mine), select(last, mine)
            if length == 0:
                close(leaves(after), leaves(before), tolerance=0)
            else:
                y_alone, after_alone = layer(x[mine, :length], before)
                close([y[mine, :length], *leaves(after)], [y_alone, *leaves(after_alone)])


@law
def reset(make: MakeLayer, g: Generator) -> None:
    """A reset row equals a fresh start, whatever state came before it, and the gradient too stops there."""
    for layer, x, state, _ in each_size(make, g):
        rows, fresh = random_reset(len(x), g=g), layer.initial_state(len(x), x)
        expected = layer(x, where(rows, fresh, state))
        actual = layer(x, state, reset=rows)
        close([actual[0], *leaves(actual[1])], [expected[0], *leaves(expected[1])])
        close(gradients(layer, actual), gradients(layer, expected))
        if resets_inside(layer):
            _reset_inside(layer, x, state, random_reset(*x.shape[:2], g=g))


def _reset_inside(layer: Layer, x: Tensor, state: State, reset: Tensor) -> None:
    y, last = layer(x, state, reset=reset)
    for index in range(len(x)):
        mine = torch.tensor([index])
        bounds = sorted({0, x.shape[1], *reset[index].nonzero().flatten().tolist()})
        before, parts = select(state, mine), []
        for start, stop in itertools.pairwise(bounds):
            if reset[index, start]:
                before = layer.initial_state(1, x)
            part, before = layer(x[mine, start:stop], before)
            parts.append(part)
        close([y[mine], *leaves(select(last, mine))], [torch.cat(parts, dim=1), *leaves(before)])


@law
def truncation(make: MakeLayer, g: Generator) -> None:
    """With the state detached the gradient before the window is exactly zero, and inside it is not."""
    inside = []
    for B, T, F, H in SIZES:
        layer = make(F, H)
        if not layer.carries:
            return
        x = randn(B, 2 * T, F, g=g).requires_grad_()
        state = layer(x[:, :T])[1]
        result = layer(x[:, T:], detach(state))
        (gradient,) = torch.autograd.grad(result[0].sum(), [x])
        assert not gradient[:, :T].any()
        inside.append(bool(gradient[:, T:].any()))
        close(
            gradients(layer, layer(x[:, T:], layer(x[:, :T])[1]), x),
            gradients(layer, (lambda y, last: (y[:, T:], last))(*layer(x)), x),
        )
    assert any(inside)  # a small relu may be dead


@law
def gradcheck(make: MakeLayer, g: Generator) -> None:
    """Every gradient, and each gradient's gradient, against finite differences."""
    B, T, F, H = 3, 3, 2, 2
    layer = make(F, H)
    names, weights = zip(*layer.named_parameters(), strict=True)
    state, lengths, rows = random_state(layer, B, g), torch.tensor([3, 0, 2]), torch.tensor([False, False, True])
    x = randn(B, T, F, g=g).requires_grad_()
    shapes = [leaf.requires_grad_() for leaf in leaves(state)]

    def run(x: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        flat = iter(rest)
        before = map_state(lambda leaf: next(flat), state)
        y, last = functional_call(layer, dict(zip(names, flat, strict=True)), (x, before, lengths, rows))
        return y, *leaves(last)

    arguments = (x, *shapes, *weights)
    assert torch.autograd.gradcheck(run, arguments, fast_mode=True)
    if isinstance(layer, Recurrent):  # other layers are made of these
        assert torch.autograd.gradgradcheck(run, arguments, fast_mode=True, atol=1e-4)


@law
def every_state(make: MakeLayer, g: Generator) -> None:
    """`states` holds the state after each step, and its outputs are those of the call."""
    for layer, x, state, lengths in each_size(make, g):
        rows = random_reset(len(x), g=g)
        outputs, states = layer.unroll(x, state, None, rows)
        close([outputs], [layer(x, state, None, rows)[0]])
        if layer.carries:
            for t in range(x.shape[1]):
                last = layer(x[:, : t + 1], state, None, rows)[1]
                close([leaf[:, t] for leaf in leaves(states)], leaves(last))
        y, last = layer(x, state, lengths, rows)
        outputs, states = layer.unroll(x, state, lengths, rows)
        close([outputs], [y])
        if layer.carries:
            close([leaf[:, -1] for leaf in leaves(states)], leaves(last))


@law
def pure(make: MakeLayer, g: Generator) -> None:
    """The same call twice gives the same answer, and changes neither its arguments nor the layer."""
    B, T, F, H = SIZES[0]
    layer = make(F, H)
    arguments: list[Any] = [randn(B, T, F, g=g), random_state(layer, B, g), random_lengths(B, T, g)]
    before = [arguments[0].clone(), map_state(Tensor.clone, arguments[1]), arguments[2].clone()]
    first, second = layer(*arguments), layer(*arguments)
    close([second[0], *leaves(second[1])], [first[0], *leaves(first[1])], tolerance=0)
    close([arguments[0], *leaves(arguments[1]), arguments[2]], [before[0], *leaves(before[1]), before[2]], tolerance=0)


def _row_by_row(layer: Layer, *arguments: Any) -> tuple[list[Tensor], list[Tensor | None]]:
    """Outputs, last state and gradients of inputs and state, all of which have rows; and gradients of the weights."""
    x, state = (
        arguments[0].clone().requires_grad_(),
        map_state(lambda leaf: leaf.clone().requires_grad_(), arguments[1]),
    )
    y, last = layer(x, state, *arguments[2:])
    found = gradients(layer, (y, last), x, *leaves(state))
    count = 1 + len(list(leaves(state)))
    rows = [y, *leaves(last), *(torch.zeros(len(x), 0) if one is None else one for one in found[:count])]
    return [one.detach() for one in rows], found[count:]


def _with(row: Any, number: float, tensor: Tensor) -> Tensor:
    """`tensor` with a number in one of its rows, or in a part of one."""
    changed = tensor.clone()
    changed[row] = number
    return changed


@law
def neighbours(make: MakeLayer, g: Generator) -> None:
    """No row sees another, not in one bit, whatever its numbers: in its steps or its state; values and gradients."""
    B, T, F, H = 4, 5, 3, 4
    layer, others = make(F, H), [0, 1, 3]
    for dtype in (torch.float64, torch.float32):
        layer = layer.to(dtype)
        largest, smallest = torch.finfo(dtype).max, 5e-324 if dtype == torch.float64 else 1e-45
        x, lengths = randn(B, T, F, g=g).to(dtype), torch.tensor([T, T - 2, T, 0])
        state = map_state(functools.partial(Tensor.to, dtype=dtype), random_state(layer, B, g))
        reset = random_reset(B, T, g=g) if resets_inside(layer) else random_reset(B, g=g)
        clean = _row_by_row(layer, x, state, lengths, reset)[0]
        for number in (largest, -largest, smallest, float("inf"), -float("inf"), float("nan")):
            wild, wild_state = _with(2, number, x), map_state(functools.partial(_with, 2, number), state)
            both = [(wild, state), (x, wild_state)] if dtype == torch.float64 else [(wild, wild_state)]
            for arguments in both:
                result = _row_by_row(layer, *arguments, lengths, reset)[0]
                close([one[others] for one in result], [one[others] for one in clean], tolerance=0)


@law
def forgotten(make: MakeLayer, g: Generator) -> None:
    """What a row was before it resets counts for nothing, not for the weights either, be it infinite or NaN."""
    B, T, F, H = 3, 4, 3, 4
    layer = make(F, H)
    x, state, rows = randn(B, T, F, g=g), random_state(layer, B, g), torch.tensor([False, True, False])
    for lengths in (None, torch.tensor([T, T - 1, 1])):
        clean = _row_by_row(layer, x, state, lengths, rows)
        for number in (1e308, float("inf"), float("nan")):
            wild_state = map_state(functools.partial(_with, 1, number), state)
            for one, other in zip(_row_by_row(layer, x, wild_state, lengths, rows), clean, strict=True):
                close(one, other, tolerance=0)
    if resets_inside(layer):
        _forgotten_inside(layer, x, state)


def _forgotten_inside(layer: Layer, x: Tensor, state: State) -> None:
    """Steps on one side of a reset see nothing of the other side, be it infinite or NaN: values and gradients."""
    at, parts = torch.zeros(x.shape[:2], dtype=torch.bool), len(list(leaves(state)))
    at[1, 2] = True
    clean = _row_by_row(layer, x, state, None, at)[0]
    before, after = slice(0, 2), slice(2, None)
    for number in (1e308, float("inf"), float("nan")):
        # What is to stay: outputs and inputs' gradients of a side, and the state at its end.
        for wild, kept, states in ((before, after, slice(1, 1 + parts)), (after, before, slice(2 + parts, None))):
            result = _row_by_row(layer, _with((1, wild), number, x), state, None, at)[0]
            for place in (0, 1 + parts):
                close([result[place][1, kept]], [clean[place][1, kept]], tolerance=0)
            close([one[1] for one in result[states]], [one[1] for one in clean[states]], tolerance=0)
