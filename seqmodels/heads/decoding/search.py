"""Decoding: greedy, by sampling and by beam search.

Models are passed as a `Step`, a function ``(items, state) -> (prediction, state)``. B rows, S steps, V tokens, K beams.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor

from seqmodels.batch import step_mask
from seqmodels.kinds import at_least_one
from seqmodels.state import State, select

Step: TypeAlias = Callable[[Tensor, State], tuple[Tensor, State]]

# Lower bound of temperature and top_p: smaller ones are 0 in float32, where they are divided by.
LEAST = 1e-30


class Hypotheses(NamedTuple):
    """Best sequence of each row.

    Fields:
        tokens: ``(B, S)``, padded with the stop token.
        lengths: int64 ``(B,)``, stop token included.
        log_probability: ``(B,)``, of the whole sequence, without length penalty.
    """

    tokens: Tensor
    lengths: Tensor
    log_probability: Tensor


def unroll(
    step: Step,
    first: Tensor,
    state: State,
    steps: int,
    choose: Callable[[Tensor, int], Tensor],
    stop: int | None = None,
) -> Iterator[tuple[Tensor, Tensor, State]]:
    """Run a model on items chosen from its own predictions.

    >>> def count(items, state):  # the next token is the one after
    ...     return torch.eye(5)[items + 1], state
    >>> walk = unroll(count, torch.tensor([0]), (), 10, lambda prediction, t: prediction.argmax(-1), stop=3)
    >>> [item.item() for _, item, _ in walk]
    [1, 2, 3]

    Args:
        choose: maps a prediction ``(B, V)`` and the step number to the next items.
        stop: token after which a row is done; the loop ends when all rows are.

    Yields:
        The prediction, the items chosen from it, and the state, at each step.
    """
    items, done = first, None
    for t in range(steps):
        prediction, state = step(items, state)
        items = choose(prediction, t)
        yield prediction, items, state
        if stop is not None:
            done = items == stop if done is None else done | (items == stop)
            if bool(done.all()):
                return


def sampler(
    temperature: float | None = None,
    top_k: int | None = None,
    top_p: float | None = None,
    generator: torch.Generator | None = None,
) -> Callable[[Tensor], Tensor]:
    """Return a function that samples tokens ``(B,)`` from logits ``(B, V)``.

    >>> sampler()(torch.tensor([[0.0, 3.0, 1.0]])).tolist()
    [1]
    >>> pick = sampler(temperature=1.0, top_k=2, generator=torch.Generator().manual_seed(0))
    >>> sorted({pick(torch.tensor([[0.0, 3.0, 2.5]])).item() for _ in range(50)})
    [1, 2]

    Args:
        temperature: divisor of the logits before sampling; None for greedy decoding.
        top_k: sample among the k most likely tokens.
        top_p: sample among the most likely tokens that together reach this probability (nucleus sampling, Holtzman et
            al. 2020); the token that crosses it is included.
        generator: random number generator on the device of the logits, for reproducible samples.

    Raises:
        ValueError: a value out of range, or an option that greedy decoding would ignore.
    """
    if temperature is None:
        for name, value in (("top_k", top_k), ("top_p", top_p), ("generator", generator)):
            if value is not None:
                raise ValueError(f"{name} is for sampling: give temperature too, 1.0 for the model's own distribution")
        return lambda logits: logits.argmax(-1)
    if not 0 < temperature < float("inf"):
        raise ValueError(f"temperature must be above 0 (or None for the likeliest token), got {temperature!r}")
    if top_k is not None:
        at_least_one.check("top_k", top_k)
    if top_p is not None and not 0 < top_p <= 1:
        raise ValueError(f"top_p must be above 0 and at most 1, got {top_p!r}")

    def pick(logits: Tensor) -> Tensor:
        scores = _at_least_float(logits) / max(temperature, LEAST)
        if top_k is not None and top_k < scores.shape[-1]:
            scores = _keep_top_k(scores, top_k)
        if top_p is not None:
            scores = _keep_top_p(scores, max(top_p, LEAST))
        return torch.multinomial(scores.softmax(-1), 1, generator=generator).squeeze(-1)

    return pick


def _keep_top_k(scores: Tensor, k: int) -> Tensor:
    kept = scores.topk(k)
    return torch.full_like(scores, -torch.inf).scatter(-1, kept.indices, kept.values)


def _keep_top_p(scores: Tensor, p: float) -> Tensor:
    ordered = scores.sort(dim=-1, descending=True)
    likely = ordered.values.softmax(-1)
    before = likely.cumsum(-1) - likely  # probability of all more likely tokens; exactly 0 for the most likely
    kept = ordered.values.masked_fill(before >= p, -torch.inf)
    return scores.scatter(-1, ordered.indices, kept)


def _at_least_float(logits: Tensor) -> Tensor:
    return logits.to(torch.promote_types(logits.dtype, torch.float32))


def cut_at_stop(tokens: Tensor, stop: int | None, limits: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Truncate each row after its first stop token or at its maximum length.

    >>> cut_at_stop(torch.tensor([[1, 9, 4, 4], [3, 2, 9, 5]]), stop=9)
    (tensor([[1, 9, 9],
            [3, 2, 9]]), tensor([2, 3]))

    Args:
        tokens: ``(B, S)``.
        stop: token that ends a sequence, if any.
        limits: maximum length of each row ``(B,)``, stop token included.

    Returns:
        Tokens ``(B, S)``, as wide as the longest row and padded with `stop`, and lengths ``(B,)``.
    """
    rows, steps = tokens.shape
    lengths = torch.full((rows,), steps, device=tokens.device)
    if stop is not None:
        hit = tokens == stop
        lengths = torch.where(hit.any(1), hit.int().argmax(1) + 1, lengths)
    if limits is not None:
        lengths = torch.minimum(lengths, limits)
    if stop is not None:
        tokens = tokens.masked_fill(~step_mask(lengths, steps), stop)
    return tokens[:, : int(lengths.max())], lengths


