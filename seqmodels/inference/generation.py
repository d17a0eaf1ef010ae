"""Generation of texts and drawings by a trained model."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch

from seqmodels.inference.trained import Trained

# Defaults of `Model.generate`.
LENGTH, TEMPERATURE = 400, 0.8
# Tokens per piece of a streamed text.
PIECE = 16


class Sampling(NamedTuple):
    """Sampling options, in the order of the arguments of the functions that sample."""

    length: int
    temperature: float | None
    top_k: int | None
    top_p: float | None
    generator: torch.Generator | None


def sampling(
    length: int, temperature: float | None, top_k: int | None, top_p: float | None, seed: int | None, beam: int
) -> Sampling:
    """Resolve the arguments of `Model.generate`: temperature 0 ignores the rest, a beam ignores the temperature."""
    if length < 1:
        raise ValueError(f"length must be at least 1, got {length}")
    if beam > 1:
        temperature = None
    elif not temperature:
        temperature = top_k = top_p = None
    generator = None if seed is None or temperature is None else torch.Generator().manual_seed(seed)
    return Sampling(length, temperature, top_k, top_p, generator)


def refuse_other(trained: Trained) -> None:
    """Refuse a model that does not generate tokens."""
    if hasattr(trained.task, "sketch"):
        raise ValueError("this model draws: call draw, or name a picture: seqmodels generate --output strokes.png")
    if trained.spec.targets != "tokens":
        raise ValueError(f"this model predicts {trained.spec.targets}, not tokens: there is nothing to generate")
    if trained.task.unaligned:
        raise ValueError("this model hears tokens in what it is given: use transcribe or predict")


def continued(trained: Trained, prompt: str, options: Sampling) -> Iterator[str]:
    """Yield a prompt and its continuation by a language model, piece by piece."""
    from seqmodels.data.encode.prompts import line_end
    from seqmodels.data.encode.vocabulary import decode_pieces
    from seqmodels.tasks.decoding.sampling import kmer_of, stream

    given = trained.encode(prompt) if prompt else torch.tensor([line_end(trained.spec)])
    drawn = map(int, stream(trained.model, given.unsqueeze(0), *options, kmer_of(trained.spec)))
    new = iter(lambda: list(itertools.islice(drawn, PIECE)), [])
    return decode_pieces(itertools.chain([given.tolist() if prompt else []], new), trained.spec)


def unrolled(trained: Trained, prompt: str, options: Sampling, beam: int) -> str:
    """Return the sequence that a sequence generator makes from a prompt."""
    with torch.inference_mode():
        features, _ = trained.model.features(trained.encode(prompt).unsqueeze(0))
        head: Any = trained.model.head
        tokens = head.generate(features, None, *options, beam=beam)[0][0].tolist()
    if trained.spec.pairs is not None:
        from seqmodels.tasks.decoding.texts import target_text

        return target_text(trained.spec, [token for token in tokens if token != trained.spec.stop])
    from seqmodels.data.encode.vocabulary import decode

    return decode(tokens, trained.spec)


def drawings(
    trained: Trained, label: str, count: int, temperature: float | None, seed: int | None
) -> list[list[list[list[float]]]]:
    """Return new drawings, see `Model.draw`."""
    from seqmodels.data.encode.prompts import known_inputs

    task: Any = trained.task
    if not hasattr(task, "sketch"):
        raise ValueError("this model makes no pen strokes: there is nothing to draw")
    names = trained.spec.input_names
    if label and label not in names:
        raise ValueError(f"prompt must be {known_inputs(label, trained.spec)}, got {label!r}")
    generator = torch.Generator()
    if seed is not None:
        generator.manual_seed(seed)
    else:
        generator.seed()
    chosen = names.index(label) if label else 0
    drawn: list[Any] = task.sketch(trained.model, chosen, count, temperature or task.temperature, generator)
    return drawn
