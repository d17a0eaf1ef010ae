"""Text to words and back."""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Sequence
from functools import cache

import numpy as np

# No blank is written before these, none after those. Signs as wide as a Chinese character have their room in them.
_WIDE = "、。〈〉《》「」『』【】〔〕〖〗！（），．：；？［］｛｝"
_NO_BLANK_BEFORE, _NO_BLANK_AFTER = set("\n.,;:!?)]}”’»…।॥،؛؟۔་" + _WIDE), set("\n([{“‘„«$€£¥#¿¡་" + _WIDE)
# Joiners that stand within words, as between the letters of Persian and of the scripts of India.
_JOINERS = "\u200c\u200d"
_LAST_MARK = 0x20000  # above it there are no marks but selectors of variants
_SELECTORS = "\U000e0100-\U000e01ef\U0001f3fb-\U0001f3ff"  # the latter of colours of skin


@cache
def _pattern() -> re.Pattern[str]:
    """Compile what a word is: a line end, a number with its signs, a word with its marks, or another sign."""
    ranges, start = [], None
    for code in range(_LAST_MARK + 1):
        is_mark = unicodedata.category(chr(code))[0] == "M"
        if is_mark and start is None:
            start = code
        elif not is_mark and start is not None:
            ranges.append(f"{chr(start)}-{chr(code - 1)}")
            start = None
    marks = f"{''.join(ranges)}{_SELECTORS}{_JOINERS}"
    digits = r"\d+(?:[.,:٫٬]\d+)"
    number = rf"{digits}*[%٪]|{digits}*[eE][+-]?\d+|{digits}+"
    letters, sign = rf"\w[\w{marks}]*", rf"[\U0001f1e6-\U0001f1ff]{{2}}|[^\w\s][{marks}]*"
    signs = rf"(?:{sign})(?:(?<=\u200d)(?:{sign}))*"  # one picture made of several
    return re.compile(rf"\n|(?:{number})(?![\w{marks}])|{letters}(?:['’\-]{letters})*|{signs}")


def split_words(text: str) -> list[str]:
    r"""Split a text into words and signs; a word has its combining marks, and a number its points and commas.

    >>> split_words("To be, or not?\nHeav'n")
    ['To', 'be', ',', 'or', 'not', '?', '\n', "Heav'n"]
    >>> split_words("हिन्दी भाषा: 1,250.75 or 12.5%.")
    ['हिन्दी', 'भाषा', ':', '1,250.75', 'or', '12.5%', '.']
    """
    return _pattern().findall(text)


def join_words(words: Sequence[str]) -> str:
    """Join words into a text, with blanks where one writes them.

    >>> join_words(["To", "be", ",", "or", "not", "?"])
    'To be, or not?'
    >>> join_words(["आधुनिक", "पाठ", "।"])
    'आधुनिक पाठ।'
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
        """Return the characters of texts one after another, and how many each has."""
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
        return list(self._code)

    def tokens(self, texts: Sequence[str]) -> tuple[np.ndarray, list[int]]:
        """Return the words of texts one after another, and how many each has."""
        words, code = list(map(split_words, texts)), self._code
        found = [code.setdefault(word, len(code)) for own in words for word in own]
        return np.array(found, np.int32), list(map(len, words))
