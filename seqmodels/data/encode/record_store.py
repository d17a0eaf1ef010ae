"""Records of letters on disk: encoded once, and read where they are needed, so that memory does not grow with them.

N records. The folder of the token file also holds `lengths.npy` and `digests.npy`, a number each, and `headers`,
one line for each record: its file's number, its line there, and its header.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from seqmodels.data.dataset import Origins
from seqmodels.data.encode.alphabet import Alphabet
from seqmodels.data.encode.token_file import TokenFile, cached, write_tokens
from seqmodels.data.read.fasta import Piece, read_records
from seqmodels.dataset import SequenceDataset
from seqmodels.spec import Spec

HEADERS, LENGTHS, DIGESTS = "headers", "lengths.npy", "digests.npy"


class RecordStore:
    """The records of some files, encoded, from the cache where they lie already.

    Args:
        files: of FASTA, FASTQ or GenBank.
        alphabet: of their letters.
        cache_dir: where they are kept; None for the user's cache.

    Attributes:
        tokens: of all records, one after the other.
        lengths: int64 ``(N,)``.
        digests: uint64 ``(N,)``, the same for the same letters.

    Raises:
        ValueError: what is wrong with a file, or a record without letters.
    """

    def __init__(self, files: Sequence[Path], alphabet: Alphabet, cache_dir: str | None) -> None:
        self.files = list(files)
        options = {"records": 1, "alphabet": alphabet.name, "ambiguous": alphabet.ambiguous}
        self.tokens = cached(cache_dir, self.files, options, lambda folder: _write(folder, self.files, alphabet))
        self.lengths: np.ndarray = np.load(self.tokens.folder / LENGTHS)
        self.digests: np.ndarray = np.load(self.tokens.folder / DIGESTS)

    def records(self) -> Iterator[Piece]:
        """Yield the records, without their letters."""
        with (self.tokens.folder / HEADERS).open(encoding="utf-8", errors="surrogateescape", newline="\n") as lines:
            for text in lines:
                file, line, header = text.rstrip("\n").split("\t", 2)
                yield Piece(header, self.files[int(file)], int(line), b"")


class RecordSequences(SequenceDataset):
    """Some of the records.

    Args:
        spec: of the sequences.
        store: all records.
        items: which of them, ``(n,)``.
        labels: of each of them its class, ``(n,)``.
        names: of all records.
    """

    def __init__(
        self, spec: Spec, store: RecordStore, items: np.ndarray, labels: np.ndarray, names: Sequence[str]
    ) -> None:
        self.spec, self.tokens, self.labels = spec, store.tokens, labels
        self.lengths = store.lengths[items]
        self.starts = (np.cumsum(store.lengths) - store.lengths)[items]
        self.origins = Origins("record", items, names)

    def read(self, index: int, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        first = int(self.starts[index])
        return self.tokens[slice(first + start, first + stop)].astype(np.int64), self.labels[index]


def _write(folder: Path, files: Sequence[Path], alphabet: Alphabet) -> TokenFile:
    lengths, digests = array("q"), array("Q")
    with (folder / HEADERS).open("w", encoding="utf-8", errors="surrogateescape", newline="\n") as headers:

        def tokens() -> Iterator[np.ndarray]:
            for number, file in enumerate(files):
                for record in read_records(file):
                    if not record.letters:
                        raise ValueError(f"{record.place}: the record {record.name!r} has no letters; remove it")
                    found = alphabet.encode(record)
                    lengths.append(len(found))
                    digest = hashlib.blake2b(found.tobytes(), digest_size=8).digest()
                    digests.append(int.from_bytes(digest, "little"))
                    headers.write(f"{number}\t{record.line}\t{record.header}\n")
                    yield found

        file = write_tokens(folder, tokens(), np.dtype(np.uint8))
    np.save(folder / LENGTHS, np.frombuffer(lengths, np.int64))
    np.save(folder / DIGESTS, np.frombuffer(digests, np.uint64))
    return file
