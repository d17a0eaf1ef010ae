"""Base class of the autoregressive decoder heads `one_to_many` and `encoder_decoder`.

B rows, T steps, F features, S target steps, V tokens or values, H units of the decoder.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from seqmodels.cells.product import Linear
from seqmodels.heads.attention import DecoderAttention
from seqmodels.heads.base import Head, last_step
from seqmodels.heads.decoding.bridge import Bridge, Size, Sizes, make_layers
from seqmodels.heads.decoding.feed import TokenFeed, ValueFeed
from seqmodels.heads.decoding.schedule import Schedule, check_schedule, teacher_probability
from seqmodels.heads.decoding.search import Hypotheses, beam_search, cut_at_stop, sampler, unroll
from seqmodels.kinds import Share, at_least_one, share, whole
from seqmodels.state import State, select, where

DEFAULT_CELL: Mapping[str, Any] = {"name": "lstm"}


class Memory(NamedTuple):
    """Inputs that a decoder reads at every step, batch first.

    Fields:
        condition: features ``(B, F)`` at the last valid step.
        attended: ``(keys, features, valid)`` for attention, else empty.
    """

    condition: Tensor
    attended: tuple[Tensor, ...]


class DecoderHead(Head):
    """Autoregressive decoder: cells of its own, fed with the previous item.

        s_0 = tanh(W_b m + b_b)                        m: the features at the last valid step
        y_s, s_s = cells([e(v_(s-1)); m], s_(s-1))     m is an input only with feed=True
        prediction_s = W_o attention(y_s) + b_o

    v_0 is a start token or a learned vector, and v_s the teacher's item or the head's own. Training uses the teacher's
    with probability `teacher_forcing`, drawn per row and step; evaluation always uses the teacher's for tokens (the
    loss is the targets' likelihood) and the head's for values (a forecast must not see the truth).

    Sources: Sutskever et al. 2014 (state); Cho et al. 2014, section 2.2 (feed); Bengio et al. 2015 (scheduled
    sampling).

    Args:
        targets: "tokens" or "values".
        stop: token that ends a sequence, if any.
        cell: `name` and options of the decoder's cell.
        hidden_sizes: H of each decoder layer.
        embedding_size: width of the embedded tokens or values.
        feed: whether the features m are also an input of every step.
        attention: None, "additive" or "dot": attention of each step over all features.
        dropout: dropout probability between layers and after the last.
        max_steps: default number of steps to unroll.
        teacher_schedule: "constant", "linear", "exponential" or "inverse_sigmoid".
        teacher_start: teacher-forcing probability at the start of training.
        teacher_end: teacher-forcing probability at the end of training; None for "constant".

    Attributes:
        teacher_forcing: current teacher-forcing probability, set by `set_progress`.

    Raises:
        ValueError: an option out of range, or a decoder that cannot see the features.
    """

    target_shape = "own"

    def __init__(
        self,
        input_size: int,
        output_size: int,
        targets: str = "tokens",
        stop: int | None = None,
        cell: Mapping[str, Any] = DEFAULT_CELL,
        hidden_sizes: Sizes = (128,),
        embedding_size: Size = 64,
        feed: bool = True,
        attention: Literal["additive", "dot"] | None = None,
        dropout: Share = 0.0,
        max_steps: Annotated[int, whole(1, 1_000_000)] = 100,
        teacher_schedule: Schedule = "constant",
        teacher_start: Annotated[float, share] = 1.0,
        teacher_end: Annotated[float, share] | None = None,
    ) -> None:
        super().__init__(input_size, output_size)
        _check_targets(targets, stop, output_size)
        check_schedule(teacher_schedule, teacher_start, teacher_end)
        self.targets = targets
        self.stop = stop
        self.feed = feed
        self.max_steps = max_steps
        self.teacher_schedule = (teacher_schedule, teacher_start, teacher_end)
        self.teacher_forcing = teacher_start
        self.items = (TokenFeed if targets == "tokens" else ValueFeed)(output_size, embedding_size)
        self.layers = make_layers(embedding_size + (input_size if feed else 0), cell, hidden_sizes, dropout)
        self.bridge = Bridge(input_size, self.layers)
        size = self.layers.output_size
        self.attention = None if attention is None else DecoderAttention(attention, size, input_size)
        self.dropout = nn.Dropout(dropout)
        self.output = Linear(size, output_size)
        if self.bridge.empty and self.attention is None and not feed:
            raise ValueError(f"feed must be true for the cell {cell['name']!r}, which has no state to start from")

    @property
    def truth_in_evaluation(self) -> bool:
        """Whether evaluation uses teacher forcing, so that the loss is the targets' likelihood."""
        return self.targets == "tokens"

    def set_progress(self, fraction: float) -> None:
        """Update `teacher_forcing` by its schedule.

        Args:
            fraction: fraction of training done; above 1 counts as 1.
        """
        if not fraction >= 0:
            raise ValueError(f"fraction must be at least 0, got {fraction!r}")
        self.teacher_forcing = teacher_probability(*self.teacher_schedule, min(fraction, 1.0))

    def forward(self, features: Tensor, lengths: Tensor | None = None, teacher: Tensor | None = None) -> Tensor:
        """Return logits or values ``(B, S, V)``.

        Args:
            teacher: targets, tokens ``(B, S)`` or values ``(B, S, V)``; step s sees only the items before s. None
                decodes `max_steps` steps from the head's own output.
        """
        memory, state = self._begin(features, lengths)
        rows = len(features)
        if teacher is None:
            return self._free(memory, state, self.max_steps)
        teacher = self.items.clean(teacher, rows)
        steps = teacher.shape[1]
        truth = self.teacher_forcing if self.training else float(self.truth_in_evaluation)
        if truth == 1:
            return self._forced(memory, state, teacher)[0]
        if truth == 0:
            return self._free(memory, state, steps)
        coin = torch.rand(rows, steps, device=features.device) < truth
        return self._free(memory, state, steps, coin, teacher)

    def generate(
        self,
        features: Tensor,
        lengths: Tensor | None = None,
        max_steps: int | Tensor | None = None,
        temperature: float | None = None,
        top_k: int | None = None,
        top_p: float | None = None,
        generator: torch.Generator | None = None,
        beam: int = 1,
        length_penalty: float = 0.0,
    ) -> tuple[Tensor, Tensor] | Tensor:
        """Decode from the head's own output; call `eval()` first to disable dropout.

        Args:
            features, lengths: as for `forward`.
            max_steps: maximum length, one number or, for tokens, one per row ``(B,)``; None for the head's own.
            temperature, top_k, top_p, generator: as for `seqmodels.heads.decoding.search.sampler`.
            beam, length_penalty: as for `beam`, used if the beam is above 1.

        Returns:
            Tokens ``(B, S)``, filled with `stop` after a row's end, and lengths ``(B,)``, stop token
            included; or values ``(B, S, V)``.
        """
        limits = max_steps if isinstance(max_steps, Tensor) else None
        steps = self._steps(max_steps)
        sampling = any(option is not None for option in (temperature, top_k, top_p, generator))
        if self.targets == "values":
            if sampling or beam != 1:
                raise ValueError("temperature, top_k, top_p, generator and beam are for tokens; this head gives values")
            with torch.no_grad():
                return self._free(*self._begin(features, lengths), steps)
        if beam != 1:
            if sampling:
                raise ValueError("a beam is not sampled: give either beam or temperature, top_k, top_p, generator")
            return self.beam(features, lengths, max_steps, beam, length_penalty)[:2]
        pick = sampler(temperature, top_k, top_p, generator)
        with torch.no_grad():
            memory, state = self._begin(features, lengths)
            first = self.items.start(len(features))
            walk = unroll(partial(self._step, memory), first, state, steps, lambda logits, t: pick(logits), self.stop)
            return cut_at_stop(torch.stack([tokens for _, tokens, _ in walk], dim=1), self.stop, limits)

    def _steps(self, max_steps: int | Tensor | None) -> int:
        """Return the maximum number of steps over all rows."""
        if isinstance(max_steps, Tensor):
            return at_least_one.check("max_steps", int(max_steps.max()))
        return self.max_steps if max_steps is None else at_least_one.check("max_steps", max_steps)

    @torch.no_grad()
    def beam(
        self,
        features: Tensor,
        lengths: Tensor | None = None,
        max_steps: int | Tensor | None = None,
        beam: int = 4,
        length_penalty: float = 0.0,
    ) -> Hypotheses:
        """Return the best sequences by `seqmodels.heads.decoding.search.beam_search`, with their log-probabilities."""
        if self.targets == "values":
            raise ValueError("beam search is for tokens; this head gives values")
        begun = self._begin(features, lengths)
        rows = torch.arange(len(features), device=features.device).repeat_interleave(at_least_one.check("beam", beam))
        memory, state = select(begun, rows)
        first = self.items.start(len(rows))
        steps = max_steps if isinstance(max_steps, Tensor) else self._steps(max_steps)
        return beam_search(partial(self._step, memory), first, state, steps, beam, self.stop, length_penalty)

    def attention_weights(self, features: Tensor, lengths: Tensor | None, teacher: Tensor) -> Tensor:
        """Return the attention weights of each target step over the features, ``(B, S, T)``.

        Args:
            features, lengths: as for `forward`.
            teacher: the items fed: targets, or the output of `generate`.

        Raises:
            ValueError: a head without attention.
        """
        memory, state = self._begin(features, lengths)
        weights = self._forced(memory, state, self.items.clean(teacher, len(features)))[1]
        if weights is None:
            raise ValueError("this head has no attention: build it with attention='additive' or 'dot'")
        return weights

    def _begin(self, features: Tensor, lengths: Tensor | None) -> tuple[Memory, State]:
        features, valid = self.prepare(features, lengths)
        condition = last_step(features, valid)
        state = self.bridge(condition)
        if self.attention is None:
            return Memory(condition, ()), state
        return Memory(condition, (self.attention.key(features), features, valid)), state

    def _decode(self, memory: Memory, items: Tensor, state: State) -> tuple[Tensor, State, Tensor | None]:
        """Return S predictions from the items fed at S steps, ``(B, S)`` or ``(B, S, V)``."""
        inputs = self.items(items)
        if self.feed:
            condition = memory.condition.unsqueeze(1).expand(-1, inputs.shape[1], -1)
            inputs = torch.cat((inputs, condition), dim=-1)
        outputs, state = self.layers(inputs, state)
        weights = None
        if self.attention is not None:
            outputs, weights = self.attention(outputs, *memory.attended)
        return self.output(self.dropout(outputs)), state, weights

    def _forced(self, memory: Memory, state: State, teacher: Tensor) -> tuple[Tensor, Tensor | None]:
        """Decode all steps at once with teacher forcing."""
        first = self.items.start(len(teacher)).unsqueeze(1)
        prediction, _, weights = self._decode(memory, torch.cat((first, teacher[:, :-1]), dim=1), state)
        return prediction, weights

    def _step(self, memory: Memory, items: Tensor, state: State) -> tuple[Tensor, State]:
        prediction, state, _ = self._decode(memory, items.unsqueeze(1), state)
        return prediction.squeeze(1), state

    def _free(
        self, memory: Memory, state: State, steps: int, coin: Tensor | None = None, teacher: Tensor | None = None
    ) -> Tensor:
        """Decode step by step from the head's own items, or the teacher's where `coin` is true."""

        def choose(prediction: Tensor, t: int) -> Tensor:
            own = self.items.own(prediction)
            return own if coin is None or teacher is None else where(coin[:, t], teacher[:, t], own)

        first = self.items.start(len(memory.condition))
        walk = unroll(partial(self._step, memory), first, state, steps, choose)
        return torch.stack([prediction for prediction, _, _ in walk], dim=1)


def _check_targets(targets: str, stop: int | None, output_size: int) -> None:
    if targets not in ("tokens", "values"):
        raise ValueError(f"targets must be 'tokens' or 'values', got {targets!r}")
    if stop is not None and targets == "values":
        raise ValueError(f"stop is a token, and this head gives values: leave stop out, got {stop!r}")
    if stop is not None and not 0 <= stop < output_size:
        raise ValueError(f"stop must be a token from 0 to {output_size - 1}, got {stop!r}")
