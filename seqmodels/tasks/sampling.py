"""Text from a language model, token by token, with the state carried along.

B rows, P tokens of a prompt.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from seqmodels.heads.search import sampler
from seqmodels.model import SequenceModel


@torch.no_grad()
def stream(
    model: SequenceModel,
    prompt_tokens: Tensor,
    steps: int,
    temperature: float | None = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    generator: torch.Generator | None = None,
) -> Iterator[Tensor]:
    """Yield the tokens ``(B,)`` that follow a prompt, one step at a time, as they are drawn.

    The prompt is read once; each step after it costs the same, however long the text grows.
    While it runs the model is in evaluation mode.

    Args:
        model: reads tokens forwards and predicts the next at each step.
        prompt_tokens: int64 ``(B, P)`` with at least one token.
        steps: how many tokens to draw.
        temperature, top_k, top_p, generator: see `seqmodels.heads.search.sampler`.

    Raises:
        ValueError: a model that cannot carry a state, an empty prompt, or an option out of range.
    """
    if not model.carries:
        raise ValueError("model cannot be sampled from: it is bidirectional, so it would have to read the future")
    if prompt_tokens.dim() != 2 or prompt_tokens.shape[1] == 0:
        raise ValueError(f"prompt_tokens must be (batch, steps) with a step at least, got {tuple(prompt_tokens.shape)}")
    pick = sampler(temperature, top_k, top_p, generator)
    training = model.training
    model.eval()
    try:
        inputs, state = prompt_tokens, model.initial_state(len(prompt_tokens), next(model.parameters()))
        for _ in range(steps):
            prediction, state = model(inputs, state)
            tokens = pick(prediction[:, -1])
            yield tokens
            inputs = tokens.unsqueeze(1)
    finally:
        model.train(training)


def sample(
    model: SequenceModel,
    prompt_tokens: Tensor,
    steps: int,
    temperature: float | None = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """The tokens ``(steps,)`` that follow a prompt ``(P,)``, or ``(B, steps)`` after ``(B, P)``.

    >>> import torch
    >>> from seqmodels.cells import GRUCell
    >>> from seqmodels.heads import ManyToMany
    >>> from seqmodels.layers import Recurrent
    >>> from seqmodels.model import SequenceModel, TokenEncoder
    >>> model = SequenceModel(TokenEncoder(5, 4), Recurrent(GRUCell(4, 8)), ManyToMany(8, 5))
    >>> sample(model, torch.tensor([1, 2]), steps=7, top_k=3).shape
    torch.Size([7])

    Arguments and errors as for `stream`.
    """
    rows = prompt_tokens if prompt_tokens.dim() == 2 else prompt_tokens.unsqueeze(0)
    drawn = list(stream(model, rows, steps, temperature, top_k, top_p, generator))
    tokens = torch.stack(drawn, dim=1) if drawn else rows[:, :0]
    return tokens if prompt_tokens.dim() == 2 else tokens[0]
