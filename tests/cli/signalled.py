"""Commands that are sent a signal in a phase of theirs, each in a process of its own; see `test_signals`.

The processes are forked from one that has imported everything, so that each takes a second and not ten. In a phase
that has no end here, nothing but the signal ends it.
"""

import importlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]
# Seconds that a command has after the signal, and until then.
LIMIT, MOST = 10, 60


class Case(NamedTuple):
    """A signal, the phase in which it comes, whether to the whole group, and the command in its folder."""

    signal: str
    phase: str
    folder: str
    arguments: list[str]
    group: bool = False


class Ended(NamedTuple):
    """How a command ended: seconds since the signal, the exit code, all that it printed."""

    seconds: float
    code: int
    printed: str


# Where a phase is: module, class, function, and in which call of it the signal comes; whether it then goes on.
PHASES: dict[str, tuple[str, str, int, bool]] = {
    "imports": ("seqmodels.cli.main", "importlib.import_module", 1, False),
    "composing": ("seqmodels.cli.verbs.train", "jobs", 1, False),
    "reading": ("seqmodels.training.run", "build_source", 1, False),
    "sanity check": ("seqmodels.training.learner", "Learner.validation_step", 1, False),
    "training": ("seqmodels.training.learner", "Learner.training_step", 3, True),
    "long update": ("seqmodels.training.learner", "Learner.training_step", 3, False),
    "validation": ("seqmodels.training.learner", "Learner.validation_step", 4, True),
    "long validation": ("seqmodels.training.learner", "Learner.validation_step", 4, False),
    "scoring": ("seqmodels.training.run", "score", 1, False),
    "scoring in Lightning": ("seqmodels.training.learner", "Learner.validation_step", 9, False),
    "loading": ("seqmodels.inference", "load", 1, False),
    "inspecting": ("seqmodels.training.run", "assemble", 1, False),
    "evaluating": ("seqmodels.training.run", "load", 1, False),
    "writing": ("seqmodels.inference.writing", "spread", 3, False),
}


def ends(cases: list[Case]) -> list[Ended]:
    """Run all cases, one after the other."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, __file__],
        input=json.dumps(cases),
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        check=True,
    )
    return [Ended(*one) for one in json.loads(done.stdout.splitlines()[-1])]


def _main() -> None:
    cases = [Case(*one) for one in json.load(sys.stdin)]
    for module in (
        "seqmodels.training.run",
        "seqmodels.cli.verbs.train",
        "seqmodels.inference",
        "hydra",
        "seqmodels.data.sources.generated.base",
    ):
        importlib.import_module(module)
    print(json.dumps([_run(case) for case in cases]))


def _run(case: Case) -> Ended:
    folder = Path(case.folder)
    folder.mkdir(parents=True, exist_ok=True)
    sent, output = folder / "sent", folder / "output"
    sent.unlink(missing_ok=True)
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        _child(case, sent, output)
    while os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        since = float(sent.read_text()) if sent.exists() and sent.read_text() else began + MOST
        if time.monotonic() - since > LIMIT + 5:
            os.killpg(child, signal.SIGKILL)
        time.sleep(0.02)
    since = float(sent.read_text()) if sent.exists() else began
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return Ended(time.monotonic() - since, code, output.read_text())


def _child(case: Case, sent: Path, output: Path) -> None:
    from seqmodels.cli.main import main

    os.setsid()
    os.chdir(case.folder)
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(file, stream)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if case.signal not in ("", "SIGINT"):  # whoever runs the tests may ignore it, as nohup does
        signal.signal(getattr(signal, case.signal), signal.SIG_DFL)
    sys.argv = ["seqmodels", *case.arguments]
    if case.phase:
        _patch(case, sent)
    code = main()
    sys.stdout.flush()
    os._exit(code)


def _patch(case: Case, sent: Path) -> None:
    """Send the signal in the phase; from then on nothing more happens in it, but where it goes on."""
    where, path, call, goes_on = PHASES[case.phase]
    *owners, name = path.split(".")
    owner: Any = importlib.import_module(where)
    for one in owners:
        owner = getattr(owner, one)
    function, calls = getattr(owner, name), []

    def struck(*arguments: Any, **options: Any) -> Any:
        trainer = getattr(arguments[0], "trainer", None) if arguments and owners else None
        if trainer is None or case.phase == "sanity check" or not trainer.sanity_checking:
            calls.append(name)
        if len(calls) == call and not sent.exists():
            sent.write_text(str(time.monotonic()))
            (os.killpg if case.group else os.kill)(os.getpid(), getattr(signal, case.signal))
            while not goes_on:
                time.sleep(0.1)
        return function(*arguments, **options)

    setattr(owner, name, struck)


if __name__ == "__main__":
    _main()
