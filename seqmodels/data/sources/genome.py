"""Genomes to model letter by letter: FASTA, FASTQ or GenBank files as streams, one per record."""

from __future__ import annotations

from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np

from seqmodels.data.columns.splits.shares import by_position, check_fractions
from seqmodels.data.encode.alphabet import Alphabet, alphabet_of, check_kmer
from seqmodels.data.encode.next_token import NextToken
from seqmodels.data.encode.token_file import TokenFile, cached, write_tokens
from seqmodels.data.files.find import naming
from seqmodels.data.read.fasta import find_records, read_pieces
from seqmodels.data.sources.base import DataSource
from seqmodels.dataset import SequenceDataset
from seqmodels.kinds import Share, whole
from seqmodels.registry import register
from seqmodels.spec import Spec, Text


@register("data", "genome")
class GenomeSource(DataSource):
    """Genomes or proteins to model: the first part for training, the last for evaluation.

    >>> source = GenomeSource()
    >>> source.describe()
    'shipped:lambda_phage.fasta.gz: 48,502 letters of dna in 1 record; train 38,802, val 4,850, test 4,850'
    >>> inputs, targets = source.splits()["train"].read(0, 0, 4)
    >>> inputs.tolist(), targets.tolist()
    ([2, 2, 2, 1], [2, 2, 1, 2])

    Records are laid end to end and cut by position; each is a stream of its own. With `kmer` above 1 an
    input is the letter together with those before it, as one of ``size ** kmer`` tokens; the target is
    always the next letter. Qualities of FASTQ are dropped.

    Args:
        path: a FASTA, FASTQ or GenBank file (gzipped or not), a folder of them, or a pattern;
            ``shipped:lambda_phage.fasta.gz`` comes with the package.
        alphabet: "dna" or "protein"; lower case is read as upper case.
        ambiguous: letters that stand for one of several (N, R, Y ...) are "unknown", one token, or an "error".
        kmer: letters in an input.
        reverse_complement: whether to train on the other strand of the training part too.
        val_fraction, test_fraction: share of the letters, taken from the end.
        cache_dir: where the tokens are kept; null for the user's cache folder.

    """

    suits: ClassVar = {"task": "language_modelling", "head": "many_to_many"}

    def __init__(
        self,
        path: str = "shipped:lambda_phage.fasta.gz",
        alphabet: Literal["dna", "protein"] = "dna",
        ambiguous: Literal["unknown", "error"] = "unknown",
        kmer: Annotated[int, whole(1, 1000)] = 1,
        reverse_complement: bool = False,
        val_fraction: Share = 0.1,
        test_fraction: Share = 0.1,
        cache_dir: str | None = None,
    ) -> None:
        letters = Alphabet(alphabet, ambiguous).letters
        check_fractions(val_fraction, test_fraction)
        if reverse_complement and alphabet != "dna":
            raise ValueError("data.reverse_complement: only DNA has another strand; set it to false")
        self.path, self.cache_dir, self.alphabet, self.ambiguous = path, cache_dir, alphabet, ambiguous
        self.both, self.val_fraction, self.test_fraction = reverse_complement, val_fraction, test_fraction
        self.spec = Spec(
            inputs="tokens",
            input_size=len(letters) ** check_kmer(kmer, alphabet),
            targets="tokens",
            target_size=len(letters),
            target_shape="step",
            input_names=letters,
            target_names=letters,
            text=Text(alphabet=alphabet, kmer=kmer),
        )

    def describe(self) -> str:
        parts = ", ".join(f"{name} {part.stop - part.start:,}" for name, part in self._cuts().items())
        count = len(self._tokens.about["edges"]) - 1
        records = f"{count:,} record{'s' * (count > 1)}"
        return f"{self.path}: {len(self._tokens):,} letters of {self.alphabet} in {records}; {parts}"

    def splits(self) -> dict[str, SequenceDataset]:
        edges = np.array(self._tokens.about["edges"], dtype=np.int64)
        empty, unknown = self._tokens.about["empty"], self._tokens.about["unknown"]
        if self._tokens.about.get("kinds") == 1:
            raise ValueError(f"{self.path}: expected different letters, got one only: there is nothing to learn")
        self.notes = [f"{empty:,} records have no letters and are left out"] if empty else []
        self.notes += [f"{unknown:,} letters are not known ({self.spec.target_names[-1]})"] if unknown else []
        splits: dict[str, SequenceDataset] = {}
        for name, cut in self._cuts().items():
            parts = clip(edges, cut.start, cut.stop)
            if not len(parts):
                raise ValueError(
                    f"{self.path}: the part {name!r} has {cut.stop - cut.start} letters, and no two in one record; "
                    "give longer records" + ("" if name == "train" else f", or set data.{name}_fraction=0")
                )
            lost = cut.stop - cut.start - int(np.diff(parts).sum())
            self.notes += [f"{lost:,} letters of {name} have no other beside them and are left out"] if lost else []
            splits[name] = NextToken(self.spec, self._tokens, parts, both=self.both and name == "train")
        return splits

    def _cuts(self) -> dict[str, slice]:
        count = len(self._tokens)
        with naming(self.path):
            return by_position(count, self.val_fraction, self.test_fraction)

    @cached_property
    def _tokens(self) -> TokenFile:
        return encode_file(self.path, Alphabet(self.alphabet, self.ambiguous), self.cache_dir)

    @classmethod
    def open(cls, path: str, spec: Spec, targets: bool | None = None, **options: Any) -> SequenceDataset:
        """Open other genomes as `DataSource.open` does.

        Without targets the last letter, which has none, is an input too: what comes after it is foretold.
        """
        source = cls(path, **options)
        tokens = encode_file(path, Alphabet(alphabet_of(spec), source.ambiguous), source.cache_dir)
        edges = np.array(tokens.about["edges"], dtype=np.int64)
        parts = clip(edges, 0, len(tokens), least=2 if targets else 1)
        if not len(parts):
            raise ValueError(f"{path}: expected a record of two letters or more, got none")
        dataset = NextToken(spec, tokens, parts, whole=not targets)
        names = np.array(tokens.about["names"], dtype=object)
        dataset.origins = [{"record": name} for name in names[np.searchsorted(edges, parts[:, 0], side="right") - 1]]
        return dataset