@torch.no_grad()
def beam_search(
    step: Step,
    first: Tensor,
    state: State,
    steps: int | Tensor,
    beam: int,
    stop: int | None = None,
    length_penalty: float = 0.0,
) -> Hypotheses:
    """Decode by beam search, keeping the K best prefixes at every step.

        score = log p(tokens) / ((5 + length) / 6)^length_penalty

    Source: Wu et al. 2016, "Google's neural machine translation system", section 7, equation 14 (without coverage).
    Finished sequences stay in the beam with their score. K = 1 is greedy decoding.

    Args:
        step: the model, on ``B * K`` rows: the K beams of a row are adjacent.
        first: items fed first, ``(B * K,)``.
        steps: maximum length, one number or one per row ``(B,)``.
        length_penalty: 0 for the most likely sequence; above 0 favours longer ones.

    Raises:
        ValueError: a beam below 1, or a negative length penalty.
    """
    at_least_one.check("beam", beam)
    if not length_penalty >= 0:
        raise ValueError(f"length_penalty must be at least 0, got {length_penalty!r}")
    rows = len(first) // beam
    offset = torch.arange(rows, device=first.device).unsqueeze(1) * beam
    beams = _Beams.start(rows, beam, first.device)
    items = first
    limits = torch.as_tensor(steps, device=first.device).expand(rows).unsqueeze(1)
    for _ in range(int(limits.max())):
        logits, state = step(items, state)
        log_probability = _at_least_float(logits).log_softmax(-1).view(rows, beam, -1)
        beams, parent = beams.grow(log_probability, stop, length_penalty, limits)
        state, items = select(state, (offset + parent).flatten()), beams.tokens[:, :, -1].flatten()
        if bool((beams.done | beams.scores.isneginf()).all()):
            break
    return beams.best(length_penalty)


class _Beams(NamedTuple):
    """K prefixes per row: tokens ``(B, K, S)``, lengths, log-probabilities and whether done ``(B, K)``."""

    tokens: Tensor
    lengths: Tensor
    scores: Tensor
    done: Tensor

    @classmethod
    def start(cls, rows: int, beam: int, device: torch.device) -> _Beams:
        scores = torch.full((rows, beam), -torch.inf, device=device)
        scores[:, 0] = 0  # all beams of a row are equal at first: only one counts
        lengths = torch.zeros(rows, beam, dtype=torch.long, device=device)
        return cls(lengths.unsqueeze(-1)[:, :, :0], lengths, scores, lengths > 0)

    def grow(self, log_probability: Tensor, stop: int | None, penalty: float, limits: Tensor) -> tuple[_Beams, Tensor]:
        """Return the K best one-token extensions of all beams, and their parent beams ``(B, K)``."""
        vocabulary = log_probability.shape[2]
        # A finished beam has one extension, at no cost: the stop token, or any token if there is none.
        if stop is not None or bool(self.done.any()):
            ended = torch.full_like(log_probability[:1, :1], -torch.inf)
            ended[..., stop or 0] = 0
            log_probability = torch.where(self.done.unsqueeze(-1), ended, log_probability)
        total = self.scores.unsqueeze(-1) + log_probability
        lengths = self.lengths + ~self.done
        best = (total / _length_penalty(lengths, penalty).unsqueeze(-1)).flatten(1).topk(self.scores.shape[1]).indices
        parent, token = best // vocabulary, best % vocabulary
        past = self.tokens.gather(1, parent.unsqueeze(-1).expand(-1, -1, self.tokens.shape[2]))
        lengths = lengths.gather(1, parent)
        done = self.done.gather(1, parent) | (lengths >= limits)
        grown = _Beams(
            tokens=torch.cat((past, token.unsqueeze(-1)), dim=-1),
            lengths=lengths,
            scores=total.flatten(1).gather(1, best),
            done=done if stop is None else done | (token == stop),
        )
        return grown, parent

    def best(self, penalty: float) -> Hypotheses:
        winner = (self.scores / _length_penalty(self.lengths, penalty)).argmax(1, keepdim=True)
        lengths = self.lengths.gather(1, winner).squeeze(1)
        tokens = self.tokens.gather(1, winner.unsqueeze(-1).expand(-1, -1, self.tokens.shape[2])).squeeze(1)
        return Hypotheses(tokens[:, : int(lengths.max())], lengths, self.scores.gather(1, winner).squeeze(1))


def _length_penalty(lengths: Tensor, exponent: float) -> Tensor:
    return ((5.0 + lengths) / 6.0) ** exponent
