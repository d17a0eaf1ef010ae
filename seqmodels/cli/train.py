"""`seqmodels train`: one run, or with -m one for each combination of values."""

from __future__ import annotations

import itertools
import os
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from seqmodels.cli import launch
from seqmodels.cli.arguments import config_parser
from seqmodels.cli.compose import forced, is_sweep, jobs, names, search_path
from seqmodels.cli.errors import FAILURE, INTERRUPTED, ConfigError
from seqmodels.cli.library import Library
from seqmodels.cli.prepare import Prepared, prepare
from seqmodels.cli.screen import console, report


def train(arguments: list[str]) -> int:
    """Check everything, then run."""
    parser = config_parser()
    parser.add_argument("--multirun", "-m", action="store_true")
    launch.add_hydra_flags(parser)
    flags, overrides = parser.overrides(arguments)
    library = Library(flags.config_dir)
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
    if problems:
        raise ConfigError(*problems)
    if flags.multirun:
        return _sweep(library, overrides, flags.config_name)
    return _single(library, found[0], prepared[0], flags.config_name)


def _telling(found: list[list[str]]) -> Iterator[list[str]]:
    """Jobs in which each value of a sweep occurs: enough to find bad values before the first run."""
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


def _single(library: Library, overrides: list[str], prepared: Prepared, config_name: str) -> int:
    run_dir = _free(prepared, given=bool(names(overrides) & {"run_dir", "hydra.run.dir"}))
    for note in prepared.notes:
        console().print(note)
    failed: list[Exception] = []
    results: list[dict[str, Any]] = []
    absent = [folder for folder in (run_dir, *run_dir.parents) if not folder.exists()]

    def job(_: Any) -> None:
        try:
            results.append(_run(prepared, run_dir))
        except Exception as error:  # Hydra would print it in its own way
            failed.append(error)

    # A resumed run has settings of its own, which the command's overrides need not fit.
    kept = [o for o in overrides if prepared.config["resume"] is None or o.startswith("hydra")]
    kept = [o for o in kept if names([o]) != {"hydra.run.dir"}]
    try:
        launch.hydra(library, config_name, [*search_path(library), *kept, launch.quoted("hydra.run.dir", run_dir)], job)
    finally:
        remove_empty(absent)
    if failed:
        raise failed[0]
    return INTERRUPTED if results[0].get("interrupted") else 0


def remove_empty(folders: list[Path]) -> None:
    """Remove folders that were made for a run that never began, the innermost first."""
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:  # it holds something, or was never made
            return


def _run(prepared: Prepared, run_dir: Path) -> dict[str, Any]:
    from seqmodels.training.run import train as run

    return run(prepared.config, run_dir)


def _free(prepared: Prepared, given: bool) -> Path:
    """The run's folder; one that holds a run already is not written over.

    A folder that was asked for and holds no checkpoint is used again: its run ended before it had any.
    """
    folder = prepared.run_dir
    is_second_process = os.environ.get("LOCAL_RANK", "0") != "0"
    if prepared.config["resume"] is not None or is_second_process or not (folder / "config.yaml").exists():
        return folder
    if given:
        if not any((folder / "checkpoints").glob("*.ckpt")):
            return folder
        raise ConfigError(f"run_dir: {folder} holds a run already: choose another, or go on with resume={folder}")
    numbered = (folder.with_name(f"{folder.name}_{number}") for number in itertools.count(2))
    return next(path for path in numbered if not path.exists())


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
    """One job of a sweep, inside Hydra; what goes wrong in it does not stop the others."""
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
        if metrics.get("interrupted"):
            raise KeyboardInterrupt
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
