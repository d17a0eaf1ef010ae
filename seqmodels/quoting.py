"""Quoting of data and command-line text in messages: short, and without effect on a terminal."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Iterable

from seqmodels.escaping import on_screen

# Largest length of a quoted value, a quoted path, a message and its end, and of a list of names.
PIECE, PATH, MESSAGE, TAIL, LISTED = 60, 250, 1500, 500, 20
# Largest number of names searched for a suggestion.
SEARCHED = 2000


def shown(value: object, most: int = PIECE) -> str:
    r"""Return the repr of a value, with the middle of a long one omitted.

    >>> shown("spam"), shown("x" * 9999, 10), shown("a\x1b[2J"), shown(b"\0")
    ("'spam'", "'xxx … xxxx'", "'a\\x1b[2J'", "b'\\x00'")
    """
    if isinstance(value, str) and len(value) > 2 * most:  # without escaping megabytes
        value = value[:most] + value[-most:]
    return _shortened(repr(value), most + 2, most // 2)


def listed(names: Iterable[str], most: int = LISTED, quoted: bool = False) -> str:
    """Join names by commas: the first ones, and the number of the rest.

    >>> listed(["a", "b"]), listed(map(str, range(30)), 3), listed(["a", "b"], quoted=True)
    ('a, b', '0, 1, 2 and 27 more', "'a', 'b'")
    """
    every = list(names)
    words = ", ".join(shown(name) if quoted else shown(name)[1:-1] for name in every[:most])
    return words + (f" and {len(every) - most:,} more" if len(every) > most else "")


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the name closest to a word, as a whole or in one of its parts; None if none is close.

    Long words and lists, which would take seconds, are not searched.

    >>> nearest("lable", ["x", "label"]), nearest("hiden", ["dropout", "hidden_sizes"]), nearest("x" * 9999, ["x"])
    ('label', 'hidden_sizes', None)
    """
    if len(word) > 4 * PIECE:
        return None

    def score(name: str) -> float:
        parts = [part for part in name.split("_") if len(part) > 3]
        return max(_alike(word, name), *(0.9 * _alike(word, part) for part in parts), 0)

    best = max((name for name in itertools.islice(known, SEARCHED) if len(name) <= 4 * PIECE), key=score, default=None)
    return best if best is not None and score(best) >= 0.6 else None


def suggest(word: str, known: Iterable[str]) -> str:
    """Return ``; did you mean 'x'?`` if one of `known` is close to `word`, else an empty string.

    >>> suggest("lsmt", ["gru", "lstm"])
    "; did you mean 'lstm'?"
    """
    close = nearest(word, known)
    return "" if close is None else f"; did you mean {close!r}?"


def _alike(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, one, other).ratio()


def bounded(message: str) -> str:
    r"""Shorten a message to bounded length by omitting its middle, and escape control characters.

    >>> bounded("my.csv, line 3: got '\x1b[31m'")
    "my.csv, line 3: got '\\x1b[31m'"
    """
    if len(message) > 2 * MESSAGE:
        message = message[: 2 * MESSAGE - TAIL] + message[-TAIL:]  # enough for the shortening below
    return _shortened(on_screen(message), MESSAGE, TAIL)


def _shortened(text: str, most: int, tail: int) -> str:
    """Omit the middle of a text longer than `most`, keeping `tail` characters of its end.

    >>> _shortened("abcdefghij", 8, 2)
    'abc … ij'
    """
    return text if len(text) <= most else f"{text[: most - tail - 3]} … {text[len(text) - tail :]}"
