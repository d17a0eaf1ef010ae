"""Connectionist temporal classification (CTC): head and decoding.

B rows, T steps, F features, S target steps, V tokens including the blank, which is the last; K beams.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from seqmodels.batch import step_mask
from seqmodels.heads.base import LinearHead
from seqmodels.heads.decoding.search import Hypotheses
from seqmodels.kinds import Share, at_least_one
from seqmodels.registry import register


@register("head", "ctc")
class CTC(LinearHead):
    """Linear layer at every step, over tokens and the blank.

    A path assigns a token or the blank to each step; merging repeated tokens and removing blanks collapses it to a
    sequence. The probability of a sequence is the sum over its paths:

        p(y | x) = sum over paths that collapse to y of prod_t p_t(path_t)

    >>> head = CTC(4, 3)
    >>> head(torch.zeros(2, 5, 4)).shape
    torch.Size([2, 5, 3])
    >>> collapse(torch.tensor([[0, 0, 2, 0, 1, 2]]), torch.tensor([6]), blank=2)
    (tensor([[0, 0, 1]]), tensor([3]))

    Source: Graves et al. 2006, "Connectionist temporal classification", section 3.

    Args:
        output_size: V, including the blank, which is the last.
        dropout: dropout probability on the features.
    """

    target_shape = "own"
    unaligned = True

    def __init__(self, input_size: int, output_size: int, dropout: Share = 0.0) -> None:
        super().__init__(input_size, output_size, dropout)
        self.blank = output_size - 1

    @torch.no_grad()
    def generate(self, features: Tensor, lengths: Tensor | None = None, beam: int = 1) -> tuple[Tensor, Tensor]:
        """Return the decoded tokens ``(B, S)``, padded with blanks, and their lengths ``(B,)``.

        Args:
            features, lengths: as in `forward`.
            beam: beam width; 1 for best-path decoding, above for prefix beam search.
        """
        logits = self(features, lengths)
        if lengths is None:
            lengths = torch.full((len(logits),), logits.shape[1], device=logits.device)
        if at_least_one.check("beam", beam) == 1:
            return collapse(logits.argmax(-1), lengths, self.blank)
        return prefix_search(logits, lengths, beam)[:2]


def collapse(path: Tensor, lengths: Tensor, blank: int) -> tuple[Tensor, Tensor]:
    """Collapse paths ``(B, T)`` to tokens ``(B, S)``, padded with blanks, and lengths ``(B,)``."""
    before = torch.cat((torch.full_like(path[:, :1], blank), path[:, :-1]), dim=1)
    kept = (path != blank) & (path != before) & step_mask(lengths, path.shape[1])
    counts = kept.sum(1)
    width = max(1, int(counts.max()))
    order = kept.to(torch.int8).sort(dim=1, descending=True, stable=True).indices[:, :width]
    tokens = path.gather(1, order).masked_fill(~step_mask(counts, width), blank)
    return tokens, counts


@torch.no_grad()
def prefix_search(logits: Tensor, lengths: Tensor, beam: int) -> Hypotheses:
    """Return the most probable sequences by prefix beam search.

    Each prefix l keeps two probabilities, of its paths that end in the blank and of the others:

        pb_t(l)  = p_t(blank) (pb_t-1(l) + pn_t-1(l))
        pn_t(l)  = p_t(last of l) pn_t-1(l) + p_t(c) (pb_t-1(m) + [c != last of m] pn_t-1(m))    for l = m, c

    With as many beams as sequences the search is exact. Source: Hannun et al. 2014, "First-pass large vocabulary
    continuous speech recognition using bi-directional recurrent DNNs", algorithm 1 (without a language model); Graves
    et al. 2006, section 3.2.

    Args:
        logits: ``(B, T, V)``, the blank last.
        lengths: int64 ``(B,)``.
    """
    log_probability = logits.double().log_softmax(-1)
    beams = _Prefixes.start(len(logits), beam, logits.shape[2] - 1, logits.device)
    for t in range(logits.shape[1]):
        grown = beams.grow(log_probability[:, t])
        beams = grown if bool((t < lengths).all()) else beams.where(t < lengths, grown)
    return beams.best()


class _Prefixes(NamedTuple):
    """K prefixes per row: tokens ``(B, K, S)``, padded with blanks; other fields ``(B, K)``."""

    tokens: Tensor
    lengths: Tensor
    ends_blank: Tensor
    ends_token: Tensor
    blank: int

    @classmethod
    def start(cls, rows: int, beam: int, blank: int, device: torch.device) -> _Prefixes:
        never = torch.full((rows, beam), -torch.inf, device=device, dtype=torch.float64)
        only_empty = never.clone()
        only_empty[:, 0] = 0
        lengths = torch.zeros(rows, beam, dtype=torch.long, device=device)
        return cls(torch.full((rows, beam, 1), blank, device=device), lengths, only_empty, never, blank)

    @property
    def score(self) -> Tensor:
        return torch.logaddexp(self.ends_blank, self.ends_token)

    def grow(self, p: Tensor) -> _Prefixes:
        """Extend the prefixes by one step with log-probabilities `p` ``(B, V)``."""
        beam, score = self.score.shape[1], self.score
        last = self.tokens.gather(2, (self.lengths - 1).clamp(min=0).unsqueeze(2)).squeeze(2)
        token_p = p[:, None, :-1].expand(-1, beam, -1)
        grown = score.unsqueeze(2) + token_p
        same = torch.arange(self.blank, device=p.device) == last.unsqueeze(2)
        grown = torch.where(same, self.ends_blank.unsqueeze(2) + token_p, grown)
        stay_blank = score + p[:, -1:]
        stay_token = self.ends_token + p.gather(1, last)  # -inf for the empty prefix
        stay_token, grown = self._merge(stay_token, grown, last)
        stay = torch.logaddexp(stay_blank, stay_token)
        best = torch.cat((stay, grown.flatten(1)), dim=1).topk(beam, dim=1)
        stays = best.indices < beam
        parent = torch.where(stays, best.indices, (best.indices - beam) // self.blank)
        token = torch.where(stays, self.blank, (best.indices - beam) % self.blank)
        return _Prefixes(
            *self._extended(parent, token, stays),
            stay_blank.gather(1, parent).masked_fill(~stays, -torch.inf),
            torch.where(stays, stay_token.gather(1, parent), best.values),
            self.blank,
        )

    def _merge(self, stay: Tensor, grown: Tensor, last: Tensor) -> tuple[Tensor, Tensor]:
        """Add the probability of an extended prefix to an equal one that is already among the K."""
        alive = self.score > -torch.inf
        i, j = self.tokens.unsqueeze(2), self.tokens.unsqueeze(1)
        steps = torch.arange(self.tokens.shape[2], device=last.device)
        begins = ((i == j) | (steps >= self.lengths[:, :, None, None])).all(3)
        parent = begins & (self.lengths.unsqueeze(2) + 1 == self.lengths.unsqueeze(1))
        parent &= alive.unsqueeze(2) & alive.unsqueeze(1)
        has, which = parent.any(1), parent.int().argmax(1)
        place = which * self.blank + last.clamp(max=self.blank - 1)
        flat = grown.flatten(1)
        merged = torch.where(has, torch.logaddexp(stay, flat.gather(1, place)), stay)
        spare = torch.cat((flat, flat[:, :1]), dim=1)  # last column: prefixes without a parent
        spare = spare.scatter(1, torch.where(has, place, flat.shape[1]), -torch.inf)
        return merged, spare[:, :-1].view_as(grown)

    def _extended(self, parent: Tensor, token: Tensor, stays: Tensor) -> tuple[Tensor, Tensor]:
        lengths = self.lengths.gather(1, parent)
        tokens = self.tokens.gather(1, parent.unsqueeze(2).expand(-1, -1, self.tokens.shape[2]))
        if bool((lengths + ~stays > tokens.shape[2]).any()):
            tokens = torch.cat((tokens, torch.full_like(tokens, self.blank)), dim=2)
        place = lengths.clamp(max=tokens.shape[2] - 1).unsqueeze(2)
        kept = torch.where(stays, tokens.gather(2, place).squeeze(2), token)
        return tokens.scatter(2, place, kept.unsqueeze(2)), lengths + ~stays

    def where(self, rows: Tensor, grown: _Prefixes) -> _Prefixes:
        """Return `grown` for the selected rows and these prefixes for the others."""
        wider = grown.tokens.shape[2] - self.tokens.shape[2]
        own = nn.functional.pad(self.tokens, (0, wider), value=self.blank)
        on = rows[:, None]
        return _Prefixes(
            torch.where(on.unsqueeze(2), grown.tokens, own),
            torch.where(on, grown.lengths, self.lengths),
            torch.where(on, grown.ends_blank, self.ends_blank),
            torch.where(on, grown.ends_token, self.ends_token),
            self.blank,
        )

    def best(self) -> Hypotheses:
        score, winner = self.score.max(1, keepdim=True)
        lengths = self.lengths.gather(1, winner).squeeze(1)
        tokens = self.tokens.gather(1, winner.unsqueeze(2).expand(-1, -1, self.tokens.shape[2])).squeeze(1)
        return Hypotheses(tokens[:, : max(1, int(lengths.max()))], lengths, score.squeeze(1))
