"""What comes from data or from a command line, quoted in messages: short, and nothing in it acts on a terminal."""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Iterable

# Characters of one quoted piece, of a quoted path, of a whole message and its shown end; and pieces of a list.
PIECE, PATH, MESSAGE, TAIL, LISTED = 60, 250, 1500, 500, 20
# Names that are searched for one that was meant.
SEARCHED = 2000
# Control characters, but for tabs and line ends, and those that turn the direction of what follows.
_ACTING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


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
    """The name that a word may have been meant for; none for words and lists so long that it would take seconds.

    >>> nearest("lable", ["x", "label"]), nearest("x" * 9999, ["x"])
    ('label', None)
    """
    short = [name for name in itertools.islice(known, SEARCHED) if len(name) <= 4 * PIECE]
    return next(iter(difflib.get_close_matches(word, short, n=1)), None) if len(word) <= 4 * PIECE else None


def bounded(message: str) -> str:
    r"""A message of bounded length, without its middle, and with control characters written out.

    >>> bounded("my.csv, line 3: got '\x1b[31m'")
    "my.csv, line 3: got '\\x1b[31m'"
    """
    if len(message) > 2 * MESSAGE:
        message = message[: 2 * MESSAGE - TAIL] + message[-TAIL:]  # its own shortening needs no more
    written = _ACTING.sub(lambda found: found[0].encode("unicode_escape").decode(), message)
    return _shortened(written, MESSAGE, TAIL)


def _shortened(text: str, most: int, tail: int) -> str:
    """
    >>> _shortened("abcdefghij", 8, 2)
    'abc … ij'
    """
    return text if len(text) <= most else f"{text[: most - tail - 3]} … {text[len(text) - tail :]}"
