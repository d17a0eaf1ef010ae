"""Printing: colours where there is a terminal, plain text where there is none."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from seqmodels.terminal import Screen


def console(stderr: bool = False) -> Console:
    """A console that never wraps what is piped elsewhere."""
    return Screen(stderr=stderr, highlight=False, markup=False, soft_wrap=True)


def report(title: str, problems: Sequence[str]) -> None:
    """Print one problem on a line, or several below a count."""
    screen = console(stderr=True)
    if len(problems) == 1:
        screen.print(Text.assemble((f"{title}: ", "bold red"), problems[0]))
        return
    screen.print(Text.assemble((f"{title}: ", "bold red"), f"{len(problems)} problems"))
    for problem in problems:
        screen.print(f"  {problem}")
