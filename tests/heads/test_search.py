"""Decoding on toy models whose every sequence can be listed."""

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor

from seqmodels.heads.decoding.search import beam_search, cut_at_stop, sampler, unroll

VOCABULARY, STEPS, STOP = 4, 4, 2
START = VOCABULARY


def toy(rows: int, seed: int) -> Tensor:
    """Log-probabilities ``(rows, steps, last token, next token)``: another distribution after each beginning."""
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(rows, STEPS, VOCABULARY + 1, VOCABULARY, generator=generator, dtype=torch.float64)
    return logits.log_softmax(-1)


def toy_step(table: Tensor) -> Any:
    """A model whose state is (row, number of the step)."""

    def step(items: Tensor, state: Any) -> tuple[Tensor, Any]:
        row, t = state
        return table[row, t, items], (row, t + 1)

    return step


def search(table: Tensor, beam: int, penalty: float, stop: int | None = STOP) -> Any:
    rows = torch.arange(len(table)).repeat_interleave(beam)
    first = torch.full_like(rows, START)
    return beam_search(toy_step(table), first, (rows, torch.zeros_like(rows)), STEPS, beam, stop, penalty)


def exhaustive(table: Tensor, penalty: float, stop: int | None) -> tuple[list[int], float]:
    """The best of all sequences of one row, by listing them."""
    best: tuple[float, list[int], float] | None = None
    for tokens in itertools.product(range(VOCABULARY), repeat=STEPS):
        cut = list(tokens[: tokens.index(stop) + 1]) if stop in tokens else list(tokens)
        logp = sum(float(table[t, last, new]) for t, (last, new) in enumerate(zip([START, *cut], cut, strict=False)))
        score = logp / ((5 + len(cut)) / 6) ** penalty
        if best is None or score > best[0] + 1e-12:
            best = (score, cut, logp)
    assert best is not None
    return best[1], best[2]


@pytest.mark.parametrize("penalty", [0.0, 0.6, 2.0])
@pytest.mark.parametrize("stop", [STOP, None])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_wide_beam_is_exhaustive_search(penalty: float, stop: int | None, seed: int) -> None:
    table = toy(3, seed)
    found = search(table, VOCABULARY**STEPS, penalty, stop)
    for row in range(3):
        tokens, logp = exhaustive(table[row], penalty, stop)
        assert found.tokens[row, : found.lengths[row]].tolist() == tokens
        assert float(found.log_probability[row]) == pytest.approx(logp)


@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_a_beam_of_one_is_greedy(penalty: float) -> None:
    table = toy(20, 3)
    rows = torch.arange(20)
    walk = unroll(
        toy_step(table), torch.full_like(rows, START), (rows, torch.zeros_like(rows)), STEPS, lambda p, t: p.argmax(-1)
    )
    tokens, lengths = cut_at_stop(torch.stack([items for _, items, _ in walk], dim=1), STOP)
    found = search(table, 1, penalty)
    assert torch.equal(found.tokens, tokens)
    assert torch.equal(found.lengths, lengths)


def test_a_beam_beats_greedy_and_a_wider_one_wins_more() -> None:
    table = toy(200, 4)
    means = [float(search(table, beam, 0.0).log_probability.mean()) for beam in (1, 2, 4, 256)]
    assert means[0] < means[1] - 0.01
    assert means[1] < means[2] - 0.001
    assert means[2] <= means[3]


def test_a_length_penalty_favours_longer_sequences() -> None:
    table = toy(200, 5)
    short, long = (float(search(table, 8, penalty).lengths.double().mean()) for penalty in (0.0, 3.0))
    assert long > short + 0.3


@pytest.mark.parametrize("seed", range(20))
def test_beams_follow_their_own_state(seed: int) -> None:
    """The state of the parent goes with each beam: the model here knows its past from the state alone."""
    generator = torch.Generator().manual_seed(seed)
    table = 0.3 * torch.randn(VOCABULARY**3, VOCABULARY, generator=generator, dtype=torch.float64)  # close calls
    table = table.log_softmax(-1)

    def step(items: Tensor, state: Any) -> tuple[Tensor, Any]:
        past = torch.where(items == START, state[0], state[0] * VOCABULARY + items)
        return table[past], (past,)

    beam = VOCABULARY**3
    found = beam_search(step, torch.full((beam,), START), (torch.zeros(beam, dtype=torch.long),), 3, beam)
    scores = {
        (a, b, c): float(table[0, a] + table[a, b] + table[a * VOCABULARY + b, c])
        for a, b, c in itertools.product(range(VOCABULARY), repeat=3)
    }
    best = max(scores, key=lambda tokens: scores[tokens])
    assert tuple(found.tokens[0].tolist()) == best
    assert float(found.log_probability) == pytest.approx(scores[best])


