"""Every operation that a step may be made of gives torch's values and gradients."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from seqmodels.cells import GatedCell
from seqmodels.cells.clip import clip_gradient
from seqmodels.scan import scan
from seqmodels.scan.step_graph import lowering_shapes  # noqa: F401  registers its part of _LOWERINGS
from seqmodels.scan.step_graph.lowering import _LOWERINGS, _SAME
from seqmodels.scan.step_graph.operations import OPERATIONS

H = 13
#: Units and rows of a grid: each pair of them is tried. Past 13 units a vector is padded.
ORDINARY = (0.0, -0.0, 0.3, -0.3, 1.0, -1.0, 1.7, -2.2, 3.0, -3.1, 0.5, -0.5, 6.0)
EXTREME = (0.0, -0.0, 1e-12, -1e-12, 30.0, -30.0, 200.0, -200.0, 1.0, -1.0, 0.5, -2.0, 2.0)
ENDLESS = (float("inf"), float("-inf"), 0.0, -0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5, 3.0, 30.0, -30.0)
UNDEFINED = (float("nan"), *EXTREME[:-1])

Expression = Callable[[Tensor, Tensor, Any], Tensor]

# Each of a and b is (B, H); of p, the cell, `vector` is (H,), `pair` (2, H) and `number` a scalar.
ELEMENTWISE: dict[str, Expression] = {
    "mul": lambda a, b, p: a * b * p.vector,
    "neg": lambda a, b, p: -a,
    "abs": lambda a, b, p: a.abs(),
    "sign": lambda a, b, p: a.sign() * b,
    "sgn": lambda a, b, p: a.sgn() * b,
    "floor": lambda a, b, p: a.floor() * b,
    "maximum": lambda a, b, p: torch.maximum(a, b),
    "minimum": lambda a, b, p: torch.minimum(a, b),
    "gt": lambda a, b, p: (a > b) * b,
    "ge": lambda a, b, p: (a >= b) * b,
    "lt": lambda a, b, p: (a < 0.5) * b,
    "le": lambda a, b, p: (a <= b) * b,
    "eq": lambda a, b, p: (a == b) * b,
    "ne": lambda a, b, p: (a != 1) * b,
    "where": lambda a, b, p: torch.where(a > b, a, 2 * b) + torch.where(a < 0, 1.0, b),
    "sqrt": lambda a, b, p: a.sqrt(),
    "exp": lambda a, b, p: a.exp(),
    "expm1": lambda a, b, p: a.expm1(),
    "log": lambda a, b, p: a.log(),
    "log1p": lambda a, b, p: a.log1p(),
    "sigmoid": lambda a, b, p: a.sigmoid(),
    "tanh": lambda a, b, p: a.tanh(),
    "sin": lambda a, b, p: a.sin(),
    "cos": lambda a, b, p: a.cos(),
    "erf": lambda a, b, p: a.erf(),
    "pow": lambda a, b, p: a**b,
    "detach": lambda a, b, p: a.detach() * b,
    "add": lambda a, b, p: torch.add(a, b, alpha=0.7) + p.number,
    "sub": lambda a, b, p: torch.sub(a, b, alpha=0.7) - p.vector,
    "rsub": lambda a, b, p: (1 - a) + torch.rsub(a, b, alpha=0.7),
    "div": lambda a, b, p: a / b,
    "reciprocal": lambda a, b, p: a.reciprocal(),
    "rsqrt": lambda a, b, p: a.rsqrt(),
    "relu": lambda a, b, p: a.relu(),
    "leaky_relu": lambda a, b, p: functional.leaky_relu(a, 0.2) + functional.leaky_relu(b),
    "elu": lambda a, b, p: functional.elu(a, 0.7) + functional.selu(b),
    "silu": lambda a, b, p: functional.silu(a),
    "softplus": lambda a, b, p: functional.softplus(a) + functional.softplus(b, beta=2),
    "gelu": lambda a, b, p: functional.gelu(a) + functional.gelu(b, approximate="tanh"),
    "hardsigmoid": lambda a, b, p: functional.hardsigmoid(a),
    "hardtanh": lambda a, b, p: functional.hardtanh(a) + functional.hardtanh(b, -0.3, 0.6),
    "clamp": lambda a, b, p: a.clamp(-0.5, 1.0) + b.clamp(max=0.5),
    "clamp_min": lambda a, b, p: a.clamp_min(0.5),
    "clamp_max": lambda a, b, p: a.clamp_max(0.5),
    "lerp": lambda a, b, p: torch.lerp(a, b, 0.3) + torch.lerp(a, b, p.vector),
    "addcmul": lambda a, b, p: torch.addcmul(a, b, p.vector, value=0.3),
    "addcdiv": lambda a, b, p: torch.addcdiv(a, b, p.vector, value=0.3),
    "seqmodels::clip_gradient": lambda a, b, p: clip_gradient(a, 0.1),
    "clone": lambda a, b, p: a.clone(),
}

SHAPES: dict[str, Expression] = {
    "ones_like": lambda a, b, p: a * torch.ones_like(b),
    "zeros_like": lambda a, b, p: a + torch.zeros_like(b),
    "full_like": lambda a, b, p: a * torch.full_like(b, 0.3),
    "ones": lambda a, b, p: a * torch.ones(H, dtype=a.dtype),
    "zeros": lambda a, b, p: a + torch.zeros(H, dtype=a.dtype),
    "full": lambda a, b, p: a * torch.full((H,), 0.3, dtype=a.dtype),
    "scalar_tensor": lambda a, b, p: a * torch.scalar_tensor(0.3, dtype=a.dtype),
    "new_zeros": lambda a, b, p: a + b.new_zeros(H),
    "new_ones": lambda a, b, p: a * b.new_ones(H),
    "split": lambda a, b, p: torch.cat([a, b], -1).split(H, -1)[1],
    "split_with_sizes": lambda a, b, p: torch.cat([a, b, a * b], -1).split([2 * H, H], -1)[1],
    "unsafe_split": lambda a, b, p: torch.unsafe_split(torch.cat([a, b], -1), H, -1)[1],
    "slice": lambda a, b, p: torch.cat([a, b], -1)[:, H:] + torch.cat([b, a], -1)[..., -H:],
    "select": lambda a, b, p: torch.stack([a, b], 1)[:, 1] * p.pair[0],
    "unbind": lambda a, b, p: torch.stack([a, b], 1).unbind(1)[1] * p.pair.unbind(0)[1],
    "cat": lambda a, b, p: torch.cat([b, a], -1).chunk(2, -1)[1],
    "stack": lambda a, b, p: torch.stack([b, a], -2)[:, 0],
    "view": lambda a, b, p: (torch.cat([a, b], -1).view(-1, 2, H) * p.pair).view(-1, 2 * H)[:, :H],
    "_unsafe_view": lambda a, b, p: torch.ops.aten._unsafe_view(torch.cat([a, b], -1), [a.shape[0], 2, H])[:, 1],
    "unsqueeze": lambda a, b, p: (a.unsqueeze(1) * p.pair)[:, 1],
    "squeeze": lambda a, b, p: (a.unsqueeze(1) * b.unsqueeze(1)).squeeze(1),
    "expand": lambda a, b, p: a * p.vector.expand_as(b),
    "repeat": lambda a, b, p: torch.cat([a, b], -1)[:, :H] * p.vector.repeat(len(a), 1),
    "sum": lambda a, b, p: a * b.sum(-1, keepdim=True) + torch.cat([a, b], -1).sum(-1, keepdim=True),
    "mean": lambda a, b, p: a * b.mean(-1, keepdim=True) + torch.cat([a, b], -1).mean(-1, keepdim=True),
    "var": lambda a, b, p: a * b.var(-1, keepdim=True) + a.var(-1, keepdim=True, correction=0),
    "var_mean": lambda a, b, p: torch.mul(*torch.var_mean(a + b, -1, keepdim=True)) * b,
    "native_layer_norm": lambda a, b, p: (
        functional.layer_norm(a * b, (H,), p.vector, p.pair[0])
        + functional.layer_norm(torch.cat([a, b], -1), (2 * H,))[:, H:]
        + functional.layer_norm(torch.stack([a, b], 1), (H,), p.vector)[:, 1]
    ),
    "alias": lambda a, b, p: torch.ops.aten.alias(a),
}

#: Lowerings that torch takes apart before they are seen, or whose form no user's call has.
UNREACHED = {"chunk", "unsafe_chunk", "reshape", "_reshape_alias", "contiguous", "lift_fresh", "view_as", "positive"}
UNREACHED |= {"square", "detach_"}
TABLE = {**ELEMENTWISE, **SHAPES}
GROUPS = {
    "elementwise, first half": list(ELEMENTWISE)[: len(ELEMENTWISE) // 2],
    "elementwise, second half": list(ELEMENTWISE)[len(ELEMENTWISE) // 2 :],
    "shapes": list(SHAPES),
}


class Many(GatedCell):
    """A cell with one field of state for each of some expressions, and blocks a and b of its input for each."""

    def __init__(self, names: list[str]) -> None:
        self.names = tuple(names)
        fields = ["h", *(f"f{index}" for index in range(1, len(names)))]
        self.state_type = NamedTuple("Fields", [(field, Tensor) for field in fields])  # type: ignore[misc]
        super().__init__(2 * len(names) * H, H)
        self.vector = nn.Parameter(torch.linspace(0.5, 1.5, H))
        self.pair = nn.Parameter(torch.linspace(-1.5, 1.5, 2 * H).view(2, H))
        self.number = nn.Parameter(torch.tensor(0.3))

    def project(self, x: Tensor) -> Tensor:
        return x

    def update(self, u: Tensor, r: Tensor, state: Any) -> Any:
        blocks = u.split(H, -1)
        pairs = zip(self.names, blocks[::2], blocks[1::2], strict=True)
        return self.state_type(*(TABLE[name](a, b, self) for name, a, b in pairs))


def grid(values: tuple[float, ...], count: int, dtype: torch.dtype) -> Tensor:
    """Inputs ``(B, 1, count*2*H)``: in each pair of blocks, every value as a beside every value as b."""
    line = torch.tensor(values, dtype=dtype)
    a, b = line.expand(len(values), H), line.unsqueeze(1).expand(len(values), H)
    return torch.cat([a, b], -1).repeat(1, count).unsqueeze(1)


def run(cell: Many, x: Tensor, engine: str) -> dict[str, tuple[Tensor, Tensor, list[Tensor]]]:
    """By name: the value, the gradient of the expression's two blocks, and that of the cell's tensors."""
    x = x.clone().requires_grad_()
    _, last = scan(cell, x, engine=engine)
    found = {}
    own = [cell.vector, cell.pair, cell.number]
    blocks = 2 * H
    for index, (name, value) in enumerate(zip(cell.names, last, strict=True)):
        slope = torch.linspace(-1, 2, value.numel(), dtype=x.dtype).view_as(value)
        dx, *rest = torch.autograd.grad(
            value, [x, *own], slope, retain_graph=True, allow_unused=True, materialize_grads=True
        )
        found[name] = (value.detach(), dx[:, 0, index * blocks : (index + 1) * blocks], rest)
    return found


#: Where torch itself rounds: its hardsigmoid has 1/6 in float32.
LESS_EXACT = {"hardsigmoid": 1e-7}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("group", GROUPS)
def test_values_and_gradients_are_torchs(group: str, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    tolerance = 1e-10 if dtype == torch.float64 else 1e-5
    cell = Many(GROUPS[group]).to(dtype)
    wrong = []
    for values in (ORDINARY,) if group == "shapes" else (ORDINARY, EXTREME):
        x = grid(values, len(cell.names), dtype)
        if group == "shapes":
            x = x + torch.randn_like(x) / 4
        fused, plain = run(cell, x, "fused"), run(cell, x, "reference")
        for name in cell.names:
            (value, slope, own), (value_, slope_, own_) = fused[name], plain[name]
            ended = value_.isfinite().repeat(1, 2)  # else the slope says nothing either
            parts = [("value", value, value_), ("gradient", slope.where(ended, slope_), slope_)]
            # A sum over a grid with an infinity in it says nothing.
            parts += [("gradient of the cell's", a, b) for a, b in zip(own, own_, strict=True) if b.isfinite().all()]
            own_tolerance = max(tolerance, LESS_EXACT.get(name, 0))
            if group == "shapes":  # sums of many: relative to the largest element
                parts = [(what, a / scale_of(b), b / scale_of(b)) for what, a, b in parts]
            wrong += [difference(f"{name}, {what}", a, b, own_tolerance, x) for what, a, b in parts]
    assert not any(wrong), "\n".join(dict.fromkeys(filter(None, wrong)))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("group", list(GROUPS)[:2])
def test_infinite_values_and_nan_are_torchs(group: str, dtype: torch.dtype) -> None:
    """NaN gives NaN; what torch computes as infinity - infinity may come out as the limit that it is."""
    cell = Many(GROUPS[group]).to(dtype)
    tolerance = 1e-10 if dtype == torch.float64 else 1e-5
    wrong = []
    for values in (ENDLESS, UNDEFINED):
        x = grid(values, len(cell.names), dtype)
        fused, plain = run(cell, x, "fused"), run(cell, x, "reference")
        for name in cell.names:
            value, value_ = fused[name][0], plain[name][0]
            if values is ENDLESS:
                value = torch.where(value_.isnan(), value_, value)
            wrong.append(difference(name, value, value_, tolerance, x))
    assert not any(wrong), "\n".join(filter(None, wrong))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
def test_small_values_are_exact_relative_to_themselves(dtype: torch.dtype) -> None:
    """Where 1 + x is 1: an absolute error would not be seen above."""
    names = ["tanh", "expm1", "log1p", "sin", "erf", "silu", "gelu", "elu", "sqrt"]
    cell = Many(names).to(dtype)
    x = grid(tuple(10.0**-power for power in range(3, 16)), len(names), dtype)
    fused, plain = run(cell, x, "fused"), run(cell, x, "reference")
    for name in names:
        torch.testing.assert_close(
            fused[name][0], plain[name][0], rtol=1e-10 if dtype == torch.float64 else 1e-5, atol=0, msg=name
        )


def scale_of(tensor: Tensor) -> float:
    return max(1.0, float(tensor.abs().max()))


def difference(name: str, one: Tensor, other: Tensor, tolerance: float, x: Tensor) -> str | None:
    bad = ~torch.isclose(one, other, rtol=tolerance, atol=tolerance, equal_nan=True)
    if not bad.any():
        return None
    at = tuple(int(index) for index in bad.nonzero()[0])
    inputs = [float(x[at[0], 0, at[1] % H + shift]) for shift in (0, H)] if len(at) == 2 else ""
    return f"{name} at {inputs}: {float(one[at])} and not {float(other[at])}"


class Seen(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.add(function._schema.name.removeprefix("aten::"))
        return function(*args, **(kwargs or {}))


def test_there_is_an_expression_for_every_operation_and_lowering() -> None:
    named = {name for operation in OPERATIONS.values() for name in operation.aten}
    assert named | set(_LOWERINGS) | set(_SAME) == set(TABLE) | UNREACHED
    cell = Many(["add"])
    a, b = torch.rand(3, H), torch.rand(3, H)
    for name, expression in TABLE.items():
        with torch.no_grad(), Seen() as seen:
            expression(a, b, cell)
        assert name in seen.names, f"the expression for {name} does not use it but {seen.names}"
