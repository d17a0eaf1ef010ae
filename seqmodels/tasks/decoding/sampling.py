"""Sampling from language models, token by token with a carried state.

B rows, P tokens of a prompt.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from seqmodels.heads.decoding.search import sampler
from seqmodels.model import SequenceModel, evaluating
from seqmodels.spec import Spec


@torch.no_grad()
def stream(
    model: SequenceModel,
    prompt_tokens: Tensor,
    steps: int,
    temperature: float | None = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    generator: torch.Generator | None = None,
    kmer: int = 1,
) -> Iterator[Tensor]:
    """Yield the sampled tokens ``(B,)`` that continue a prompt, one step at a time.

    The prompt is read once, and each later step takes constant time. The model is in evaluation mode
    meanwhile.

    Args:
        prompt_tokens: int64 ``(B, P)`` with at least one token.
        temperature, top_k, top_p, generator: see `seqmodels.heads.decoding.search.sampler`.
        kmer: number of tokens, the newest and those before it, joined to one input: see `join`.

    Raises:
        ValueError: a model that cannot carry a state, an empty prompt, or an option out of range.
    """
    if not model.carries:
        raise ValueError("model cannot be sampled from: it is bidirectional, so it would have to read the future")
    if prompt_tokens.dim() != 2 or prompt_tokens.shape[1] == 0:
        raise ValueError(f"prompt_tokens must be (batch, steps) with a step at least, got {tuple(prompt_tokens.shape)}")
    pick = sampler(temperature, top_k, top_p, generator)
    with evaluating(model):
        size = model.head.output_size if kmer > 1 else 1
        inputs, state = (
            join(prompt_tokens, kmer, size),
            model.initial_state(len(prompt_tokens), next(model.parameters())),
        )
        for _ in range(steps):
            prediction, state = model(inputs, state)
            tokens = pick(prediction[:, -1])
            yield tokens
            inputs = tokens.unsqueeze(1) if kmer == 1 else (inputs[:, -1:] * size + tokens.unsqueeze(1)) % size**kmer


def sample(
    model: SequenceModel,
    prompt_tokens: Tensor,
    steps: int,
    temperature: float | None = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    generator: torch.Generator | None = None,
    kmer: int = 1,
) -> Tensor:
    """Return sampled tokens ``(steps,)`` after a prompt ``(P,)``, or ``(B, steps)`` after ``(B, P)``.

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
    drawn = list(stream(model, rows, steps, temperature, top_k, top_p, generator, kmer))
    tokens = torch.stack(drawn, dim=1) if drawn else rows[:, :0]
    return tokens if prompt_tokens.dim() == 2 else tokens[0]


def join(tokens: Tensor, kmer: int, size: int) -> Tensor:
    """Encode each of the tokens ``(B, P)`` and those before it, `kmer` in all, as one number in base `size`.

    The vocabulary's last token is used as padding before the first.

    >>> join(torch.tensor([[0, 1, 2]]), kmer=2, size=5).tolist()
    [[20, 1, 7]]
    """
    if kmer == 1:
        return tokens
    padded = torch.cat((tokens.new_full((len(tokens), kmer - 1), size - 1), tokens), dim=1)
    return padded.unfold(1, kmer, 1) @ size ** torch.arange(kmer - 1, -1, -1, device=tokens.device)


def kmer_of(spec: Spec) -> int:
    """Return the number of tokens that the data join into one input, 1 by default."""
    return 1 if spec.text is None else spec.text.kmer
