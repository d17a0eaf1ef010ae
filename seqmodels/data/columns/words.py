"""Text to words and back."""

from __future__ import annotations

import re
from collections.abc import Sequence

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
