"""Kinds of texts on one side of a file of pairs: words, strings of symbols, or sentences."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Sequence

# Pairs that are looked at; and of symbols, such as sounds, the most kinds and the longest on average.
LOOKED_AT, MOST_KINDS, LONGEST = 2000, 200, 3.0


def guess_level(texts: Sequence[str]) -> str:
    """Guess how to cut texts: "symbols" (a few short signs between blanks), "subword" (sentences), "character".

    >>> guess_level(["through", "thorough"]), guess_level(["TH R UW1", "TH ER1 OW0"])
    ('character', 'symbols')
    >>> guess_level(["Where is the station?", "Go on, then turn left."])
    'subword'
    """
    pieces = [text.split() for text in texts]
    count = sum(map(len, pieces))
    if count < 1.5 * len(texts):
        return "character"
    kinds = {piece for some in pieces for piece in some}
    if len(kinds) <= MOST_KINDS and sum(len(piece) for some in pieces for piece in some) <= LONGEST * count:
        return "symbols"
    return "subword"


def suggest_settings(levels: Sequence[str], pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Suggest settings for pairs, by name; levels only where characters are set, the default.

    Sub-words and scores of translations are left out where the libraries for them are not installed.

    >>> suggest_settings(("character", "character"), [("go", "G OW1"), ("see", "S IY1")])
    {'data.target_level': 'symbols'}
    """
    sides = list(zip(*pairs, strict=True))
    found = {}
    for name, level, texts in zip(("source", "target"), levels, sides, strict=False):
        guess = guess_level(texts) if level == "character" else level
        if guess != level and (guess != "subword" or _installed("sentencepiece")):
            found[f"data.{name}_level"] = guess
    if "subword" in (found.get("data.target_level"), levels[1]) and _installed("sacrebleu"):
        found["task.translation_scores"] = "true"
    return found


def _installed(library: str) -> bool:
    return importlib.util.find_spec(library) is not None
