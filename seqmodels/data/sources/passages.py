"""Texts with a label, cut into passages: which language, author or kind is it, and how soon can one tell?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, ClassVar

from seqmodels.data.columns.roles import name_of
from seqmodels.data.columns.splits.shares import by_group, shares_of
from seqmodels.data.columns.words import Characters
from seqmodels.data.encode.encoder import Encoder
from seqmodels.data.encode.table import warn_of_lost
from seqmodels.data.examples import Examples
from seqmodels.data.files.find import naming
from seqmodels.data.files.ragged import Ragged
from seqmodels.data.read.open import read_table
from seqmodels.data.read.table import Table
from seqmodels.data.sources.base import DataSource
from seqmodels.dataset import SequenceDataset
from seqmodels.kinds import Column, Seed, Share, list_of, whole
from seqmodels.quoting import shown
from seqmodels.registry import register
from seqmodels.spec import Spec


@register("data", "passages")
class PassagesSource(DataSource):
    """Passages of labelled texts, one label each.

    Rows of one label and one group are one text, joined in the file's order. Training texts are cut into passages of
    every length asked for, each beginning half its length after the one before; validation and test texts into
    passages of the longest length that do not overlap, to be measured at the shorter ones as well by
    ``task.lengths``. What is left at a text's end is not used there.

    Whole groups are split: of a text in many languages the same part never is in two splits, in whatever language.

    >>> source = PassagesSource("shipped:udhr_articles.csv.gz", "text", "language", "article", lengths=[20, 100])
    >>> source.describe()
    'shipped:udhr_articles.csv.gz: 868 texts of 31 groups, 28 classes, in passages of 20 and 100 characters'

    Args:
        path: a .csv or .tsv file, gzipped or not.
        text, label: columns.
        group: column of what must not be in two splits, such as an article or an author; None for each row.
        lengths: characters in a passage.
        val_fraction, test_fraction: shares of the groups.
        seed: of the random split of the groups.

    """

    suits: ClassVar = {"task": "classification", "head": "many_to_one", "recipe": "identify"}

    def __init__(
        self,
        path: str,
        text: Column,
        label: Column,
        group: Column | None = None,
        lengths: Annotated[Sequence[int], list_of(whole(1), "[20, 50, 100]")] = (20, 50, 100),
        val_fraction: Share = 0.1,
        test_fraction: Share = 0.1,
        seed: Seed = 0,
    ) -> None:
        self.path, self.text, self.label, self.group = str(path), str(text), str(label), name_of(group)
        self.lengths = tuple(sorted(set(lengths)))
        self.shares = shares_of(val_fraction, test_fraction, seed)

    def describe(self) -> str:
        texts = self._texts()
        groups, labels = {group for group, _ in texts}, {label for _, label in texts}
        lengths = " and ".join(map(str, self.lengths))
        return (
            f"{self.path}: {len(texts):,} texts of {len(groups)} groups, {len(labels)} classes, in passages of "
            f"{lengths} characters"
        )

    def splits(self) -> dict[str, SequenceDataset]:
        whole = self._texts()
        names = list(dict.fromkeys(group for group, _ in whole))
        with naming(self.path):
            parts = by_group(names, *self.shares)
        of = {names[i]: split for split, items in parts.items() for i in items.tolist()}
        found: dict[str, list[tuple[str, str, str]]] = {split: [] for split in parts}
        short = 0
        for (group, label), text in whole.items():
            passages = self._cut(text, of[group] == "train")
            short += not passages
            found[of[group]] += [(passage, label, group) for passage in passages]
        self.notes = [f"{short} of {len(whole)} texts left out: shorter than a passage (data.lengths)"] if short else []
        empty = next((split for split, passages in found.items() if not passages), None)
        if empty is not None:
            raise ValueError(f"{self.path}: no text of the {empty} split is long enough: choose shorter data.lengths")
        examples = {}
        for name, own in found.items():
            texts, labels, groups = zip(*own, strict=True)
            examples[name] = Examples(self.path, texts, labels, groups=list(groups))
        spec = replace(Encoder.fit(examples["train"]).spec, encoder={"text": self.text, "label": self.label})
        return {name: Encoder(spec).encode(own, targets=True) for name, own in examples.items()}

    def _texts(self) -> dict[tuple[str, str], str]:
        """Return the texts by group and label."""
        table = read_table(self.path)
        cells, labels = read_texts(table, self.text), table.cells(self.label, "label")
        groups = list(map(str, table.lines)) if self.group is None else table.cells(self.group, "group")
        parts: dict[tuple[str, str], list[str]] = {}
        for row, (group, label, cell) in enumerate(zip(groups, labels, cells, strict=True)):
            if not label.strip() or not group.strip():
                column = self.label if not label.strip() else str(self.group)
                raise ValueError(f"{table.place(row, column)}: expected a name, got a blank; fill it in")
            parts.setdefault((group, label), []).append(cell)
        if len(set(labels)) < 2:
            raise ValueError(
                f"{self.path}, column {shown(self.label)}: expected two classes or more to tell apart, got only "
                f"{shown(labels[0])}"
            )
        return {key: " ".join(texts) for key, texts in parts.items()}

    def _cut(self, text: str, training: bool) -> list[str]:
        lengths = self.lengths if training else self.lengths[-1:]
        return [
            text[start : start + length]
            for length in lengths
            for start in range(0, len(text) - length + 1, max(1, length // 2) if training else length)
        ]

    @classmethod
    def open(cls, path: str, spec: Spec, targets: bool | None = None) -> SequenceDataset:
        """Open other texts, one a row, each read as a whole.

        Raises:
            ValueError: no column of the texts, an empty text, or a label that training did not have.
        """
        columns = spec.encoder
        table = read_table(path)
        texts = read_texts(table, columns["text"])
        wanted = columns["label"] in table.columns if targets is None else targets
        labels = table.cells(columns["label"], "label") if wanted else None
        blank = next((row for row, label in enumerate(labels or ()) if not label.strip()), None)
        if blank is not None:
            place = table.place(blank, columns["label"])
            raise ValueError(f"{place}: expected a name, got a blank; fill it in, or leave the column out")
        units = Characters()
        warn_of_lost(path, Ragged.packed(*units.tokens(texts)), units.names, spec.input_names)
        return Encoder(spec).encode(Examples(path, texts, labels, lines=table.lines), wanted)


def read_texts(table: Table, column: str) -> Sequence[str]:
    """Return the texts of a column, none of them empty."""
    cells = table.cells(column, "text")
    empty = next((row for row, cell in enumerate(cells) if not cell.strip()), None)
    if empty is not None:
        raise ValueError(f"{table.place(empty, column)}: the text is empty; fill it in, or remove the line")
    return cells
