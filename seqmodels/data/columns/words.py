"""Text to words and back."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence

import numpy as np

_NO_BLANK_BEFORE, _NO_BLANK_AFTER = set("\n.,;:!?)]}”%…"), set("\n([{“‘$#")
_WORD = re.compile(r"\n|\w+(?:['’\-]\w+)*|[^\w\s]")


def split_words(text: str) -> list[str]:
    r"""The word tokens of a text.

    >>> split_words("To be, or not?\nHeav'n")
    ['To', 'be', ',', 'or', 'not', '?', '\n', "Heav'n"]
    """
    return _WORD.findall(text)


def join_words(words: Sequence[str]) -> str:
    """Words as text, with blanks where one writes them.

    >>> join_words(["To", "be", ",", "or", "not", "?"])
    'To be, or not?'
    """
    parts: list[str] = []
    for before, word in zip(["\n", *words], words, strict=False):
        parts.append(word if before in _NO_BLANK_AFTER or word in _NO_BLANK_BEFORE else " " + word)
    return "".join(parts)


class Characters:
    """Characters, numbered as they are found.

    >>> Characters().tokens(["ba", "b"])
    (array([0, 1, 0], dtype=int32), [2, 1])
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self._code = np.full(sys.maxunicode + 1, -1, np.int32)

    def tokens(self, texts: Sequence[str]) -> tuple[np.ndarray, list[int]]:
        """The characters of some texts one after another, and how many each has."""
        joined = "".join(texts)
        points = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), np.uint32)
        found = self._code[points]
        if (found < 0).any():
            for character in dict.fromkeys(joined):
                if self._code[ord(character)] < 0:
                    self._code[ord(character)] = len(self.names)
                    self.names.append(character)
            found = self._code[points]
        return found, list(map(len, texts))


class Words:
    """Words, numbered as they are found.

    >>> Words().tokens(["to be, to"])
    (array([0, 1, 2, 0], dtype=int32), [4])
    """

    def __init__(self) -> None:
        self._code: dict[str, int] = {}

    @property
    def names(self) -> list[str]:
        """The words by their number."""
        return list(self._code)

    def tokens(self, texts: Sequence[str]) -> tuple[np.ndarray, list[int]]:
        """The words of some texts one after another, and how many each has."""
        words, code = list(map(split_words, texts)), self._code
        found = [code.setdefault(word, len(code)) for own in words for word in own]
        return np.array(found, np.int32), list(map(len, words))
