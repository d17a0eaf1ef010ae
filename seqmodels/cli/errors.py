"""What goes wrong before anything runs, and how it is said.

Exit code 2: the command line or the config. Exit code 1: the data, or the run itself. 128 + n: stopped by signal n.
"""

import re
from collections.abc import Iterable

from seqmodels.quoting import suggest

# Problems that are told of one config.
MOST_PROBLEMS = 100
USAGE, FAILURE = 2, 1


class ConfigError(Exception):
    """What is wrong with a command line or a config: every problem that was found, together."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(dict.fromkeys(problems))


def is_out_of_memory(error: Exception) -> bool:
    """Return whether memory was refused, to Python or to torch, which has no class for it on the CPU.

    >>> is_out_of_memory(MemoryError()), is_out_of_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory"))
    (True, True)
    """
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(words in str(error) for words in ("allocate memory", "out of memory"))
    )


def in_words(error: Exception) -> str:
    """Return an error of Hydra, OmegaConf or the YAML reader as one short problem."""
    missing = getattr(error, "missing_cfg_file", None)
    if missing:
        group, _, option = str(missing).rpartition("/")
        return no_option(group, option, getattr(error, "options", None) or [], _where(error))
    mark = getattr(error, "problem_mark", None)
    if mark is not None:
        return f"{mark.name}, line {mark.line + 1}: not valid YAML: {getattr(error, 'problem', error)}"
    no_setting = re.match(r"Could not (?:override|delete from config\.) '([^']+)'[^\n]*(\n|$)", str(error))
    if no_setting:
        return f"{no_setting.group(1)}: there is no such setting"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # OmegaConf adds the key below its message; the rest is about its own types.
    key = next((re.sub(r"^full_key: ", "", line) for line in lines if line.startswith("full_key: ")), None)
    first = lines[0] if lines else type(error).__name__
    return f"{key}: {first}" if key and key not in first else first


def no_option(group: str, option: str, options: Iterable[str], where: str = "") -> str:
    """Return the problem of a choice that does not exist."""
    options = sorted(options)
    if not group:
        return f"{where}there is no config called {option!r}{suggest(option, options)}"
    return f"{where}{group}: there is no {option!r}{suggest(option, options) or ';'} choose from: {', '.join(options)}"


def _where(error: Exception) -> str:
    """Return ``In 'experiment/x': `` where Hydra says in which file the choice was made."""
    found = re.match(r"In '([^']+)': ", str(error))
    return f"{found.group(1)}.yaml: " if found and found.group(1) not in ("train", "hydra/config") else ""
