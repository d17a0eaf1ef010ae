"""Printing: colours where there is a terminal, plain text where there is none."""

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from seqmodels.cli.errors import MOST_PROBLEMS
from seqmodels.quoting import bounded
from seqmodels.terminal import Screen


def console(stderr: bool = False) -> Console:
    """Return a console that never wraps what is piped elsewhere."""
    return Screen(stderr=stderr, highlight=False, markup=False, soft_wrap=True)


def report(title: str, problems: Sequence[str]) -> None:
    """Print one problem on a line, or several below a count; each, and how many, of bounded length."""
    screen = console(stderr=True)
    if len(problems) == 1:
        screen.print(Text.assemble((f"{title}: ", "bold red"), bounded(problems[0])))
        return
    screen.print(Text.assemble((f"{title}: ", "bold red"), f"{len(problems)} problems"))
    for problem in problems[:MOST_PROBLEMS]:
        screen.print(f"  {bounded(problem)}")
    if len(problems) > MOST_PROBLEMS:
        screen.print("  and more")
