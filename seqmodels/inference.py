"""Using a trained model: load it, predict on new files, generate.

Needs neither Hydra nor Lightning.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from seqmodels import checkpoint
from seqmodels.batch import BatchSpec, SequenceBatch
from seqmodels.build import build_model, build_task, import_plugins, open_data
from seqmodels.heads.base import check_size
from seqmodels.model import SequenceModel
from seqmodels.registry import find
from seqmodels.state import State
from seqmodels.streaming import decisions

if TYPE_CHECKING:
    from seqmodels.data.dataset import SequenceDataset
    from seqmodels.data.series_ahead import SeriesAhead
    from seqmodels.tasks.base import Task

# Settings of series that are about what is wrong with a file, and may be others for a new one.
OF_A_FILE = ("data.gaps", "data.duplicates", "data.missing", "data.timezone")
# What `generate` does unless it is told otherwise.
LENGTH, TEMPERATURE = 400, 0.8
# Steps read at a time where a new file is one long stream.
STREAM_WINDOW = 1024


@dataclass(frozen=True)
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

    @classmethod
    def load(
        cls, run: str | Path, plugins: Iterable[str] = (), which: str = "best", changes: Mapping[str, Any] | None = None
    ) -> Model:
        """The same as `seqmodels.load`."""
        return load(run, plugins, which, changes)

    def predict(
        self, path: str | Path, batch_size: int = 64, every: int | None = None, top: int | None = None
    ) -> Iterator[dict[str, Any]]:
        """Predictions for a new file of the kind that the model was trained on, one per sequence.

        A text, which is one long stream, is read in windows with the state carried, and gives one
        prediction per window. Where the data tell sequences apart, by a column or by their line, a
        prediction begins with that. A sequence generator unrolls freely, up to its stop token.

        Args:
            path: read as the training data was: same columns, vocabulary, classes and scales.
            batch_size: sequences at a time.
            every: where given, a prediction after every so many steps of each sequence, as if it came in just
                now; for models that read forwards and predict once per sequence.
            top: where given, the probabilities of the so many likeliest classes only, of tags at every step.

        Raises:
            ValueError: what is wrong with the file, or a model that cannot decide early.
        """
        from seqmodels.data.collate import collate
        from seqmodels.data.plan import make_plan

        dataset = self.open(path)
        if every is not None:
            yield from decisions(self, dataset, every)
            return
        if dataset.stream:
            plan = make_plan(dataset.lengths, 1, STREAM_WINDOW, stream=True)
        else:
            plan = make_plan(dataset.lengths, batch_size)
        state: State = None
        with torch.inference_mode():
            for index in range(len(plan)):
                rows = plan[index]
                rows = rows[rows[:, 0] >= 0]
                batch = collate(dataset, rows)
                prediction, state = self._predict(batch, state if dataset.stream else None)
                decoded_rows = self.task.decode(prediction, batch)
                if top is not None:
                    ranked = self.task.ranked(prediction, batch, check_size("top", top))
                    decoded_rows = [{**d, "probabilities": r} for d, r in zip(decoded_rows, ranked, strict=True)]
                for sequence, decoded in zip(rows[:, 0], decoded_rows, strict=True):
                    yield from self.task.rows({**(dataset.origins[sequence] if dataset.origins else {}), **decoded})

    def _predict(self, batch: SequenceBatch, state: State) -> tuple[torch.Tensor, State]:
        made = self.task.generate(self.model, batch)
        return (made, None) if made is not None else self.model(batch.inputs, state, batch.lengths)

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
        from seqmodels.data.series_ahead import roll

        ahead = self.ahead(path)
        return roll(ahead, self._decode_all, self.spec.horizon or 1 if steps is None else steps)

    def ahead(self, path: str | Path | None = None) -> SeriesAhead:
        """The series of a file, or of the training data, as `forecast` continues them."""
        source: Any = find("data", self.config["data"]["name"])
        if not hasattr(source, "ahead"):
            raise ValueError("this model was not trained on time series, so there is nothing to forecast: use predict")
        found: SeriesAhead = source.ahead(str(path or self.config["data"]["path"]), self.spec)
        return found

    def _decode_all(self, dataset: SequenceDataset) -> list[dict[str, Any]]:
        from seqmodels.data.collate import collate

        rows = [np.array([[one, 0, int(steps), 1]]) for one, steps in enumerate(dataset.lengths)]
        batches = (collate(dataset, row) for row in rows)
        with torch.inference_mode():
            return [self.task.decode(self._predict(batch, None)[0], batch)[0] for batch in batches]

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
        from seqmodels.translation import translate

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
        from seqmodels.data.prompts import line_end
        from seqmodels.data.vocabulary import decode
        from seqmodels.tasks.sampling import kmer_of, sample

        if hasattr(self.task, "sketch"):
            raise ValueError("this model draws: call draw, or name a picture: seqmodels generate --output strokes.png")
        if self.spec.targets != "tokens":
            raise ValueError(f"this model predicts {self.spec.targets}, not tokens: there is nothing to generate")
        if self.task.unaligned:
            raise ValueError("this model hears tokens in what it is given: use transcribe or predict")
        if length < 1:
            raise ValueError(f"length must be at least 1, got {length}")
        if beam > 1:
            temperature = None
        elif not temperature:
            temperature = top_k = top_p = None
        generator = None if seed is None or temperature is None else torch.Generator().manual_seed(seed)
        if self.spec.target_shape == "step":
            if beam > 1:
                raise ValueError("beam search is for sequence generators; a language model draws: set beam=1")
            given = self.encode(prompt) if prompt else torch.tensor([line_end(self.spec)])
            tokens = sample(self.model, given, length, temperature, top_k, top_p, generator, kmer_of(self.spec))
            # Together, because words need blanks between them, and bytes their neighbours.
            return decode([*(given.tolist() if prompt else []), *tokens.tolist()], self.spec)
        with torch.inference_mode():
            features, _ = self.model.features(self.encode(prompt).unsqueeze(0))
            head: Any = self.model.head
            drawn = head.generate(features, None, length, temperature, top_k, top_p, generator, beam=beam)
        if "target_level" in (self.spec.options or {}):
            from seqmodels.tasks.rewriting import written_text

            return written_text(self.spec, [token for token in drawn[0][0].tolist() if token != self.spec.stop])
        return decode(drawn[0][0].tolist(), self.spec)

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
        from seqmodels.data.prompts import known_inputs

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

    def encode(self, text: str) -> torch.Tensor:
        """The tokens ``(T,)`` of a text; for a sequence generator, the name of a token (a class) is that token.

        Raises:
            ValueError: characters, words or a name that the model does not know.
        """
        from seqmodels.data.prompts import encode_prompt

        if self.spec.inputs != "tokens":
            raise ValueError("this model reads numbers, not text")
        if "source_level" in (self.spec.options or {}):
            from seqmodels.translation import encode as encode_source

            return torch.from_numpy(encode_source(self.spec, [text])[0])
        return torch.from_numpy(encode_prompt(text, self.spec))


def load(
    run: str | Path, plugins: Iterable[str] = (), which: str = "best", changes: Mapping[str, Any] | None = None
) -> Model:
    """Rebuild a trained model from its checkpoint; no code in the checkpoint is run.

    Args:
        run: a run folder or a checkpoint file.
        plugins: packages that register parts the model is made of. A checkpoint only names
            them; to import them is your decision.
        which: "best" or "last", where `run` is a folder.
        changes: settings to change in the config, by dotted name, such as ``{"data.path": "other.csv"}``.

    Raises:
        ValueError: no checkpoint, a damaged one, one with a part nobody registered, or one
            that needs plugins not given here.
    """
    path = checkpoint.locate(run, which)
    stored = checkpoint.read(path)
    with checkpoint.damage(path):
        config, spec = dict(stored[checkpoint.KEY]["config"]), BatchSpec.from_plain(stored[checkpoint.KEY]["spec"])
        weights = dict(stored["state_dict"])
        needed = list(config.get("plugins", []))
    checkpoint.refuse_code(config, str(path))
    reading = (spec.options or {}).get("reading", {})
    for name, value in (changes or {}).items():
        checkpoint.change(config, name, value)
        if name in OF_A_FILE and name.removeprefix("data.") in reading:
            reading[name.removeprefix("data.")] = value
    given = set(plugins)
    missing = [name for name in needed if name not in given]
    if missing:
        raise ValueError(
            f"{path} is made of parts from {', '.join(missing)}; if you trust them, load it with plugins={missing!r}"
        )
    import_plugins(given)
    with checkpoint.damage(path):
        task = build_task(config, spec)
        model = build_model(config, spec, task)
    prefix = "model."
    try:
        model.load_state_dict({k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)})
    except RuntimeError as error:
        raise ValueError(f"the weights in {path} do not fit the model its config describes: {error}") from error
    task.load_state(stored[checkpoint.KEY].get("task", {}))
    return Model(model.eval(), task, spec, config)
