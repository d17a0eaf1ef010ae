"""What comes from data or from a command line, quoted in messages: short, and nothing in it acts on a terminal."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Iterable

from seqmodels.escaping import on_screen

# Characters of one quoted piece, of a quoted path, of a whole message and its shown end; and pieces of a list.
PIECE, PATH, MESSAGE, TAIL, LISTED = 60, 250, 1500, 500, 20
# Names that are searched for one that was meant.
SEARCHED = 2000


def shown(value: object, most: int = PIECE) -> str:
    r"""A value quoted as Python writes it, its middle left out where it is long.

    >>> shown("spam"), shown("x" * 9999, 10), shown("a\x1b[2J"), shown(b"\0")
    ("'spam'", "'xxx … xxxx'", "'a\\x1b[2J'", "b'\\x00'")
    """
    if isinstance(value, str) and len(value) > 2 * most:  # without all of megabytes written once more
        value = value[:most] + value[-most:]
    return _shortened(repr(value), most + 2, most // 2)


def listed(names: Iterable[str], most: int = LISTED, quoted: bool = False) -> str:
    """Names with commas between them: the first, and how many more there are.

    >>> listed(["a", "b"]), listed(map(str, range(30)), 3), listed(["a", "b"], quoted=True)
    ('a, b', '0, 1, 2 and 27 more', "'a', 'b'")
    """
    every = list(names)
    words = ", ".join(shown(name) if quoted else shown(name)[1:-1] for name in every[:most])
    return words + (f" and {len(every) - most:,} more" if len(every) > most else "")


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The name that is closest to a word, as a whole or in one of its parts; None if none is close.

    Words and lists so long that it would take seconds are not searched.

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
    """``; did you mean 'x'?`` where one of `known` is close to `word`, else nothing.

    >>> suggest("lsmt", ["gru", "lstm"])
    "; did you mean 'lstm'?"
    """
    close = nearest(word, known)
    return "" if close is None else f"; did you mean {close!r}?"


def _alike(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, one, other).ratio()


def bounded(message: str) -> str:
    r"""A message of bounded length, without its middle, and with control characters written out.

    >>> bounded("my.csv, line 3: got '\x1b[31m'")
    "my.csv, line 3: got '\\x1b[31m'"
    """
    if len(message) > 2 * MESSAGE:
        message = message[: 2 * MESSAGE - TAIL] + message[-TAIL:]  # its own shortening needs no more
    return _shortened(on_screen(message), MESSAGE, TAIL)


def _shortened(text: str, most: int, tail: int) -> str:
    """
    >>> _shortened("abcdefghij", 8, 2)
    'abc … ij'
    """
    return text if len(text) <= most else f"{text[: most - tail - 3]} … {text[len(text) - tail :]}"
