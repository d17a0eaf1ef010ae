"""Texts from labels: what a name sounds like in a language."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Literal

import numpy as np

from seqmodels.data.columns.infer import Layout
from seqmodels.data.columns.sequences import Reading, Sequences, read_sequences
from seqmodels.data.columns.splits.sequences import split_sequences
from seqmodels.data.columns.splits.shares import shares_of
from seqmodels.data.columns.targets.encoded import check_targets, encode_targets
from seqmodels.data.columns.targets.labels import sort_labels
from seqmodels.data.dataset import ArrayDataset
from seqmodels.data.encode.table import frequent, origins, warn_of_lost
from seqmodels.data.encode.vocabulary import FEWEST_SEEN, UNKNOWN
from seqmodels.data.files.ragged import Ragged
from seqmodels.data.read.open import read_table
from seqmodels.data.read.table import Table
from seqmodels.data.sources.base import DataSource
from seqmodels.dataset import SequenceDataset
from seqmodels.kinds import Column, Seed, Share
from seqmodels.registry import register
from seqmodels.spec import Spec, Text

STOP = "<stop>"


@register("data", "text_from_label")
class TextFromLabelSource(DataSource):
    """A table of labels and texts, the label being the input and the text, with a stop token, the target.

    Labels have the same shares in all splits; copies of a text stay in one.

    >>> source = TextFromLabelSource("shipped:surnames_by_language.csv.gz", label="language", text="name")
    >>> train = source.splits()["train"]
    >>> inputs, targets = train.read(0, 0, 1)
    >>> train.spec.input_names[inputs[0]], "".join(train.spec.target_names[i] for i in targets)
    ('Croatian', 'Abramović<stop>')

    Args:
        path: a .csv or .tsv file, gzipped or not; "shipped:NAME" for one that comes with the package.
        label: column of labels.
        text: column of texts.
        val_fraction, test_fraction: shares of validation and test.
        seed: what the random split depends on.
        missing: what becomes of a row without a label or a text: "error", or "drop" to leave it out.

    """

    suits: ClassVar = {"task": "sequence_generation", "head": "one_to_many"}

    def __init__(
        self,
        path: str,
        label: Column,
        text: Column,
        val_fraction: Share = 0.1,
        test_fraction: Share = 0.1,
        seed: Seed = 0,
        missing: Literal["error", "drop"] = "error",
    ) -> None:
        self.path, self.label, self.text, self.missing = path, str(label), str(text), missing
        self.shares = shares_of(val_fraction, test_fraction, seed)

    def describe(self) -> str:
        sequences = self._sequences()
        labels = len(set(sequences.cells(self.label)))
        return f"{self.path}: {len(sequences)} texts in {self.text!r}, from {labels} labels in {self.label!r}"

    def _sequences(self) -> Sequences:
        return _read(read_table(self.path), self.label, self.text, self.missing)

    def splits(self) -> dict[str, SequenceDataset]:
        sequences = self._sequences()
        parts, copies, _ = split_sequences(sequences, *self.shares)
        lost = len(sequences.table) - len(sequences)
        self.notes = [f"{lost:,} rows left out: no label or no text (data.missing=drop)"] if lost else []
        self.notes += [f"{copies:,} texts are copies of another one, and kept in its split"] if copies else []
        train = sequences.select(parts["train"])
        letters = (*frequent(train.inputs, train.tokens, FEWEST_SEEN), UNKNOWN, STOP)
        labels = sort_labels(set(train.cells(self.label)))
        spec = Spec(
            inputs="tokens",
            input_size=len(labels),
            targets="tokens",
            target_size=len(letters),
            target_shape="own",
            input_names=labels,
            target_names=letters,
            stop=len(letters) - 1,
            text=Text(),
            encoder={"label": self.label, "text": self.text},
        )
        return {name: _encode(sequences.select(items), spec, targets=True) for name, items in parts.items()}

    @classmethod
    def open(cls, path: str, spec: Spec, targets: bool | None = None, missing: str = "error") -> SequenceDataset:
        """Open another table as `DataSource.open` does; without targets the texts are empty."""
        options = spec.encoder
        table = read_table(path)
        wanted = options["text"] in table.columns if targets is None else targets
        text = options["text"] if wanted else options["label"]
        sequences = _read(table, options["label"], text, missing)
        if wanted:
            warn_of_lost(path, sequences.inputs, sequences.tokens, spec.target_names)
        return _encode(sequences, spec, wanted)


def _read(table: Table, label: str, text: str, missing: str) -> Sequences:
    """Read the texts of a table, in the roles that a classifier would give them: label as target."""
    layout = Layout("text", label, "labels", "sequence", text=text)
    return check_targets(read_sequences(table, layout, Reading(missing)), missing)


def _encode(sequences: Sequences, spec: Spec, targets: bool) -> ArrayDataset:
    code = {letter: i for i, letter in enumerate(spec.target_names)}
    number = np.array([code.get(letter, code[UNKNOWN]) for letter in sequences.tokens], np.int64)
    texts = [number[text] if targets else number[:0] for text in sequences.inputs]
    # The labels are classes of a classifier's, here the inputs.
    classes = replace(spec, targets="labels", target_names=spec.input_names, target_shape="sequence")
    labels = np.asarray(encode_targets(sequences, classes, targets=True, space=sequences.table.space))
    inputs = Ragged.packed(labels, np.ones(len(labels), np.int64))
    dataset = ArrayDataset(spec, inputs, [np.append(text, code[STOP]) for text in texts])
    dataset.origins = origins(sequences)
    return dataset
