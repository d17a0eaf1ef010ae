r"""Escaping of text from data for a terminal, Markdown and spreadsheets.

>>> on_screen("a\x1b[2Jb"), in_markdown("![x](http://y) <b>"), in_cell("=1+1"), in_cell("-1.5")
('a\\x1b[2Jb', '!\\[x\\](http://y) \\<b>', "'=1+1", '-1.5')
"""

from __future__ import annotations

import re
from typing import Any

# Control characters except tabs and line ends, and those that change the text direction.
_ACTING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
# Start of a formula in a spreadsheet, after our own marks; also with full-width signs.
_FORMULA = re.compile("'*(?:[ \u00a0\u3000]*[=+\\-@＝＋－＠]|[\t\r\n])")


def on_screen(text: str) -> str:
    """Escape the control characters of a text, so that a terminal does not obey them."""
    return _ACTING.sub(lambda found: found[0].encode("unicode_escape", "surrogatepass").decode(), text)


def in_markdown(text: str) -> str:
    """Escape a text as one line of Markdown: no image, link, tag, code or table cell begins in it."""
    return re.sub(r"([\\`\[\]<|])", r"\\\1", on_screen(" ".join(text.split())))


def fenced(text: str, kind: str = "text") -> str:
    """Return a fenced block of Markdown with the text; no fence in the text ends it."""
    lines = [on_screen(line) for line in text.splitlines()]
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return "\n".join([f"{fence}{kind}", *lines, fence])


def in_cell(value: Any) -> Any:
    """Escape a table cell: a text that a spreadsheet would read as a formula gets a leading ``'``; numbers stay.

    A text with such signs after leading ``'`` gets one more, so that the first ``'`` is never part of the text.
    """
    if not isinstance(value, str) or not _FORMULA.match(value):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value
