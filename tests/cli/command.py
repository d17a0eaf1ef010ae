"""How a command ended, and what it says of problems."""

from typing import NamedTuple


class Result(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


def said(verb: str, *problems: str) -> str:
    """What the command prints for these problems."""
    if len(problems) == 1:
        return f"seqmodels {verb}: {problems[0]}\n"
    return f"seqmodels {verb}: {len(problems)} problems\n" + "".join(f"  {problem}\n" for problem in problems)
