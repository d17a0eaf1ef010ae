"""A trained model as one object, with a method for each use of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from seqmodels.batch import BatchSpec
from seqmodels.build import build_task, open_data
from seqmodels.heads.base import check_size
from seqmodels.inference.forecasting import forecast, series_ahead
from seqmodels.inference.generation import (
    LENGTH,
    TEMPERATURE,
    continued,
    drawings,
    refuse_other,
    sampling,
    unrolled,
)
from seqmodels.inference.predictions import predictions
from seqmodels.inference.streaming import decisions
from seqmodels.inference.translation import encode as encode_source
from seqmodels.inference.translation import translate
from seqmodels.model import SequenceModel

if TYPE_CHECKING:
    from seqmodels.data.dataset import SequenceDataset
    from seqmodels.data.series.ahead import SeriesAhead
    from seqmodels.tasks.base import Task


@dataclass(frozen=True, repr=False)
class Model:
    """A trained model and all that is needed to use it, as `load` returns it.

    Attributes:
        model: in evaluation mode; an ordinary `torch.nn.Module`.
        task: decodes its predictions.
        spec: what its inputs and targets are.
        config: the resolved config that it was trained with.
    """

    model: SequenceModel
    task: Task
    spec: BatchSpec
    config: dict[str, Any]

    def __repr__(self) -> str:
        parts = (self.config["data"]["name"], self.config["task"]["name"], self.config["model"]["head"]["name"])
        size = sum(parameter.numel() for parameter in self.model.parameters())
        return f"Model(data={parts[0]}, task={parts[1]}, head={parts[2]}, {size:,} parameters)"

    @classmethod
    def load(
        cls, run: str | Path, plugins: Iterable[str] = (), which: str = "best", changes: Mapping[str, Any] | None = None
    ) -> Model:
        """The same as `seqmodels.load`."""
        from seqmodels.inference.loading import load

        return load(run, plugins, which, changes)

    def predict(
        self, data: str | Path | Sequence[Any], batch_size: int = 64, every: int | None = None, top: int | None = None
    ) -> Iterator[dict[str, Any]]:
        """Predictions for a new file of the kind that the model was trained on, or for sequences, one for each.

        A text, which is one long stream, is read in windows with the state carried, and gives one
        prediction per window. Where the data tell sequences apart, by a column or by their line, a
        prediction begins with that. A sequence generator unrolls freely, up to its stop token.

        Args:
            data: a file, read as the training data was: same columns, vocabulary, classes and scales. Or sequences:
                arrays ``(T, F)`` of numbers in their own units, or texts; see
                `seqmodels.data.sources.in_memory.open_given`.
            batch_size: sequences at a time.
            every: where given, a prediction after every so many steps of each sequence, as if it came in just
                now; for models that read forwards and predict once per sequence.
            top: where given, the probabilities of the so many likeliest classes only, of tags at every step.

        Raises:
            ValueError: what is wrong with the file, or a model that cannot decide early.
        """
        dataset = self._given(data) if not isinstance(data, str | Path) else self.open(data)
        if every is not None:
            yield from decisions(self, dataset, every)
        else:
            yield from predictions(self, dataset, batch_size, top)

    def _given(self, sequences: Sequence[Any]) -> SequenceDataset:
        from seqmodels.data.sources.in_memory import open_given

        return open_given(sequences, self.spec)

    def forecast(self, path: str | Path | None = None, steps: int | None = None) -> Iterator[dict[str, Any]]:
        """What comes after the end of each series of a file, one row per series and step.

        Args:
            path: a file of the kind that the model was trained on; None for the data it was trained on. What is
                known ahead stands in rows after the last target.
            steps: how far; None for the model's horizon. Beyond that the model goes on from its own forecast,
                and what it says of its certainty there is too much.

        Raises:
            ValueError: what is wrong with the file; a model that was not trained on series.
        """
        return forecast(self, self.ahead(path), steps)

    def ahead(self, path: str | Path | None = None) -> SeriesAhead:
        """The series of a file, or of the training data, as `forecast` continues them."""
        return series_ahead(self, path)

    def transcribe(self, path: str | Path, beam: int | None = None) -> Iterator[dict[str, Any]]:
        """What is said in new recordings, one dict each: file, tokens and text.

        A recording is heard as a whole, also by a model of one direction.

        Args:
            path: a recording, a folder of them, or a manifest; or else a file as the training data were.
            beam: beams of the search, 1 for the likeliest path; None for as many as in training.

        Raises:
            ValueError: a model that does not transcribe, or what is wrong with a file.
        """
        if not self.task.unaligned:
            raise ValueError(
                f"this model was trained for {self.config['task']['name']}, not for transcription; use predict"
            )
        task: Any = copy(self.task)
        task.beam = check_size("beam", task.beam if beam is None else beam)
        return replace(self, task=task).predict(path)

    def translate(self, text: str | Sequence[str], beam: int | None = None, length_penalty: float | None = None) -> Any:
        """What a model that was trained on pairs makes of a text, or of each text of a list.

        Args:
            text: one text, or several.
            beam, length_penalty: of the search; None for those of the run (task.beam, task.length_penalty).

        Returns:
            A text, or a list of texts.

        Raises:
            ValueError: another kind of model, an empty text, or an option out of range.
        """
        texts = [text] if isinstance(text, str) else list(text)
        found = translate(self.model, self.searching(beam, length_penalty).task, texts) if texts else iter(())
        made = [row["text"] for row in found]
        return made[0] if isinstance(text, str) else made

    def searching(self, beam: int | None = None, length_penalty: float | None = None) -> Model:
        """The same model, writing with another search: see `translate`."""
        if "source_level" not in (self.spec.options or {}):
            raise ValueError("this model was not trained on pairs of texts (data=pairs): there is nothing to translate")
        changes = {"beam": beam, "length_penalty": length_penalty}
        if beam == 1 and length_penalty is None:
            changes["length_penalty"] = 0.0  # which only a beam reads
        options = {**self.config["task"], **{name: value for name, value in changes.items() if value is not None}}
        return replace(self, task=build_task({**self.config, "task": options}, self.spec))

    def open(self, path: str | Path) -> SequenceDataset:
        """A new file as a data set, encoded as the training data was."""
        return open_data(self.config, self.spec, path)

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
        """New text: what follows a prompt, or what a sequence-generating model makes of it.

        Args:
            prompt: the beginning of a text; for a sequence generator its whole input, such as the
                name of a class. Empty: a line end begins the text (where there is none, the
                vocabulary's first token).
            length: tokens to draw, at most.
            temperature: below 1 likelier, above 1 wilder; 0 or None for always the likeliest, whatever
                top_k, top_p and seed are.
            top_k, top_p: draw among the k likeliest, or the likeliest that make up this probability.
            seed: the same seed, the same text.
            beam: above 1, search this many beams wide instead of drawing; sequence generators only.

        Raises:
            ValueError: a model that does not make tokens, a prompt outside its vocabulary, or an
                option out of range.
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
        """What `generate` gives, in pieces, as it is made: for long texts."""
        refuse_other(self)
        options = sampling(length, temperature, top_k, top_p, seed, beam)
        if self.spec.target_shape != "step":
            return iter([unrolled(self, prompt, options, beam)])
        if beam > 1:
            raise ValueError("beam search is for sequence generators; a language model draws: set beam=1")
        return continued(self, prompt, options)

    def draw(
        self, label: str = "", count: int = 16, temperature: float | None = None, seed: int | None = None
    ) -> list[list[list[list[float]]]]:
        """New drawings, each a list of strokes, each of them a list of points [x, y], y downwards.

        Args:
            label: what to draw; empty for the first label of the training data.
            count: how many.
            temperature: 1 as the model would, less is neater; None for the task's own.
            seed: the same seed, the same drawings.

        Raises:
            ValueError: a model that does not draw, or a label that it does not know.
        """
        return drawings(self, label, count, temperature, seed)

    def encode(self, text: str) -> torch.Tensor:
        """The tokens ``(T,)`` of a text; for a sequence generator, the name of a token (a class) is that token.

        Raises:
            ValueError: characters, words or a name that the model does not know.
        """
        from seqmodels.data.encode.prompts import encode_prompt

        if self.spec.inputs != "tokens":
            raise ValueError("this model reads numbers, not text")
        if "source_level" in (self.spec.options or {}):
            return torch.from_numpy(encode_source(self.spec, [text])[0])
        return torch.from_numpy(encode_prompt(text, self.spec))
