"""A trained model as one object with a method for each use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
from seqmodels.inference.loading import read_parts
from seqmodels.inference.predictions import predictions
from seqmodels.inference.streaming import decisions
from seqmodels.inference.trained import Trained
from seqmodels.inference.translation import translate

if TYPE_CHECKING:
    from seqmodels.data.dataset import SequenceDataset
    from seqmodels.data.series.ahead import SeriesAhead


class Model(Trained):
    """A trained model as one object with a method for each use."""

    @classmethod
    def load(
        cls, run: str | Path, plugins: Iterable[str] = (), which: str = "best", changes: Mapping[str, Any] | None = None
    ) -> Model:
        """Rebuild a trained model from its checkpoint, without executing code from the checkpoint.

        Args:
            run: a run folder or a checkpoint file.
            plugins: packages that register parts of the model. A checkpoint only names them; importing
                them is your decision.
            which: "best" or "last", if `run` is a folder.
            changes: settings to change in the config, by dotted name, such as ``{"data.path": "other.csv"}``.

        Raises:
            ValueError: no checkpoint, a damaged one, one with an unregistered part, or one that needs
                plugins not given here.
        """
        return cls(*read_parts(run, plugins, which, changes))

    def predict(
        self, data: str | Path | Sequence[Any], batch_size: int = 64, every: int | None = None, top: int | None = None
    ) -> Iterator[dict[str, Any]]:
        """Predict on a new file of the kind the model was trained on, or on sequences.

        A text, which is one long stream, is read in windows with the state carried, and gives one
        prediction per window. A prediction begins with the sequence's name or line, if the data have
        one. A sequence generator runs freely up to its stop token.

        Args:
            data: a file, read like the training data: same columns, vocabulary, classes and scales. Or sequences:
                arrays ``(T, F)`` in original units, or texts; see `seqmodels.data.sources.in_memory.open_given`.
            batch_size: number of sequences per batch.
            every: predict after every `every` steps of each sequence, as if it were streamed; for models that
                read forwards and predict once per sequence.
            top: keep the probabilities of the `top` likeliest classes only; of tags, at every step.

        Raises:
            ValueError: errors in the file, or a model that cannot decide early.
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
        """Forecast each series of a file beyond its end, one row per series and step.

        Args:
            path: a file of the kind the model was trained on; None for the training data. Future covariates
                stand in rows after the last target.
            steps: number of steps; None for the model's horizon. Beyond it the model continues from its own
                forecast, and its intervals are too narrow.

        Raises:
            ValueError: errors in the file; a model that was not trained on series.
        """
        return forecast(self, self.ahead(path), steps)

    def ahead(self, path: str | Path | None = None) -> SeriesAhead:
        """Read the series to `forecast` from a file, or from the training data."""
        return series_ahead(self, path)

    def transcribe(self, path: str | Path, beam: int | None = None) -> Iterator[dict[str, Any]]:
        """Transcribe new recordings; yield one dict per recording with file, tokens and text.

        A recording is read as a whole, also by a unidirectional model.

        Args:
            path: a recording, a folder of recordings, a manifest, or a file like the training data.
            beam: beam width, 1 for the likeliest path; None for the width in training.

        Raises:
            ValueError: a model that does not transcribe, or errors in a file.
        """
        if not self.task.unaligned:
            raise ValueError(
                f"this model was trained for {self.config['task']['name']}, not for transcription; use predict"
            )
        task: Any = copy(self.task)
        task.beam = check_size("beam", task.beam if beam is None else beam)
        return replace(self, task=task).predict(path)

    def translate(self, text: str | Sequence[str], beam: int | None = None, length_penalty: float | None = None) -> Any:
        """Translate a text, or each text of a list, with a model trained on pairs.

        Args:
            text: one text or a list.
            beam, length_penalty: options of the search; None for the run's (task.beam, task.length_penalty).

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
        """Return the same model with other search options, see `translate`."""
        if self.spec.pairs is None:
            raise ValueError("this model was not trained on pairs of texts (data=pairs): there is nothing to translate")
        changes = {"beam": beam, "length_penalty": length_penalty}
        if beam == 1 and length_penalty is None:
            changes["length_penalty"] = 0.0  # used by a beam only
        options = {**self.config["task"], **{name: value for name, value in changes.items() if value is not None}}
        return replace(self, task=build_task({**self.config, "task": options}, self.spec))

    def open(self, path: str | Path) -> SequenceDataset:
        """Open a new file as a data set, encoded like the training data."""
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
        """Generate text: the continuation of a prompt, or the output of a sequence generator for it.

        Args:
            prompt: start of the text; for a sequence generator its whole input, such as the name of a
                class. Empty: start from a line end (without one, from the vocabulary's first token).
            length: maximum number of tokens.
            temperature: below 1 likelier, above 1 more random; 0 or None for the likeliest token at every
                step, ignoring top_k, top_p and seed.
            top_k, top_p: sample from the k likeliest tokens, or from the likeliest with this total probability.
            seed: of the random generator; the same seed gives the same text.
            beam: above 1, beam search of this width instead of sampling; sequence generators only.

        Raises:
            ValueError: a model that does not generate tokens, a prompt outside its vocabulary, or an
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
        """Yield the text of `generate` in pieces as it is made, for long texts."""
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
        """Generate drawings; each is a list of strokes, each stroke a list of points [x, y], y downwards.

        Args:
            label: what to draw; empty for the first label of the training data.
            count: number of drawings.
            temperature: 1 samples the model's distribution, less is neater; None for the task's default.
            seed: of the random generator; the same seed gives the same drawings.

        Raises:
            ValueError: a model that does not draw, or an unknown label.
        """
        return drawings(self, label, count, temperature, seed)


load = Model.load
