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


class Generation(Trained):
    """Texts and drawings of a trained model."""

    def generate(
        self,
        prompt: str = "",
        length: int = LENGTH,
        temperature: float | None = TEMPERATURE,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int | None = None,
        beam: int = 1,
    ) -> str:
        """Generate text: the continuation of a prompt, or the output of a sequence generator for it.

        Args:
            prompt: start of the text; for a sequence generator its whole input, such as the name of a class. Empty:
                start from a line end (without one, from the vocabulary's first token).
            length: maximum number of tokens.
            temperature: below 1 likelier, above 1 more random; 0 or None for the likeliest token at every step,
                ignoring top_k, top_p and seed.
            top_k, top_p: sample from the k likeliest tokens, or from the likeliest with this total probability.
            seed: of the random generator; the same seed gives the same text.
            beam: above 1, beam search of this width instead of sampling; sequence generators only.

        Raises:
            ValueError: a model that does not generate tokens, a prompt outside its vocabulary, or an option out of
                range.
        """
        return "".join(self.generate_pieces(prompt, length, temperature, top_k, top_p, seed, beam))

    def generate_pieces(
        self,
        prompt: str = "",
        length: int = LENGTH,
        temperature: float | None = TEMPERATURE,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int | None = None,
        beam: int = 1,
    ) -> Iterator[str]:
        """Yield the text of `generate` in pieces as it is made, for long texts."""
        self._refuse_other()
        options = sampling(length, temperature, top_k, top_p, seed, beam)
        if self.spec.target_shape != "step":
            return iter([self._unrolled(prompt, options, beam)])
        if beam > 1:
            raise ValueError("beam search is for sequence generators; a language model draws: set beam=1")
        return self._continued(prompt, options)

    def draw(
        self, label: str = "", count: int = 16, temperature: float | None = None, seed: int | None = None
    ) -> list[list[list[list[float]]]]:
        """Generate drawings; each is a list of strokes, each stroke a list of points [x, y], y downwards.

        Args:
            label: what to draw; empty for the first label of the training data.
            count: number of drawings.
            temperature: 1 samples the model's distribution, less is neater; None for the task's default.
            seed: of the random generator; the same seed gives the same drawings.

        Raises:
            ValueError: a model that does not draw, or an unknown label.
        """
        from seqmodels.data.encode.prompts import known_inputs

        task: Any = self.task
        if not hasattr(task, "sketch"):
            raise ValueError("this model makes no pen strokes: there is nothing to draw")
        names = self.spec.input_names
        if label and label not in names:
            raise ValueError(f"prompt must be {known_inputs(label, self.spec)}, got {label!r}")
        generator = torch.Generator()
        if seed is not None:
            generator.manual_seed(seed)
        else:
            generator.seed()
        chosen = names.index(label) if label else 0
        drawn: list[Any] = task.sketch(self.model, chosen, count, temperature or task.temperature, generator)
        return drawn

    def _refuse_other(self) -> None:
        """Refuse a model that does not generate tokens."""
        if hasattr(self.task, "sketch"):
            raise ValueError("this model draws: call draw, or name a picture: seqmodels generate --output strokes.png")
        if self.spec.targets != "tokens":
            raise ValueError(f"this model predicts {self.spec.targets}, not tokens: there is nothing to generate")
        if self.task.unaligned:
            raise ValueError("this model hears tokens in what it is given: use transcribe or predict")

    def _continued(self, prompt: str, options: Sampling) -> Iterator[str]:
        """Yield a prompt and its continuation by a language model, piece by piece."""
        from seqmodels.data.encode.prompts import line_end
        from seqmodels.data.encode.vocabulary import decode_pieces
        from seqmodels.tasks.decoding.sampling import kmer_of, stream

        given = self.encode(prompt) if prompt else torch.tensor([line_end(self.spec)])
        drawn = map(int, stream(self.model, given.unsqueeze(0), *options, kmer_of(self.spec)))
        new = iter(lambda: list(itertools.islice(drawn, PIECE)), [])
        return decode_pieces(itertools.chain([given.tolist() if prompt else []], new), self.spec)

    def _unrolled(self, prompt: str, options: Sampling, beam: int) -> str:
        """Return the sequence that a sequence generator makes from a prompt."""
        with torch.inference_mode():
            features, _ = self.model.features(self.encode(prompt).unsqueeze(0))
            head: Any = self.model.head
            tokens = head.generate(features, None, *options, beam=beam)[0][0].tolist()
        if self.spec.pairs is not None:
            from seqmodels.tasks.decoding.texts import target_text

            return target_text(self.spec, [token for token in tokens if token != self.spec.stop])
        from seqmodels.data.encode.vocabulary import decode

        return decode(tokens, self.spec)
