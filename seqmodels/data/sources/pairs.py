"""Pairs of a source and a target, such as words and how they sound, or sentences and their translations."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import cached_property
from itertools import islice
from typing import Annotated, Any, Literal

import numpy as np

from seqmodels.data.columns.pairs import LOOKED_AT, suggest_settings
from seqmodels.data.columns.splits.shares import NAMES, check_fractions
from seqmodels.data.encode.pairs import Origins, PairDataset
from seqmodels.data.encode.pairs_store import Limits, Sides, build_pairs, encode_pairs
from seqmodels.data.encode.token_file import TokenFile, cached
from seqmodels.data.encode.tokenizer import Tokenizer
from seqmodels.data.encode.vocabulary import UNKNOWN, describe
from seqmodels.data.read.pairs import Reader
from seqmodels.data.sources.base import DataSource, sizes_of
from seqmodels.dataset import SequenceDataset
from seqmodels.kinds import Column, Count, Seed, Share, whole
from seqmodels.quoting import shown
from seqmodels.registry import register
from seqmodels.spec import Pairs, Spec

_log = logging.getLogger(__name__)
_KINDS = {"character": "characters", "word": "words", "symbols": "symbols", "subword": "sub-words"}


@register("data", "pairs")
class PairsSource(DataSource):
    """Sources and targets, one pair a line; a source that stands on several lines has several targets.

    All lines of a source are in one split. Vocabularies, sub-words too, are learned from the training
    part alone. The file is encoded once, into a cache, and then mapped into memory.

    >>> source = PairsSource("shipped:cmudict.dict.gz", target_level="symbols")
    >>> train = source.splits()["train"]
    >>> inputs, targets = train.read(0, 0, int(train.lengths[0]))
    >>> "".join(train.spec.input_names[i] for i in inputs), " ".join(train.spec.target_names[i] for i in targets)
    ("'bout", 'B AW1 T <stop>')

    Args:
        path: the file of pairs, or of sources where there is a `target_path`; gzipped or not.
        target_path: a file with the target of each line of `path`; None where `path` holds both.
        format, source, target, encoding, missing: as for `seqmodels.data.read.pairs.Reader`.
        source_level, target_level: what a token is: "character", "word", "symbols" (what blanks part)
            or "subword" (sentencepiece, learned from the training part).
        source_size, target_size: the most tokens of a vocabulary, the most frequent; None for all, and of
            sub-words as many as the amount of text is good for, 4000 at most.
        subword_kind: "unigram" or "bpe".
        min_count: characters, words and symbols that occur less often in the training part are unknown.
        lowercase: whether sources are read in lower case; targets never are.
        max_source, max_target: rows with more tokens on a side are left out of all splits, and counted.
        references: whether the targets of a source are each as right as the others, in scoring.
        val_fraction, test_fraction: shares of the different sources.
        seed: of the random split.
        cache_dir: where the tokens are kept; None for the user's cache folder.

    """

    def __init__(
        self,
        path: str,
        target_path: str | None = None,
        format: Literal["auto", "tsv", "csv", "lexicon", "lines"] = "auto",
        source: Column | None = None,
        target: Column | None = None,
        source_level: Literal["character", "word", "symbols", "subword"] = "character",
        target_level: Literal["character", "word", "symbols", "subword"] = "character",
        source_size: Annotated[int, whole(2)] | None = None,
        target_size: Annotated[int, whole(2)] | None = None,
        subword_kind: Literal["unigram", "bpe"] = "unigram",
        min_count: Count = 1,
        lowercase: bool = False,
        max_source: Count | None = 200,
        max_target: Count | None = 200,
        references: bool = True,
        missing: Literal["error", "drop"] = "error",
        encoding: str = "utf-8",
        val_fraction: Share = 0.1,
        test_fraction: Share = 0.1,
        seed: Seed = 0,
        cache_dir: str | None = None,
    ) -> None:
        check_fractions(val_fraction, test_fraction)
        self.reader = Reader(path, format, target_path, source, target, encoding, missing)
        self.levels, self.sizes = (source_level, target_level), (source_size, target_size)
        self.subword_kind, self.min_count, self.references = subword_kind, min_count, references
        self.lowercase = lowercase
        self.limits, self.fractions, self.seed = Limits(max_source, max_target), (val_fraction, test_fraction), seed
        self.cache_dir = cache_dir

    def suggest(self) -> dict[str, str]:
        first = [(pair.source, pair.target) for pair in islice(self.reader.read(), LOOKED_AT)]
        return {"task": "sequence_generation", "head": "encoder_decoder", **suggest_settings(self.levels, first)}

    def describe(self) -> str:
        first = next(self.reader.read())
        splits = self.splits()
        sizes = sizes_of(splits)
        spec, (source, target) = splits["train"].spec, self.levels
        return (
            f"{self.reader.path}: pairs such as {shown(first.source)} -> {shown(first.target)} ({sizes}); "
            f"{spec.input_size:,} different {_KINDS[source]} in sources, {spec.target_size - 1:,} "
            f"{_KINDS[target]} in targets"
        )

    def splits(self) -> dict[str, SequenceDataset]:
        about = self._tokens.about
        sides = Sides(*(Tokenizer(*side) for side in about["sides"]))
        self.notes = tuple(_notes(about, self.limits))
        spec = Spec(
            inputs="tokens",
            input_size=len(sides.source.names),
            targets="tokens",
            target_size=len(sides.target_names),
            target_shape="own",
            input_names=sides.source.names,
            target_names=sides.target_names,
            stop=len(sides.target.names),
            pairs=Pairs(
                *(sides.source.level, sides.target.level, sides.source.model, sides.target.model),
                sides.target.unknown,
                self.references,
                self.lowercase,
            ),
        )
        part = np.load(self._tokens.folder / "part.npy")
        rows = {name: np.flatnonzero(part == i) for i, name in enumerate(NAMES)}
        wanted = dict(zip(NAMES, (1.0, *self.fractions), strict=True))
        for name, own in rows.items():
            if wanted[name] and not len(own):
                raise ValueError(
                    f"{self.reader.path}: no pair of {name} is short enough; raise data.max_source and data.max_target"
                )
        return {name: PairDataset(spec, self._tokens, own) for name, own in rows.items() if len(own)}

    @cached_property
    def _tokens(self) -> TokenFile:
        reader = self.reader
        files = reader.files()
        options = {
            **_layout(reader),
            "levels": self.levels,
            "sizes": self.sizes,
            "units": [self.subword_kind, self.min_count, self.lowercase, "by amount"],
            "split": [self.limits, self.fractions, self.seed],
        }

        def build(folder: Any) -> TokenFile:
            key = Tokenizer(self.levels[0], [UNKNOWN], None, self.lowercase).key
            return build_pairs(folder, reader, key, self._learn, self.limits, self.fractions, self.seed)

        return cached(self.cache_dir, files, options, build)

    def _learn(self, texts: Any) -> Sides:
        made = (
            Tokenizer.learn(level, texts(side), size, self.min_count, self.subword_kind, self.lowercase and side == 0)
            for side, (level, size) in enumerate(zip(self.levels, self.sizes, strict=True))
        )
        return Sides(*made)

    @classmethod
    def open(cls, path: str, spec: Spec, targets: bool | None = None, **options: Any) -> SequenceDataset:
        """Open another file as `DataSource.open` does; no row is too long.

        It is laid out as the training data was, or holds sources alone, one a line. Where `targets` is None they are
        taken where the first line has one; of files that go line by line, only sources are read.
        """
        source = cls(path, **options)
        reader, cache_dir = source.reader, source.cache_dir
        wanted = (reader.format != "lines" and reader.holds_targets()) if targets is None else targets
        files = reader.files(wanted)
        sides = sides_of(spec)
        asked = {
            **_layout(reader),
            "sides": [[u.level, u.names, u.model, u.lowercase] for u in sides],
            "targets": wanted,
        }
        tokens = cached(cache_dir, files, asked, lambda folder: encode_pairs(folder, reader, sides, wanted))
        for note in _notes(tokens.about, Limits(None, None)):
            _log.warning("%s: %s", path, note)
        dataset = PairDataset(spec, tokens)
        dataset.origins = Origins(dataset, sides.source)
        return dataset


def _layout(reader: Reader) -> dict[str, Any]:
    """Return what decides which pairs a file holds; not its name, because its contents are known."""
    return {name: getattr(reader, name) for name in ("format", "source", "target", "encoding", "missing")}


def sides_of(spec: Spec) -> Sides:
    """Return the units of both sides, from what a spec holds.

    Raises:
        ValueError: a spec of other data.
    """
    pairs = spec.pairs
    if pairs is None:
        raise ValueError("this model was not trained on pairs of texts (data=pairs)")
    source = Tokenizer(pairs.source_level, spec.input_names, pairs.source_model, pairs.lowercase)
    return Sides(source, Tokenizer(pairs.target_level, spec.target_names[: spec.stop], pairs.target_model))


def _notes(about: dict[str, Any], limits: Limits) -> Iterator[str]:
    """Say what was left out or could not be read."""
    if about["dropped"]:
        yield f"{about['dropped']:,} lines left out: nothing on one side (data.missing=drop)"
    if about["long"]:
        longest = f"data.max_source={limits.source}, data.max_target={limits.target}"
        yield f"{about['long']:,} pairs left out: a side too long ({longest})"
    for where, (count, some, line) in about["unknown"].items():
        side = "source" if where.endswith("sources") else "target"
        what = describe(count, some, "unit")
        yield f"{where} have {what} that the {side} vocabulary lacks, read as {UNKNOWN}; first on line {line}"
