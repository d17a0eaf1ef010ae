"""Plain text as one long stream of tokens, each step's target the next token."""

from __future__ import annotations

from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np

from seqmodels.data.columns.splits.shares import check_fractions
from seqmodels.data.encode.next_token import NextToken
from seqmodels.data.encode.text_tokens import build_tokens, encode_tokens
from seqmodels.data.encode.token_file import TokenFile, cached
from seqmodels.data.encode.vocabulary import UNKNOWN, Vocabulary, describe
from seqmodels.data.files.text import find_texts
from seqmodels.data.sources.base import DataSource
from seqmodels.dataset import SequenceDataset
from seqmodels.kinds import Count, Share
from seqmodels.registry import register
from seqmodels.spec import Spec, Text


@register("data", "text")
class TextSource(DataSource):
    """A text to model: the first part for training, the last for evaluation.

    >>> source = TextSource()
    >>> source.describe()
    'shipped:shakespeare.txt.gz: 5,052,271 characters, vocabulary of 84; train 4,799,657, val 252,614'
    >>> inputs, targets = source.splits()["train"].read(0, 0, 4)
    >>> inputs.tolist(), targets.tolist()
    ([27, 38, 38, 5], [38, 38, 5, 45])

    Args:
        path: a file (gzipped or not), a folder of .txt files, or a pattern such as ``books/*.md``;
            ``shipped:shakespeare.txt.gz`` is the book that comes with the package.
        level: what a token is: "character", "byte" or "word".
        val_fraction, test_fraction: share of the tokens, taken from the end.
        min_count: characters or words that occur less often in the training part are unknown.
        max_size: characters or words at most, the most frequent; null for all.
        encoding: of the files; not used for bytes.
        cache_dir: where the tokens are kept; null for the user's cache folder.

    """

    suits: ClassVar = {"task": "language_modelling", "head": "many_to_many"}

    def __init__(
        self,
        path: str = "shipped:shakespeare.txt.gz",
        level: Literal["character", "byte", "word"] = "character",
        val_fraction: Share = 0.05,
        test_fraction: Share = 0.0,
        min_count: Count = 1,
        max_size: Count | None = None,
        encoding: str = "utf-8",
        cache_dir: str | None = None,
    ) -> None:
        check_fractions(val_fraction, test_fraction)
        if level == "byte" and (min_count > 1 or max_size is not None):
            raise ValueError("data.min_count and data.max_size do not apply to bytes: all 256 are in the vocabulary")
        self.path, self.level, self.cache_dir = path, level, cache_dir
        self._options: dict[str, Any] = {
            "level": level,
            "val_fraction": val_fraction,
            "test_fraction": test_fraction,
            "min_count": min_count,
            "max_size": max_size,
            "encoding": encoding,
        }

    def describe(self) -> str:
        parts = [f"{name} {stop - start:,}" for name, (start, stop) in self._tokens.about["parts"].items()]
        kinds = "256 values" if self.level == "byte" else f"vocabulary of {len(self._tokens.about['names']):,}"
        return f"{self.path}: {len(self._tokens):,} {self.level}s, {kinds}; {', '.join(parts)}"

    def splits(self) -> dict[str, SequenceDataset]:
        about = self._tokens.about
        self.notes = tuple(
            f"{part} has {describe(count, some, self.level)} outside the vocabulary, read as {UNKNOWN}"
            for part, (count, some) in about["missing"].items()
        )
        names = tuple(about["names"])
        size = len(names)
        spec = Spec("tokens", size, "tokens", size, "step", names, names, text=Text(self.level))
        return {name: NextToken(spec, self._tokens, np.array([part])) for name, part in about["parts"].items()}

    @cached_property
    def _tokens(self) -> TokenFile:
        files, options = find_texts(self.path), self._options
        return cached(self.cache_dir, files, options, lambda folder: build_tokens(folder, files, **options))

    @classmethod
    def open(cls, path: str, spec: Spec, targets: bool | None = None, **options: Any) -> SequenceDataset:
        """Open another text as `DataSource.open` does.

        Without targets its last token, which has none, is an input too: what comes after it is foretold.
        """
        source, files, vocabulary = cls(path, **options), find_texts(path), Vocabulary.of(spec)
        encoding, asked = source._options["encoding"], {"level": vocabulary.level, "names": vocabulary.names}
        tokens = cached(
            source.cache_dir,
            files,
            {**asked, "encoding": encoding},
            lambda folder: encode_tokens(folder, files, vocabulary, encoding),
        )
        least = 2 if targets else 1
        if len(tokens) < least:
            what = f"{least} {vocabulary.level}{'s' if targets else ''}"
            raise ValueError(f"{path}: expected a text of at least {what}, got {len(tokens)}")
        return NextToken(spec, tokens, np.array([[0, len(tokens)]]), whole=not targets)
