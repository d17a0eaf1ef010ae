"""Dropout, zoneout and clipping: what each does, to every registered cell, or the words in which it is refused."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.func import functional_call, grad, jvp, vmap

from seqmodels.cells import FeedforwardCell, GatedCell, GRUCell, LSTMCell
from seqmodels.cells.regularised import keep_mask, regularise
from seqmodels.layers import Bidirectional, Recurrent, Regularisers, Stack
from seqmodels.scan import ENGINES
from seqmodels.state import leaves, map_state
from tests.laws.catalogue import MakeCell, cells
from tests.laws.recurrent_laws import close, randn, random_state

OPTIONS = [field.name for field in dataclasses.fields(Regularisers)]
LOCKED = ["input_dropout", "recurrent_dropout", "output_dropout"]
CELLS = cells()
B, T, F, H = 3, 5, 4, 6


def one(name: str, value: float = 0.5) -> Regularisers:
    return Regularisers(**{name: value})


def acts(name: str, make: MakeCell) -> bool:
    try:
        Recurrent(make(F, H), regularisers=one(name))
    except ValueError:
        return False
    return True


def pairs(*names: str) -> Any:
    """A test for every cell on which the options act, found by asking."""
    found = [(name, title) for name in names for title, make in CELLS.items() if acts(name, make)]
    return pytest.mark.parametrize(("name", "title"), found, ids=lambda part: str(part))


def everything(title: str, p: float = 0.3, without: tuple[str, ...] = ()) -> Regularisers:
    """All options that act on a cell, together."""
    names = [name for name in OPTIONS if name not in without and acts(name, CELLS[title])]
    return Regularisers(**dict.fromkeys(names, p))


# One of each registered cell, and those whose step is another kind.
KINDS = [title for title in CELLS if "-" not in title or title in ("lstm-projected", "lstm-peephole", "gru-before")]
each_kind = pytest.mark.parametrize("title", KINDS)


def build(title: str, regularisers: Regularisers, engine: str = "auto") -> Recurrent:
    torch.manual_seed(1)
    return Recurrent(CELLS[title](F, H), engine=engine, regularisers=regularisers).double()


def inputs(seed: int = 2, batch: int = B) -> Tensor:
    return randn(batch, T, F, g=torch.Generator().manual_seed(seed))


def seeded(layer: Callable[..., Any], *arguments: Any, seed: int = 0, **options: Any) -> Any:
    torch.manual_seed(seed)
    return layer(*arguments, **options)


def flat(result: tuple[Tensor, Any]) -> list[Tensor]:
    return [result[0], *leaves(result[1])]


@pytest.mark.parametrize("name", OPTIONS)
def test_every_cell_has_it_or_refuses_it_in_words(name: str) -> None:
    refused = {title for title, make in CELLS.items() if not acts(name, make)}
    for title in refused:
        cell = CELLS[title](F, H)
        with pytest.raises(ValueError, match=f"{name} needs a .*; {type(cell).__name__} has none: set {name} to"):
            Recurrent(cell, regularisers=one(name))
    assert len(CELLS) - len(refused) >= 8
    if name in ("input_dropout", "output_dropout"):
        assert not refused
    else:
        assert {title for title in CELLS if title.startswith("feedforward")} <= refused


@pairs(*OPTIONS)
def test_it_acts_in_training_and_the_seed_decides(name: str, title: str) -> None:
    layer, plain, x = build(title, one(name, 0.4), "reference"), build(title, Regularisers(), "reference"), inputs()
    first, again, other = seeded(layer, x), seeded(layer, x), seeded(layer, x, seed=1)
    close(flat(again), flat(first), tolerance=0)
    if name == "clip_gradient":
        close(flat(first), flat(plain(x)))
        return
    assert not torch.equal(first[0], plain(x)[0])
    assert not torch.equal(first[0], other[0])


@pairs(*OPTIONS)
def test_in_evaluation_nothing_is_drawn(name: str, title: str) -> None:
    layer, plain, x = (
        build(title, one(name), "reference").eval(),
        build(title, Regularisers(), "reference").eval(),
        inputs(),
    )
    before = torch.get_rng_state()
    result = layer(x)
    assert torch.equal(torch.get_rng_state(), before)
    if not name.startswith("zoneout"):
        close(flat(result), flat(plain(x)), tolerance=0 if name != "clip_gradient" else 1e-12)


@pytest.mark.parametrize("title", CELLS)
def test_zero_is_the_plain_layer_bit_for_bit(title: str) -> None:
    x = inputs()
    result = build(title, Regularisers())(x)
    torch.manual_seed(1)
    close(flat(result), flat(Recurrent(CELLS[title](F, H)).double()(x)), tolerance=0)


@each_kind
def test_forward_and_unroll_draw_the_same(title: str) -> None:
    layer, x = build(title, everything(title)), inputs()
    whole, steps = seeded(layer, x), seeded(layer.unroll, x)
    close([steps[0], *(leaf[:, -1] for leaf in leaves(steps[1]))], flat(whole))


@each_kind
def test_padding_and_lengths(title: str) -> None:
    """Garbage after a row's length changes nothing, also in training; a row of length 0 keeps its state."""
    layer, lengths = build(title, everything(title)), torch.tensor([T, 2, 0])
    state = random_state(layer, B, torch.Generator().manual_seed(3))
    results = []
    for garbage in (0.0, float("nan")):
        x = inputs()
        x[1, 2:], x[2] = garbage, garbage
        x.requires_grad_()
        y, last = seeded(layer, x, state, lengths)
        assert not y[1, 2:].any()
        assert not y[2].any()
        close([leaf[2] for leaf in leaves(last)], [leaf[2] for leaf in leaves(state)], tolerance=0)
        total = y.sum() + sum(leaf.sin().sum() for leaf in leaves(last))
        gradients = torch.autograd.grad(total, [x, *layer.parameters()], allow_unused=True)
        results.append([y, *leaves(last), *gradients])
    close(results[1], results[0])


