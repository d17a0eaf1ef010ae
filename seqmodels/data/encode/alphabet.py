"""Letters of DNA and of proteins as numbers, and what is said of a letter that is none."""

from __future__ import annotations

import numpy as np

from seqmodels.data.read.fasta import Piece, find_bytes
from seqmodels.spec import Spec

LETTERS = {"dna": "ACGTN", "protein": "ACDEFGHIKLMNPQRSTVWYX"}
AMBIGUOUS = {"dna": "RYSWKMBDHVN", "protein": "BZJUOX"}  # letters that stand for one of several
NONE = 255


class Alphabet:
    """Letters to tokens; the last token stands for what is not known.

    >>> from pathlib import Path
    >>> Alphabet("dna").encode(Piece("x", Path("x.fa"), 1, b"ACgtUnR")).tolist()
    [0, 1, 2, 3, 3, 4, 4]

    Args:
        name: "dna" (A C G T; U is read as T) or "protein". Lower case, which marks repeats, is read as upper case.
        ambiguous: "unknown" reads letters that stand for one of several (N, R, Y ...) as the unknown
            one; "error" refuses them.
    """

    def __init__(self, name: str = "dna", ambiguous: str = "unknown") -> None:
        self.name, self.ambiguous, self.letters = name, ambiguous, tuple(LETTERS[name])
        known = {letter: i for i, letter in enumerate(self.letters[:-1])} | ({"U": 3} if name == "dna" else {})
        if ambiguous == "unknown":
            known |= dict.fromkeys(AMBIGUOUS[name], len(self.letters) - 1)
        self._table = np.full(256, NONE, np.uint8)
        for letter, token in known.items():
            self._table[[ord(letter), ord(letter.lower())]] = token

    def encode(self, piece: Piece) -> np.ndarray:
        """Encode letters as tokens uint8 ``(T,)``.

        Raises:
            ValueError: a letter that is not in the alphabet, and in which line it is.
        """
        # A star is where translation ends.
        letters = piece.letters.removesuffix(b"*") if self.name == "protein" else piece.letters
        tokens: np.ndarray = self._table[np.frombuffer(letters, np.uint8)]
        wrong = np.flatnonzero(tokens == NONE)
        if len(wrong):
            letter = letters[wrong[0] : wrong[0] + 1].decode("latin-1")
            words = "letters of DNA" if self.name == "dna" else "letters of amino acids"
            known = np.flatnonzero(self._table != NONE).astype(np.uint8).tobytes()
            line, place = find_bytes(piece.path, piece.line, known) or (piece.line, int(wrong[0]) + 1)
            cure = self._cure(letter, letters)
            raise ValueError(f"{piece.path}, line {line}: expected {words}, got {letter!r} at place {place}{cure}")
        return tokens

    def _cure(self, letter: str, letters: bytes) -> str:
        if letter.upper() in AMBIGUOUS[self.name]:
            return "; to read letters that stand for one of several as unknown, set data.ambiguous=unknown"
        amino = set((LETTERS["protein"] + AMBIGUOUS["protein"]).encode() + b"*")
        if self.name == "dna" and letter.upper() in "EFILPQ" and set(letters.upper()) <= amino:
            return "; this looks like protein: set data.alphabet=protein"
        return "; remove it"


def alphabet_of(spec: Spec) -> str:
    """Return the name of the alphabet of a data set."""
    return "dna" if spec.text is None or spec.text.alphabet is None else spec.text.alphabet


def check_kmer(kmer: int, alphabet: str, most: int = 2_000_000) -> int:
    """Return `kmer`, where a table of all runs of that many letters is of reasonable size."""
    size = len(LETTERS[alphabet])
    largest = max(k for k in range(1, 30) if size**k <= most)
    if not isinstance(kmer, int) or isinstance(kmer, bool) or not 1 <= kmer <= largest:
        raise ValueError(f"data.kmer must be a whole number from 1 to {largest} for {alphabet}, got {kmer!r}")
    return kmer
