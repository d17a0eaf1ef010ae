"""Text to tokens and back, from what a `Spec` holds.

Three levels: a token is a character (a code point), a byte of UTF-8, or a word. Words are runs of
letters and digits, with apostrophes and hyphens inside; every other sign and every line end is a
token of its own; blanks are not kept.
"""

from __future__ import annotations

import codecs
import itertools
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from seqmodels.data.columns.words import join_words, split_words
from seqmodels.quoting import shown
from seqmodels.spec import Spec

LEVELS = ("character", "byte", "word")
UNKNOWN = "<unk>"
# What was seen less often in training is unknown, so that the model learns what an unknown token is like.
FEWEST_SEEN = 2
SHOWN = 5  # how many characters or words without a token a message names
#: The names of the 256 byte tokens: the character where it can be printed.
BYTE_NAMES = tuple(chr(b) if 32 <= b < 127 or b == 10 else f"\\x{b:02x}" for b in range(256))


def encode(text: str, spec: Spec) -> np.ndarray:
    """Encode a text as tokens, int64 ``(T,)``.

    >>> from seqmodels.spec import Text
    >>> spec = Spec("tokens", 3, "tokens", 3, "step", ("a", "b", "c"), text=Text("character"))
    >>> encode("cab", spec).tolist()
    [2, 0, 1]

    Raises:
        ValueError: the text has characters or words that the vocabulary does not.
    """
    return Vocabulary.of(spec).tokens(text)


def decode(tokens: Sequence[int] | np.ndarray, spec: Spec) -> str:
    """Decode tokens to a text, up to the stop token where the spec has one.

    >>> spec = Spec("tokens", 3, "tokens", 3, "step", ("a", "b", "c"), ("a", "b", "c"))
    >>> decode([2, 0, 1], spec)
    'cab'
    """
    ids = [int(token) for token in tokens]
    if spec.stop in ids:
        ids = ids[: ids.index(spec.stop)]
    return Vocabulary(_level(spec), spec.target_names).text(ids)


def decode_pieces(pieces: Iterable[Sequence[int]], spec: Spec) -> Iterator[str]:
    """Yield what `decode` gives for the tokens of all pieces together, as soon as it is known.

    >>> words = ("to", "be", ",")
    >>> from seqmodels.spec import Text
    >>> spec = Spec("tokens", 3, "tokens", 3, "step", words, words, text=Text("word"))
    >>> list(decode_pieces([[0], [1, 2], [0]], spec))
    ['to', ' be,', ' to', '']
    """
    vocabulary = Vocabulary(_level(spec), spec.target_names)
    reader = codecs.getincrementaldecoder("utf-8")("replace")
    before: list[int] = []  # the token that says whether there is a blank after it
    for piece in pieces:
        new = list(itertools.takewhile(lambda token: token != spec.stop, piece))
        if vocabulary.level == "byte":
            yield reader.decode(bytes(new))
        else:
            yield vocabulary.text([*before, *new])[len(vocabulary.text(before)) :]
        if len(new) < len(piece):
            break
        before = (before + new)[-1:]
    yield reader.decode(b"", final=True)


class Vocabulary:
    """The names of the tokens, and the way between them and text.

    Args:
        level: "character", "byte" or "word".
        names: one per token; `UNKNOWN` stands for what has no token.
    """

    def __init__(self, level: str, names: Sequence[str]) -> None:
        self.level, self.names = level, tuple(names)
        self._ids = {name: i for i, name in enumerate(self.names)}
        if level == "character":
            known = [(ord(name), i) for i, name in enumerate(self.names) if len(name) == 1]
            # The last entry stands for every character above the highest known one.
            self._table = np.full(max((code for code, _ in known), default=0) + 2, -1, dtype=np.int64)
            for code, token in known:
                self._table[code] = token

    @classmethod
    def of(cls, spec: Spec) -> Vocabulary:
        """Return the vocabulary of a data set's inputs."""
        return cls(_level(spec), spec.input_names)

    def tokens(self, text: str | bytes, unknown: bool = False, line: int | None = None) -> np.ndarray:
        """Encode a text as tokens int64 ``(T,)``.

        Args:
            text: the text; for bytes either.
            unknown: whether what the vocabulary has not becomes its token for that, if it has one.
            line: on which line of a file the text begins, for the message.

        Raises:
            ValueError: characters or words that have no token.
        """
        if self.level == "byte":
            return np.frombuffer(text if isinstance(text, bytes) else text.encode(), np.uint8).astype(np.int64)
        units: Sequence[str] = split_words(str(text)) if self.level == "word" else str(text)
        if self.level == "word":
            tokens = np.array([self._ids.get(word, -1) for word in units], dtype=np.int64)
        else:
            tokens = self._table[np.minimum(code_points(str(text)), len(self._table) - 1)]
        if unknown and UNKNOWN in self._ids:
            return np.where(tokens < 0, self._ids[UNKNOWN], tokens)
        places = np.flatnonzero(tokens < 0)
        if len(places):
            missing = list(dict.fromkeys(units[place] for place in places.tolist()))
            where = "" if line is None else f", first on line {line + list(units[: places[0]]).count(chr(10))}"
            raise ValueError(
                f"the text has {describe(len(places), missing, self.level)} that the vocabulary of {len(self.names)} "
                f"lacks{where}; leave them out, or train on text that has them"
            )
        return tokens

    def text(self, tokens: Sequence[int]) -> str:
        """Decode tokens to a text. Bytes that are not UTF-8 become U+FFFD."""
        if self.level == "byte":
            return bytes(tokens).decode("utf-8", errors="replace")
        names = [self.names[token] for token in tokens]
        return "".join(names) if self.level == "character" else join_words(names)


def code_points(text: str) -> np.ndarray:
    """Return the code points of a text, uint32 ``(T,)``."""
    return np.frombuffer(text.encode("utf-32-le"), np.uint32)


def describe(count: int, names: Sequence[str], level: str) -> str:
    """Say which characters or words have no token.

    >>> describe(4, ["é", "ß"], "character")
    "4 characters ('é', 'ß')"
    """
    some = ", ".join(map(shown, names[:SHOWN])) + (", …" if len(names) > SHOWN else "")
    return f"{count} {level}{'s' if count > 1 else ''} ({some})"


def _level(spec: Spec) -> str:
    return spec.level or "character"
