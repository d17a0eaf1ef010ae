"""The entry point: finds the verb, and turns whatever goes wrong into one short message."""

import atexit
import contextlib
import importlib
import os
import signal
import sys
from collections.abc import Callable

from seqmodels import stopping
from seqmodels.cli import help, light
from seqmodels.cli.errors import FAILURE, USAGE, ConfigError, is_out_of_memory
from seqmodels.quoting import suggest
from seqmodels.training.processes import launchers

# Module and function of verbs that are not called like both.
ELSEWHERE = {"evaluate": "runs.evaluate", "generate": "runs.generate", "list": "listing.listing"}
# Verbs that write or take long, and would do so in each of a launcher's processes.
ALONE = {"evaluate", "predict", "generate", "forecast", "backtest", "transcribe", "translate", "benchmark"}


def main(arguments: list[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: what follows the command's name; None for those of the process.

    Returns:
        The exit code: 0, 1 (data or run), 2 (command line or config), 128 + n (stopped by signal n: 130 by Ctrl-C).
    """
    is_process = arguments is None
    if is_process:
        # Processes that are started later would look for modules in the working folder first.
        os.environ.setdefault("PYTHONSAFEPATH", "1")
        light.install()
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    title = "seqmodels" + (f" {arguments[0]}" if arguments and arguments[0] in help.VERBS else "")
    stopped = True
    try:
        _open_streams()
        stopping.listen(title)
        code = _answer(arguments, title)
        stopping.ended()
        stopped = False
    except stopping.Stopped as stop:
        code = _say_stopped(title, stop.number)
    except KeyboardInterrupt:  # a library's own
        code = _say_stopped(title, signal.SIGINT)
    except BrokenPipeError:
        code = _say_stopped(title, stopping.READER_LEFT or signal.SIGTERM)
    finally:
        if not (is_process and stopped):
            stopping.leave()
    if is_process and stopped:
        _end(code)
    return code


def _answer(arguments: list[str], title: str) -> int:
    """Run the command, and turn what goes wrong in it into a message and an exit code."""
    if "--debug" in arguments:
        arguments.remove("--debug")
        os.environ["SEQMODELS_DEBUG"] = "1"
    if os.environ.get("SEQMODELS_DEBUG", "0") not in ("", "0"):
        return _dispatch(arguments)
    try:
        code = _dispatch(arguments)
        sys.stdout.flush()  # while what goes wrong in it can still be said
        return code
    except ConfigError as error:
        _report(title, *error.problems)
        return USAGE
    except BrokenPipeError:
        raise
    except Exception as error:
        _report(title, explain(error))
        return FAILURE


def _end(code: int) -> None:
    """End the process now, with what has to be done at exit; not with all that Python tidies up, which takes seconds.

    Nothing is added to what was said.
    """
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
    stopping.discard(1)
    stopping.discard(2)
    atexit._run_exitfuncs()
    os._exit(code)


def _open_streams() -> None:
    """Let a standard stream that was closed, as by ``>&-``, be one that goes nowhere."""
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:
            stopping.discard(number)
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115


def _say_stopped(title: str, number: int) -> int:
    """Say in one line what a signal stopped, and how to go on; a reader that had enough, as `head`, is told nothing."""
    stopping.ended()
    words = stopping.in_words(number)
    if number != stopping.READER_LEFT or not words.endswith(stopping.AGAIN):
        with contextlib.suppress(OSError):
            _report(title, words)
    return 128 + number


def explain(error: Exception) -> str:
    """Say what went wrong outside the config: our errors as they are, others with their kind."""
    if isinstance(error, ValueError) or (isinstance(error, OSError) and error.strerror is None):
        return str(error)
    if isinstance(error, OSError):
        return f"{error.strerror}: {error.filename}" if error.filename else str(error.strerror)
    first = str(error).strip().split("\n", 1)[0]
    if is_out_of_memory(error):
        return f"more memory is wanted than there is ({first}): make the sizes of the model, batches or data smaller"
    return f"{type(error).__name__}: {first} (--debug shows the traceback)"


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
    if verb not in help.VERBS:
        raise ConfigError(f"there is no verb {verb!r}{suggest(verb, help.VERBS) or ';'} verbs: {', '.join(help.VERBS)}")
    if "-h" in rest or "--help" in rest:
        print(help.VERBS[verb] + _chosen_parts(rest), end="")
        return 0
    try:
        os.getcwd()
    except OSError:  # libraries go wrong in it, each in its own way
        raise OSError("the working folder is not there any more: change to another") from None
    if verb in ALONE:
        launchers.refuse_several(verb)
    return function_of(verb)(rest)


def function_of(verb: str) -> Callable[[list[str]], int]:
    """Return what a verb does with its arguments; only its own module is imported."""
    module, name = ELSEWHERE.get(verb, f"{verb}.{verb}").split(".")
    function: Callable[[list[str]], int] = getattr(importlib.import_module(f"seqmodels.cli.verbs.{module}"), name)
    return function


def _chosen_parts(arguments: list[str]) -> str:
    """Return the options of the parts that a command chooses, in words."""
    if not any(word.partition("=")[0] in help.PARTS for word in arguments):
        return ""
    from seqmodels.cli.config.library import Library
    from seqmodels.cli.rules.explain import described

    library, text = Library(), ""
    for group, _, name in (word.partition("=") for word in arguments):
        values = library.read(group, name) if group in help.PARTS and library.has(group, name) else {}
        part = library.part(group, values.get("name"))
        if part is not None:
            lines = [f"{group}={name}: {library.options(group)[name]}", *described(part, values)]
            text += "\n" + "\n".join(lines) + "\n"
    return text


def _report(title: str, *problems: str) -> None:
    try:
        from seqmodels.cli.screen import report
    except ImportError:
        print(f"{title}: {'; '.join(problems)}", file=sys.stderr)
    else:
        report(title, problems)


if "--multiprocessing-fork" in sys.orig_argv:  # a process of ours reads this before anything that takes long
    stopping.follow_parent(at_once=True)