def clip(edges: np.ndarray, start: int, stop: int, least: int = 2) -> np.ndarray:
    """Cut the records to those between two places, int64 ``(N, 2)``; none shorter than `least`.

    >>> clip(np.array([0, 4, 9]), 3, 8).tolist()
    [[4, 8]]
    """
    inner = np.unique(np.clip(edges, start, stop))
    parts = np.array(list(pairwise(inner.tolist())), dtype=np.int64).reshape(-1, 2)
    return parts[np.diff(parts).ravel() >= least]


def encode_file(path: str, alphabet: Alphabet, cache_dir: str | None) -> TokenFile:
    """Encode the letters of all records as a token file, which knows where records begin and their names."""
    files = find_records(path)
    options = {"kind": "genome", "alphabet": alphabet.name, "ambiguous": alphabet.ambiguous}
    return cached(cache_dir, files, options, lambda folder: _encode(folder, files, alphabet))


def _encode(folder: Path, files: list[Path], alphabet: Alphabet) -> TokenFile:
    starts: list[int] = []
    names: list[str] = []
    about: dict[str, Any] = {}
    count, seen = 0, np.zeros(len(alphabet.letters), np.int64)

    def parts() -> Any:
        nonlocal count
        for piece in (piece for file in files for piece in read_pieces(file)):
            tokens = alphabet.encode(piece)
            if piece.first:
                starts.append(count)
                names.append(piece.name)
            seen[:] += np.bincount(tokens, minlength=len(seen))
            count += len(tokens)
            yield tokens
        if count == 0:
            raise ValueError(f"{', '.join(map(str, files[:3]))}: expected letters, got records without any")
        full = np.flatnonzero(np.diff([*starts, count]))
        about.update(edges=[*(starts[i] for i in full), count], names=[names[i] for i in full])
        about.update(empty=len(starts) - len(full), unknown=int(seen[-1]), kinds=int(np.count_nonzero(seen)))

    return write_tokens(folder, parts(), np.dtype(np.uint8), about)