@pytest.mark.parametrize(("title", "clipped"), [*((title, True) for title in KINDS), ("mingru", False), ("lru", False)])
def test_every_engine_agrees_with_the_reference(title: str, clipped: bool) -> None:
    x, lengths, reset = inputs(), torch.tensor([T, 2, 0]), torch.rand(B, T) < 0.4
    results = []
    for engine in ("auto", "reference", *(["parallel"] if not clipped else [])):
        layer = build(title, everything(title, without=() if clipped else ("clip_gradient",)), engine)
        y, last = seeded(layer, x, None, lengths, reset)
        total = (y * torch.arange(y.numel()).view_as(y)).sum() + sum(leaf.sin().sum() for leaf in leaves(last))
        results.append([y, *leaves(last), *torch.autograd.grad(total, list(layer.parameters()), allow_unused=True)])
    for other in results[1:]:
        close(other, results[0])


@pytest.mark.parametrize("name", ["input_dropout", "output_dropout"])
def test_locked_masks_stay_for_all_steps_and_differ_between_rows(name: str) -> None:
    layer = Recurrent(FeedforwardCell(40, 40, "relu", bias=False), regularisers=one(name))
    with torch.no_grad():
        layer.cell.linear.weight.copy_(torch.eye(40))
    y = layer(torch.ones(2, 9, 40))[0]
    assert set(y.flatten().tolist()) == {0.0, 2.0}
    assert torch.equal(y, y[:, :1].expand(2, 9, 40))
    assert not torch.equal(y[0], y[1])


def test_the_recurrent_mask_stays_for_all_steps_and_differs_between_rows() -> None:
    class Watched(GRUCell):
        def update(self, u: Tensor, r: Tensor, state: Any) -> Any:
            products.append(r)
            return super().update(u, r, state)

    products: list[Tensor] = []
    cell = Watched(3, 40)
    with torch.no_grad():
        cell.weight_hh.copy_(torch.eye(40).repeat(3, 1))
        cell.bias_hh.zero_()
    layer = Recurrent(cell, engine="reference", regularisers=one("recurrent_dropout"))
    state = layer.initial_state(2, torch.zeros(1))._replace(h=torch.ones(2, 40))
    _, states = layer.unroll(torch.randn(2, 7, 3), state)
    before = [state.h, *states.h.unbind(1)[:-1]]
    masks = [product[:, :40] / h for product, h in zip(products, before, strict=True)]
    assert set(masks[0].flatten().tolist()) == {0.0, 2.0}
    close(masks, [masks[0]] * 7, tolerance=1e-5)
    assert not torch.equal(masks[0][0], masks[0][1])


