r"""What comes from data, shown so that it does nothing: on a terminal, in Markdown, in a spreadsheet.

>>> on_screen("a\x1b[2Jb"), in_markdown("![x](http://y) <b>"), in_cell("=1+1"), in_cell("-1.5")
('a\\x1b[2Jb', '!\\[x\\](http://y) \\<b>', "'=1+1", '-1.5')
"""

from __future__ import annotations

import re
from typing import Any

# Control characters, but for tabs and line ends, and those that turn the direction of what follows.
_ACTING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
# What a spreadsheet takes for a formula, and our own mark before it; and wide forms of the same signs.
_FORMULA = re.compile("'*(?:[ \u00a0\u3000]*[=+\\-@＝＋－＠]|[\t\r\n])")


def on_screen(text: str) -> str:
    """A text whose control characters are written out, so that a terminal does not obey them."""
    return _ACTING.sub(lambda found: found[0].encode("unicode_escape", "surrogatepass").decode(), text)


def in_markdown(text: str) -> str:
    """One line of Markdown that reads as the text does: no picture, link, tag, code or cell of a table begins in it."""
    return re.sub(r"([\\`\[\]<|])", r"\\\1", on_screen(" ".join(text.split())))


def fenced(text: str, kind: str = "text") -> str:
    """A block of Markdown that shows the text as it is; no fence in the text ends it."""
    lines = [on_screen(line) for line in text.splitlines()]
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return "\n".join([f"{fence}{kind}", *lines, fence])


def in_cell(value: Any) -> Any:
    """A cell of a table: a text that a spreadsheet would take for a formula has ``'`` before it; numbers stay.

    Of a text that begins with such signs after one ``'`` or more, the first ``'`` is not its own.
    """
    if not isinstance(value, str) or not _FORMULA.match(value):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value
