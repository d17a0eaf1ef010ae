"""The entry point: finds the verb, and turns whatever goes wrong into one short message."""

from __future__ import annotations

import importlib
import os
import sys

from seqmodels.cli import help
from seqmodels.cli.errors import FAILURE, INTERRUPTED, USAGE, ConfigError, is_out_of_memory, suggest

# Each verb's module and function; only the one that is wanted is imported.
VERBS = {
    "train": ("train", "train"),
    "evaluate": ("runs", "evaluate"),
    "predict": ("predict", "predict"),
    "generate": ("runs", "generate"),
    "forecast": ("forecast", "forecast"),
    "backtest": ("backtest", "backtest"),
    "data": ("data", "data"),
    "report": ("report", "report"),
    "transcribe": ("transcribe", "transcribe"),
    "translate": ("translate", "translate"),
    "list": ("listing", "list_options"),
    "show": ("show", "show"),
    "doctor": ("doctor", "doctor"),
    "benchmark": ("benchmark", "benchmark"),
}


def main(arguments: list[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: what follows the command's name; None for those of the process.

    Returns:
        The exit code: 0, 1 (data or run), 2 (command line or config), 130 (interrupted).
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    _find_plugins_here()
    if "--debug" in arguments:
        arguments.remove("--debug")
        os.environ["SEQMODELS_DEBUG"] = "1"
    if os.environ.get("SEQMODELS_DEBUG", "0") not in ("", "0"):
        return _dispatch(arguments)
    title = "seqmodels" + (f" {arguments[0]}" if arguments and arguments[0] in VERBS else "")
    try:
        code = _dispatch(arguments)
        sys.stdout.flush()  # while what goes wrong in it can still be said
        return code
    except ConfigError as error:
        _report(title, *error.problems)
        return USAGE
    except KeyboardInterrupt:
        _report(title, "interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader went away, as with `| head`: nothing more can be said, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILURE
    except Exception as error:
        _report(title, explain(error))
        return FAILURE


def explain(error: Exception) -> str:
    """An error outside the config in words: ours as it is, others with their kind."""
    if isinstance(error, ValueError) or (isinstance(error, OSError) and error.strerror is None):
        return str(error)
    if isinstance(error, OSError):
        return f"{error.strerror}: {error.filename}" if error.filename else str(error.strerror)
    first = str(error).strip().split("\n", 1)[0]
    if is_out_of_memory(error):
        return f"more memory is wanted than there is ({first}): make the sizes of the model, batches or data smaller"
    return f"{type(error).__name__}: {first} (--debug shows the traceback)"


def _find_plugins_here() -> None:
    """Let `plugins` name modules in the working folder, last, so that they hide no other.

    Python does so for ``python -m seqmodels``, and not for an installed command.
    """
    if not {"", os.getcwd()} & set(sys.path):
        sys.path.append(os.getcwd())


def _dispatch(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        topic = arguments[1] if len(arguments) > 1 else ""
        print(help.VERBS.get(topic, help.OVERVIEW), end="")
        return 0
    if arguments[0] in ("-V", "--version"):
        from seqmodels import __version__

        print(f"seqmodels {__version__}")
        return 0
    verb, *rest = arguments
    if verb not in VERBS:
        raise ConfigError(f"there is no verb {verb!r}{suggest(verb, VERBS) or ';'} verbs: {', '.join(VERBS)}")
    if "-h" in rest or "--help" in rest:
        print(help.VERBS[verb], end="")
        return 0
    module, function = VERBS[verb]
    code: int = getattr(importlib.import_module(f"seqmodels.cli.{module}"), function)(rest)
    return code


def _report(title: str, *problems: str) -> None:
    try:
        from seqmodels.cli.screen import report
    except ImportError:
        print(f"{title}: {'; '.join(problems)}", file=sys.stderr)
    else:
        report(title, problems)
