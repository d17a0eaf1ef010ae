"""`seqmodels train`: one run, or with -m one for each combination of values."""

import contextlib
import os
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from seqmodels import stopping
from seqmodels.cli.arguments import config_parser
from seqmodels.cli.config import launch
from seqmodels.cli.config.compose import Composition, forced, jobs, search_path
from seqmodels.cli.config.library import Library
from seqmodels.cli.config.settings import is_sweep, names
from seqmodels.cli.errors import FAILURE, ConfigError
from seqmodels.cli.prepare import prepare
from seqmodels.cli.screen import console, report
from seqmodels.training.lock import held, make, remove_empty
from seqmodels.training.processes import launchers
from seqmodels.training.processes.launchers import Launch


def train(arguments: list[str]) -> int:
    """Check everything, then run."""
    stopping.at(stopping.NOTHING_YET)
    parser = config_parser()
    parser.add_argument("--multirun", "-m", action="store_true")
    launch.add_hydra_flags(parser)
    flags, overrides = parser.overrides(arguments)
    library = Library(flags.config_dir)
    launched = launchers.found()
    overrides += _launched_settings(launched, overrides, flags.multirun)
    found, wrong = jobs(library, overrides, flags.multirun)
    asked = launch.hydra_flags(flags)
    if asked:
        if wrong:
            raise ConfigError(*wrong)
        launch.hydra(library, flags.config_name, [*asked, *search_path(library), *found[0]])
        return 0
    prepared = [prepare(library, job, flags.config_name) for job in _telling(found)]
    problems = [problem for one in prepared for problem in one.all_problems(wrong)]
    problems += _several_into_one(overrides) if flags.multirun else []
    if launched is not None and prepared[0].config:
        problems += launchers.contradictions(launched, prepared[0].config["trainer"])
    if problems:
        raise ConfigError(*problems)
    if flags.multirun:
        return _sweep(library, overrides, flags.config_name)
    return _single(library, found[0], prepared[0], flags.config_name, launched)


def _launched_settings(launched: Launch | None, overrides: list[str], multirun: bool) -> list[str]:
    """Return what follows from the launcher of this process, where the command does not say it."""
    if launched is None:
        return []
    if multirun and launched.size > 1:
        raise ConfigError(
            f"-m: a sweep cannot be run in the {launched.size} processes that {launched.launcher} started "
            f"({launched.variables}): run it without, with trainer.devices={launched.size}"
        )
    given = any(override.lstrip("+").startswith("trainer.devices=") for override in overrides)
    return [] if given else [f"trainer.devices={launched.size}"]


def _telling(found: list[list[str]]) -> Iterator[list[str]]:
    """Yield jobs in which each value of a sweep occurs: enough to find bad values before the first run."""
    seen: set[str] = set()
    for number, job in enumerate(found):
        if number == 0 or not seen.issuperset(job):
            seen.update(job)
            yield job


def _several_into_one(overrides: list[str]) -> list[str]:
    if names(overrides) & {"run_dir", "hydra.run.dir"}:
        return ["run_dir: is the folder of a single run; for a sweep set hydra.sweep.dir=FOLDER"]
    return []


class Outcome(NamedTuple):
    """How one job of a sweep went: what is its own in it, its folder, and its metrics if it has any."""

    label: str
    folder: Path
    metrics: dict[str, Any] | None


def _single(
    library: Library, overrides: list[str], prepared: Composition, config_name: str, launched: Launch | None
) -> int:
    from seqmodels.training.processes.meeting import met

    given = bool(names(overrides) & {"run_dir", "hydra.run.dir"})
    with met(launched) as meeting, contextlib.ExitStack() as kept:
        first = launched is None or launched.rank == 0
        folder = str(kept.enter_context(_claimed(prepared, given))) if first else None
        run_dir = Path((folder or "") if meeting is None else meeting.tell(folder))
        for note in prepared.notes if first else ():
            console().print(note)
        if prepared.asks_hydra:
            _in_hydra(library, overrides, prepared, config_name, run_dir)
        else:
            _run(prepared, run_dir)
    return 0