@pytest.mark.parametrize("drop", [1e-3, 0.1, 0.5, 0.95])
def test_masks_have_the_right_mean_and_are_independent(drop: float) -> None:
    mask = keep_mask((400, 999), drop, torch.zeros(1, dtype=torch.float64))
    assert set(mask.flatten().tolist()) == {0.0, 1.0}
    spread = (drop * (1 - drop)) ** 0.5
    assert abs(mask.mean() - (1 - drop)) < 5 * spread / 400**0.5 / 999**0.5
    near = mask - (1 - drop)
    for shift in (1, 2, 3, 4, 8):  # the numbers of one 64-bit draw, and of draws side by side
        correlation = (near[:, shift:] * near[:, :-shift]).mean() / spread**2
        assert abs(correlation) < 5 / 400**0.5 / (999 - shift) ** 0.5


@pytest.mark.parametrize("name", [*LOCKED, "weight_drop"])
def test_what_stays_is_scaled_so_that_the_mean_stays(name: str) -> None:
    """Of one step of a linear layer, over many draws."""

    class Sum(GatedCell):
        def update(self, u: Tensor, r: Tensor, state: Any) -> Any:
            return type(state)(u + r)

    torch.manual_seed(0)
    cell = Sum(4, 5).double()
    x, state = torch.ones(1, 1, 4, dtype=torch.float64), cell.initial_state(1, torch.zeros(1).double())
    state = state._replace(h=torch.linspace(-1, 1, 5, dtype=torch.float64).unsqueeze(0))
    layer, plain = Recurrent(cell, regularisers=one(name, 0.3), engine="reference"), Recurrent(cell)
    draws = torch.stack([layer(x, state)[0] for _ in range(1000)])
    error = (draws.mean(0) - plain(x, state)[0]).abs() / (draws.std(0) / 1000**0.5)
    assert error.max() < 5


def test_weight_drop_takes_whole_weights_for_all_steps_with_their_gradients() -> None:
    layer, plain = build("lstm", one("weight_drop")), build("lstm", Regularisers())
    torch.manual_seed(7)
    mask = keep_mask((4 * H, H), 0.5, torch.zeros(1, dtype=torch.float64))
    x = inputs()
    with torch.no_grad():
        plain.cell.weight_hh.mul_(mask * 2)
    y, expected = seeded(layer, x, seed=7), plain(x)
    close(flat(y), flat(expected))
    (gradient,) = torch.autograd.grad(y[0].pow(2).sum(), [layer.cell.weight_hh])
    assert torch.equal(gradient != 0, mask != 0)
    assert ENGINES["vendor"].obstacle(layer._regularised(x)[0], x, None) is None


def test_weight_drop_of_a_parametrized_weight_is_refused() -> None:
    cell = torch.nn.utils.parametrizations.weight_norm(LSTMCell(F, H), "weight_hh")
    layer = Recurrent(cell, regularisers=one("weight_drop"))
    with pytest.raises(ValueError, match=r"weight_drop cannot act on .*made of other parameters"):
        layer(torch.zeros(1, 2, F))


def test_zoneout_keeps_exactly_what_the_mask_says() -> None:
    layer, x = build("lstm", Regularisers(zoneout_h=0.4, zoneout_c=0.7)), inputs()
    torch.manual_seed(5)
    masks = [keep_mask((B, T, H), p, x) for p in (0.4, 0.7)]
    states = seeded(layer.states, x, seed=5)
    before = layer.initial_state(B, x)
    for t in range(T):
        after = type(before)(*(leaf[:, t] for leaf in states))
        plain = layer.cell.step(layer.cell.project(x[:, t]), before)[1]
        for old, new, candidate, mask in zip(before, after, plain, masks, strict=True):
            assert torch.equal(new[mask[:, t] == 0], old[mask[:, t] == 0])
            close([new[mask[:, t] == 1]], [candidate[mask[:, t] == 1]], tolerance=1e-14)
        before = after