def test_unroll_stops_when_every_row_has() -> None:
    def count(items: Tensor, state: tuple[()]) -> tuple[Tensor, tuple[()]]:
        return torch.eye(10)[(items + 1) % 10], state

    walk = unroll(count, torch.tensor([0, 3]), (), 50, lambda p, t: p.argmax(-1), stop=5)
    assert [items.tolist() for _, items, _ in walk] == [[1, 4], [2, 5], [3, 6], [4, 7], [5, 8]]


@pytest.mark.parametrize("least", [1e-300, 5e-324])
def test_what_is_zero_in_float32_is_not_divided_by(least: float) -> None:
    logits = torch.tensor([[0.0, 3.0, 1.0], [5e7, 3.0, -5e7]])
    assert sampler(least)(logits).tolist() == sampler(1.0, top_p=least)(logits).tolist() == [1, 0]


def test_samples_follow_the_distribution() -> None:
    logits = torch.tensor([0.5, 0.25, 0.2, 0.05]).log()
    for temperature in (0.5, 1.0, 2.0):
        pick = sampler(temperature, generator=torch.Generator().manual_seed(0))
        counts = torch.bincount(pick(logits.expand(20_000, -1)), minlength=4) / 20_000
        torch.testing.assert_close(counts, (logits / temperature).softmax(-1), atol=0.015, rtol=0)


@pytest.mark.parametrize(
    ("options", "possible"),
    [
        ({"top_k": 1}, {2}),
        ({"top_k": 2}, {0, 2}),
        ({"top_k": 9}, {0, 1, 2, 3}),
        ({"top_p": 0.01}, {2}),
        ({"top_p": 0.49}, {2}),
        ({"top_p": 0.51}, {0, 2}),
        ({"top_p": 0.81}, {0, 1, 2}),
        ({"top_p": 1.0}, {0, 1, 2, 3}),
        ({"top_k": 3, "top_p": 0.8}, {0, 2}),
    ],
)
def test_top_k_and_top_p_leave_only_the_likeliest(options: dict[str, Any], possible: set[int]) -> None:
    logits = torch.tensor([0.3, 0.15, 0.5, 0.05]).double().log()
    pick = sampler(1.0, generator=torch.Generator().manual_seed(0), **options)
    assert set(pick(logits.expand(500, -1)).tolist()) == possible


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"temperature": 0.0}, "temperature must be above 0"),
        ({"temperature": -1.0}, "temperature must be above 0"),
        ({"temperature": float("inf")}, "temperature must be above 0"),
        ({"temperature": 1.0, "top_k": 0}, "top_k must be a whole number"),
        ({"temperature": 1.0, "top_p": 0.0}, "top_p must be above 0"),
        ({"temperature": 1.0, "top_p": 1.1}, "top_p must be above 0 and at most 1"),
        ({"top_k": 5}, "top_k is for sampling: give temperature too"),
        ({"top_p": 0.5}, "top_p is for sampling"),
        ({"generator": torch.Generator()}, "generator is for sampling"),
    ],
)
def test_refusal_of_sampling_options(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        sampler(**options)


def test_refusal_of_beam_options() -> None:
    table = toy(1, 0)
    with pytest.raises(ValueError, match="beam must be a whole number"):
        search(table, 0, 0.0)
    with pytest.raises(ValueError, match="length_penalty must be at least 0"):
        search(table, 2, -0.1)


@pytest.mark.parametrize("stop", [STOP, None])
@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_a_limit_of_each_row_is_that_row_searched_alone_with_so_many_steps(stop: int | None, penalty: float) -> None:
    table, limits = toy(8, 6), torch.tensor([1, 2, 3, 4, 1, 2, 3, 4])
    rows = torch.arange(8).repeat_interleave(3)
    first = torch.full_like(rows, START)
    found = beam_search(toy_step(table), first, (rows, torch.zeros_like(rows)), limits, 3, stop, penalty)
    assert bool((found.lengths <= limits).all())
    for row, limit in enumerate(limits.tolist()):
        start = (torch.zeros(3, dtype=torch.long), torch.zeros(3, dtype=torch.long))
        alone = beam_search(toy_step(table[row : row + 1]), first[:3], start, limit, 3, stop, penalty)
        assert found.tokens[row, : found.lengths[row]].tolist() == alone.tokens[0, : alone.lengths[0]].tolist()
        assert float(found.log_probability[row]) == pytest.approx(float(alone.log_probability[0]))


def test_greedy_rows_are_cut_at_their_limits() -> None:
    tokens, lengths = cut_at_stop(torch.tensor([[1, 9, 4], [3, 2, 5]]), 9, torch.tensor([3, 2]))
    assert tokens.tolist() == [[1, 9], [3, 2]]
    assert lengths.tolist() == [2, 2]