def _in_hydra(library: Library, overrides: list[str], prepared: Composition, config_name: str, run_dir: Path) -> None:
    """Run, while Hydra does what the config asks of it."""
    failed: list[Exception] = []

    def job(_: Any) -> None:
        try:
            _run(prepared, run_dir)
        except Exception as error:  # Hydra would print it in its own way
            failed.append(error)

    # A resumed run has settings of its own, which the command's overrides need not fit.
    kept = [o for o in overrides if prepared.config["resume"] is None or o.startswith("hydra")]
    kept = [o for o in kept if names([o]) != {"hydra.run.dir"}]
    launch.hydra(library, config_name, [*search_path(library), *kept, launch.quoted("hydra.run.dir", run_dir)], job)
    if failed:
        raise failed[0]


def _run(prepared: Composition, run_dir: Path) -> dict[str, Any]:
    from seqmodels.training.run import train as run

    return run(prepared.written, run_dir, source=prepared.source)


@contextlib.contextmanager
def _claimed(prepared: Composition, given: bool) -> Iterator[Path]:
    """Make the run's folder and keep it from other processes; write over no run that it holds already.

    A folder that was asked for and holds no checkpoint is used again: its run ended before it had any.
    """
    folder = prepared.run_dir
    resumed = prepared.config["resume"] is not None
    absent = [one for one in (folder, *folder.parents) if not one.exists()]
    if not (resumed or given):
        folder = _made(folder)
        absent = [folder, *absent]
    try:
        with held(folder):
            if given and not resumed and any((folder / "checkpoints").glob("*.ckpt")):
                raise ConfigError(
                    f"run_dir: {folder} holds a run already: choose another, or go on with resume={folder}"
                )
            yield folder
    finally:
        remove_empty(absent)


def _made(folder: Path) -> Path:
    """Make a new folder of that name, or the first free one of that name and a number."""
    path, number = folder, 1
    while True:
        try:
            make(path, anew=True)
            return path
        except FileExistsError:
            number += 1
            path = folder.with_name(f"{folder.name}_{number}")


def _sweep(library: Library, overrides: list[str], config_name: str) -> int:
    outcomes: list[Outcome] = []
    varied = names([override for override in overrides if is_sweep(override)])

    def job(config: Any) -> float | None:
        outcome = _job(library, config_name, len(outcomes), varied)
        outcomes.append(outcome)
        return (outcome.metrics.get("val") or {}).get("loss") if outcome.metrics else None

    free = [forced(library, override) for override in overrides]
    launch.hydra(library, config_name, ["--multirun", *search_path(library), *free], job)
    _summarise(outcomes)
    return FAILURE if any(outcome.metrics is None for outcome in outcomes) else 0


def _job(library: Library, config_name: str, number: int, varied: set[str]) -> Outcome:
    """Run one job of a sweep, inside Hydra; what goes wrong in it does not stop the others."""
    overrides, folder = launch.current_job()
    own = [override for override in overrides if names([override]) <= varied] or overrides
    label = f"[{number}] " + " ".join(override.lstrip("+") for override in own)
    console().print(f"\n{label}", style="bold")
    try:
        prepared = prepare(library, overrides, config_name)
        if prepared.problems:
            raise ConfigError(*prepared.problems)
        for note in prepared.notes:
            console().print(note)
        metrics = _run(prepared, folder)
    except Exception as error:
        from seqmodels.cli.main import explain

        report(label, error.problems if isinstance(error, ConfigError) else [explain(error)])
        if os.environ.get("SEQMODELS_DEBUG", "0") not in ("", "0"):
            traceback.print_exc()
        return Outcome(label, folder, None)
    return Outcome(label, folder, metrics)


def _summarise(outcomes: list[Outcome]) -> None:
    screen = console()
    screen.print("\nThe sweep:", style="bold")
    for outcome in outcomes:
        values = (outcome.metrics or {}).get("val") or (outcome.metrics or {}).get("test") or {}
        shown = "  ".join(f"{name} {value:.4g}" for name, value in values.items()) or "failed"
        screen.print(f"  {outcome.label}: {shown}")
    if outcomes:
        screen.print(f"Watch it: tensorboard --logdir {outcomes[0].folder.parent}")
