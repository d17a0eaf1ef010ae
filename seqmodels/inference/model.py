"""A trained model as one object with a method for each use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqmodels.build import open_data
from seqmodels.inference.forecasting import Forecasts
from seqmodels.inference.generation import Generation
from seqmodels.inference.loading import read_parts
from seqmodels.inference.predictions import predictions
from seqmodels.inference.streaming import decisions
from seqmodels.inference.translation import Translation
from seqmodels.kinds import at_least_one

if TYPE_CHECKING:
    from seqmodels.dataset import SequenceDataset


class Model(Forecasts, Generation, Translation):
    """A trained model as one object with a method for each use."""

    @classmethod
    def load(
        cls, run: str | Path, plugins: Iterable[str] = (), which: str = "best", changes: Mapping[str, Any] | None = None
    ) -> Model:
        """Rebuild a trained model from its checkpoint, without executing code from the checkpoint.

        Args:
            run: a run folder or a checkpoint file.
            plugins: packages that register parts of the model. A checkpoint only names them; importing them is your
                decision.
            which: "best" or "last", if `run` is a folder.
            changes: settings to change in the config, by dotted name, such as ``{"data.path": "other.csv"}``.

        Raises:
            ValueError: no checkpoint, a damaged one, one with an unregistered part, or one that needs plugins not given
                here.
        """
        return cls(*read_parts(run, plugins, which, changes))

    def predict(
        self, data: str | Path | Sequence[Any], batch_size: int = 64, every: int | None = None, top: int | None = None
    ) -> Iterator[dict[str, Any]]:
        """Predict on a new file of the kind the model was trained on, or on sequences.

        A text, which is one long stream, is read in windows with the state carried, and gives one prediction per
        window. A prediction begins with the sequence's name or line, if the data have one. A sequence generator runs
        freely up to its stop token.

        Args:
            data: a file, read like the training data: same columns, vocabulary, classes and scales. Or sequences:
                arrays ``(T, F)`` in original units, or texts; see `seqmodels.data.sources.tables.in_memory.open_given`.
            batch_size: number of sequences per batch.
            every: predict after every `every` steps of each sequence, as if it were streamed; for models that read
                forwards and predict once per sequence.
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
        from seqmodels.data.sources.tables.in_memory import open_given

        return open_given(sequences, self.spec)

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
        task.beam = at_least_one.check("beam", task.beam if beam is None else beam)
        return replace(self, task=task).predict(path)

    def open(self, path: str | Path) -> SequenceDataset:
        """Open a new file as a data set, encoded like the training data."""
        return open_data(self.config, self.spec, path)


load = Model.load