@pairs("zoneout_h", "zoneout_c")
def test_zoneout_in_evaluation_is_the_expected_step(name: str, title: str) -> None:
    layer, field = build(title, one(name, 0.3), "reference").eval(), name.removeprefix("zoneout_")
    state = random_state(layer, B, torch.Generator().manual_seed(3))
    x = inputs()[:, :1]
    y, after = layer(x, state)
    plain = layer.cell.step(layer.cell.project(x[:, 0]), state)[1]
    close([getattr(after, field)], [0.7 * getattr(plain, field) + 0.3 * getattr(state, field)])
    if field == "h" and y.shape[-1] == after.h.shape[-1]:
        assert title.startswith("lru") or torch.equal(y[:, 0], after.h)
    many = map_state(lambda leaf: leaf[:1].expand(4000, -1), state)
    draws = getattr(layer.train()(x[:1].expand(4000, -1, -1), many)[1], field)
    error = (draws.mean(0) - getattr(after, field)[0]).abs() / (draws.std(0).clamp(min=1e-9) / 4000**0.5)
    assert error.max() < 5


def test_the_equations_of_a_regularised_lstm() -> None:
    """Zoneout on h and c, and recurrent dropout, once more in numpy."""
    layer, x = build("lstm", Regularisers(recurrent_dropout=0.3, zoneout_h=0.2, zoneout_c=0.4)), inputs()
    torch.manual_seed(9)
    m = (keep_mask((B, H), 0.3, x) / 0.7).numpy()
    k_h, k_c = (keep_mask((B, T, H), p, x).numpy() for p in (0.2, 0.4))
    w_ih, w_hh, b_ih, b_hh = (parameter.detach().numpy() for parameter in layer.cell.parameters())
    sigmoid = lambda v: 1 / (1 + np.exp(-v))  # noqa: E731
    h = c = np.zeros((B, H))
    outputs = []
    for t in range(T):
        i, f, g, o = np.split(x[:, t].numpy() @ w_ih.T + b_ih + (m * h) @ w_hh.T + b_hh, 4, axis=1)
        new_c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        new_h = sigmoid(o) * np.tanh(new_c)
        h = k_h[:, t] * new_h + (1 - k_h[:, t]) * h
        c = k_c[:, t] * new_c + (1 - k_c[:, t]) * c
        outputs.append(h)
    y, last = seeded(layer, x, seed=9)
    np.testing.assert_allclose(y.detach().numpy(), np.stack(outputs, axis=1), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(last.c.detach().numpy(), c, rtol=1e-10, atol=1e-12)


@pairs("clip_gradient")
def test_clipping_bounds_the_gradient_of_every_state(name: str, title: str) -> None:
    """By hand: the gradient is carried back one step at a time, and clamped after each."""
    limit, x = 0.05, inputs()
    layer, plain = build(title, one(name, limit), "reference"), build(title, Regularisers(), "reference")
    parameters, before = list(plain.parameters()), random_state(layer, B, torch.Generator().manual_seed(3))
    weight = randn(*plain(x)[0].shape, g=torch.Generator().manual_seed(4))
    y = layer(x, before)[0]
    close([y], [plain(x, before)[0]], tolerance=1e-12)
    steps = []
    for t in range(T):
        start = type(before)(*(leaf.detach().requires_grad_() for leaf in before))
        out, before = plain(x[:, t : t + 1], start)
        steps.append((start, out, before))
    total, flow = [torch.zeros_like(parameter) for parameter in parameters], [torch.zeros_like(leaf) for leaf in before]
    for t, (start, out, after) in reversed(list(enumerate(steps))):
        seen = weight[:, t : t + 1]
        (share,) = torch.autograd.grad(out, [after.h], seen, retain_graph=True)
        shares = [share, *(torch.zeros_like(leaf) for leaf in after[1:])]
        clamped = [(later + share).clamp(-limit, limit) for later, share in zip(flow, shares, strict=True)]
        # What reaches h through the output goes on clamped; what else there is in the output, as it is.
        given = [one - share for one, share in zip(clamped, shares, strict=True)]
        wanted = [*start, *parameters]
        found = torch.autograd.grad([*after, out], wanted, [*given, seen], allow_unused=True, materialize_grads=True)
        flow = list(found[: len(start)])
        total = [one + share for one, share in zip(total, found[len(start) :], strict=True)]
    close(
        torch.autograd.grad((y * weight).sum(), list(layer.parameters()), allow_unused=True, materialize_grads=True),
        total,
    )


def test_clipping_tames_an_exploding_gradient() -> None:
    found = []
    for limit in (None, 1.0):
        layer = Recurrent(CELLS["elman-relu"](1, 3), regularisers=Regularisers(clip_gradient=limit))
        with torch.no_grad():
            layer.cell.weight_hh.copy_(torch.eye(3) * 10)
            layer.cell.weight_ih.fill_(1)
        y = layer(torch.ones(1, 30, 1))[0]
        found.append(torch.autograd.grad(y[0, -1].sum() / y.detach().max(), [layer.cell.bias_ih])[0].max())
    assert found[0] > 0.3
    y = Recurrent(layer.cell)(torch.ones(1, 30, 1))[0]
    (free,) = torch.autograd.grad(y[0, -1].sum(), [layer.cell.bias_ih])
    (held,) = torch.autograd.grad(layer(torch.ones(1, 30, 1))[0][0, -1].sum(), [layer.cell.bias_ih])
    assert free.max() > 1e28
    assert held.max() <= 30


def test_clipping_is_not_there_without_gradients() -> None:
    layer = build("lstm", one("clip_gradient", 1.0))
    with torch.no_grad():
        assert layer._regularised(inputs())[0].vendor() is not None
        close(flat(layer(inputs())), flat(build("lstm", Regularisers())(inputs())), tolerance=0)


@pytest.mark.filterwarnings("ignore:.*torch.jit.script")
def test_clipping_twice_differentiable_and_refused_in_forward_mode() -> None:
    layer, x = build("gru", one("clip_gradient", 100.0)), inputs().requires_grad_()
    assert torch.autograd.gradgradcheck(lambda x: layer(x)[0], (x,), fast_mode=True, atol=1e-4)
    with pytest.raises(ValueError, match="clip_gradient has no forward mode"):
        jvp(lambda x: layer(x)[0], (x.detach(),), (x.detach(),))
    with (
        forward_ad.dual_level(),
        pytest.raises(ValueError, match="clip_gradient has no forward mode"),
    ):
        layer(forward_ad.make_dual(x.detach(), x.detach()))


@pytest.mark.filterwarnings("ignore:.*torch.jit.script")  # torch's own, in forward mode
@each_kind
def test_forward_mode_agrees_with_backward_mode(title: str) -> None:
    layer, x, direction = build(title, everything(title, without=("clip_gradient",))), inputs(), inputs(3)
    _, slope = jvp(lambda x: seeded(layer, x)[0], (x,), (direction,))
    pulled = torch.autograd.grad(seeded(layer, x.requires_grad_())[0].sum(), [x])[0]
    close([slope.sum()], [(pulled * direction).sum()])


@each_kind
def test_it_runs_by_the_engine_that_runs_the_cell_without_it(title: str) -> None:
    """But for torch's own kernels, which know of nothing inside the recurrence."""
    plain, layer = build(title, Regularisers()), build(title, everything(title))
    engines = [line.explain().split(": ")[1].split()[0] for line in (plain, layer)]
    if engines[0] == "vendor":  # torch's own layer knows of nothing inside the recurrence
        engines[0] = "reference"
    if engines[0] == "parallel":
        engines[0] = "fused"  # what clips has no parallel form
    assert engines[0] == engines[1]


@each_kind
def test_per_sample_gradients(title: str) -> None:
    layer, x = build(title, everything(title)), inputs()
    parameters = {name: parameter.detach() for name, parameter in layer.named_parameters()}

    def loss(parameters: dict[str, Tensor], x: Tensor) -> Tensor:
        return functional_call(layer, parameters, (x.unsqueeze(0),))[0].pow(2).sum()

    torch.manual_seed(0)
    same = vmap(grad(loss), in_dims=(None, 0), randomness="same")(parameters, x)
    for index in range(B):
        one_row = torch.autograd.grad(seeded(layer, x[index : index + 1])[0].pow(2).sum(), list(layer.parameters()))
        close([same[name][index] for name, _ in layer.named_parameters()], one_row)


def test_lanes_draw_as_torch_is_told() -> None:
    layer, x = build("lstm", Regularisers(0.5, 0.5, 0.5, 0.5)), inputs(batch=1).expand(2, 1, T, F)
    with pytest.raises(RuntimeError, match="randomness"):
        vmap(lambda x: layer(x)[0])(x)
    same, different = (vmap(lambda x: layer(x)[0], randomness=kind)(x) for kind in ("same", "different"))
    assert torch.equal(same[0], same[1])
    assert not torch.equal(different[0], different[1])


def test_each_direction_and_layer_draws_its_own() -> None:
    make = lambda size, reverse=False: Recurrent(GRUCell(size, 40), reverse, regularisers=one("output_dropout"))  # noqa: E731
    both = Bidirectional(make(3), make(3, reverse=True))
    dropped = both(torch.randn(1, 6, 3))[0][0] == 0
    assert torch.equal(dropped, dropped[:1].expand(6, 80))
    assert not torch.equal(dropped[0, :40], dropped[0, 40:])
    deep = Stack([make(3), make(40)])
    assert deep(torch.randn(2, 6, 3))[0].shape == (2, 6, 40)


@pytest.mark.parametrize("name", OPTIONS)
def test_explain_tells_what_runs_and_draws_nothing(name: str) -> None:
    layer, before = build("lstm", one(name, 0.5)), torch.get_rng_state()
    words = layer.explain()
    assert torch.equal(torch.get_rng_state(), before)
    assert words.startswith(f"LSTMCell with {name}=0.5: ")
    assert "fused (" in words
    assert f"{name}=0.5" in repr(layer)


def test_a_regularised_cell_shares_its_parameters_and_leaves_the_cell_alone() -> None:
    cell = LSTMCell(F, H)
    before = set(vars(cell))
    made = regularise(cell, None, {"h": 0.5}, True, None)
    assert set(vars(cell)) == before
    assert [id(parameter) for parameter in made.parameters()] == [id(parameter) for parameter in cell.parameters()]
    assert made.vendor() is None
    assert list(build("lstm", Regularisers(0.1, 0.1, 0.1)).state_dict()) == list(
        build("lstm", Regularisers()).state_dict()
    )


def test_what_is_watched_is_still_seen() -> None:
    """A cell whose steps are recorded shows each of them, also with zoneout."""
    layer, seen = build("lstm", one("zoneout_c", 0.3)).eval(), []
    expected = layer(inputs())
    step = layer.cell.step
    layer.cell.__dict__["step"] = lambda u, state: (seen.append(1), step(u, state))[1]
    close(flat(layer(inputs())), flat(expected))
    assert len(seen) == T


class ReadsTheStateItself(GatedCell):
    """A step of its own that goes past `recurrent_input`."""

    def step(self, u: Tensor, state: Any) -> Any:
        h = torch.tanh(u + torch.nn.functional.linear(state.h, self.weight_hh))
        return h, type(state)(h)


def test_recurrent_dropout_that_a_step_passes_by_is_refused() -> None:
    layer = Recurrent(ReadsTheStateItself(F, H), regularisers=one("recurrent_dropout"))
    with pytest.raises(ValueError, match="recurrent_dropout cannot act on ReadsTheStateItself: its step does not read"):
        layer(torch.zeros(1, 2, F))
    Recurrent(ReadsTheStateItself(F, H), regularisers=one("zoneout_h"))(torch.zeros(1, 2, F))


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("value", [-0.1, 1.0, float("nan"), float("inf"), "a", True])
def test_refusal_of_values(name: str, value: Any) -> None:
    if name == "clip_gradient" and value == 1.0 and value is not True:
        pytest.skip("a limit may be 1")
    with pytest.raises(ValueError, match=f"{name} must be a .*, got {value!r}"):
        Regularisers(**{name: value})


def test_refusal_of_what_is_no_regularisers() -> None:
    with pytest.raises(ValueError, match=r"regularisers must be a seqmodels.layers.Regularisers, got dict"):
        Recurrent(GRUCell(F, H), regularisers={"zoneout_h": 0.1})  # type: ignore[arg-type]
    layer = Recurrent(GRUCell(F, H), regularisers=Regularisers(0.5, 0.5))
    with pytest.raises(ValueError, match=r"inputs must be \(batch, steps, 4\)"):
        layer(torch.zeros(2, F))
    with pytest.raises(ValueError, match="inputs must be a tensor"):
        layer([1.0])
