"""`seqmodels doctor`: what is installed, what is missing, and which engine each cell would take."""

import importlib.metadata
import os
import platform
import sys
import tempfile
from pathlib import Path
from typing import Any

from seqmodels.cli.arguments import config_parser
from seqmodels.cli.config.library import Library
from seqmodels.cli.errors import FAILURE, ConfigError
from seqmodels.cli.screen import console

Plain = dict[str, Any]

REQUIRED = (
    "torch",
    "numpy",
    "pytorch-lightning",
    "hydra-core",
    "tensorboard",
    "torchmetrics",
    "rich",
    "matplotlib",
    "pandas",
    "scikit-learn",
    "scipy",
    "duckdb",
)
KNOWN_BAD = {
    ("pytorch-lightning", "2.6.2"): "a malicious release (GHSA-w37p-236h-pfx3): remove it, and change your passwords",
    ("pytorch-lightning", "2.6.3"): "a malicious release (GHSA-w37p-236h-pfx3): remove it, and change your passwords",
}
OLDEST_TORCH = (2, 6)


def doctor(arguments: list[str]) -> int:
    """Print the report; exit code 1 where something must be mended."""
    flags, overrides = config_parser().overrides(arguments)
    library = Library(flags.config_dir)
    wanted = _wanted_cell(library, overrides, flags.config_name) if overrides else None
    faults = _packages()
    if "torch" not in faults:
        _machine()
        shipped = [name for name in library.options("model/cell") if library.is_shipped("model/cell", name)]
        _engines([wanted] if wanted else [{"name": name} for name in shipped])
    screen = console()
    if faults:
        screen.print(f"\nTo mend: {', '.join(dict.fromkeys(faults))}", style="bold red")
        return FAILURE
    screen.print("\nAll is well.", style="bold green")
    return 0


def versions() -> dict[str, str | None]:
    """Return the installed version of each required package; None where it is missing."""
    found: dict[str, str | None] = {}
    for name in REQUIRED:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    return found


def fault(name: str, version: str | None) -> str | None:
    """Say what is wrong with a package, or None."""
    if version is None:
        return f"missing: pip install {name}"
    if (name, version) in KNOWN_BAD:
        return KNOWN_BAD[name, version]
    if name == "torch" and tuple(int(part) for part in version.split(".")[:2]) < OLDEST_TORCH:
        return "below 2.6, reading a checkpoint can run code hidden in it (CVE-2025-32434): pip install -U torch"
    return None


def _packages() -> list[str]:
    from seqmodels import __version__

    _title("packages")
    _line("seqmodels", __version__)
    _line("python", f"{platform.python_version()} ({sys.executable})")
    faults = []
    for name, version in versions().items():
        wrong = fault(name, version)
        _line(name, version or "-", wrong)
        faults += [name] * (wrong is not None)
    return faults


def _machine() -> None:
    import torch

    _title("machine")
    _line("system", f"{platform.system()} {platform.machine()}")
    _line("processors", f"{os.cpu_count()}, torch uses {torch.get_num_threads()} threads")
    gpus = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    mps = ["Apple MPS"] if torch.backends.mps.is_available() else []
    _line("GPU", ", ".join(gpus + mps) or "none: training runs on the CPU")
    _compiler()


def _compiler() -> None:
    """Print what the fused engine builds its code with, and where it keeps it."""
    from seqmodels.files.own_folder import shared
    from seqmodels.scan.fused.compiler import describe
    from seqmodels.scan.step_graph.code_folders import cache_folder

    _line("compiler", describe())
    folder = cache_folder()
    wrong = None if folder and _can_write(folder) else f"{folder or 'no home folder'} cannot be written"
    if folder is not None and folder.exists():
        wrong = shared(folder.absolute()) or wrong
    _line("compiled code", f"{wrong}: set SEQMODELS_CACHE" if wrong else str(folder))


def _can_write(folder: Path) -> bool:
    """Return whether a file can be made in a folder, or in the nearest above it that is there."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=there):
            return True
    except OSError:
        return False


def _wanted_cell(library: Library, overrides: list[str], config_name: str) -> Plain:
    """Return the cell of the config that the overrides make.

    Raises:
        ConfigError: a config with problems, other than data still to be named.
    """
    # Here, so that the rest of the report needs no Hydra.
    from seqmodels.cli.prepare import prepare_one

    prepared = prepare_one(library, overrides, config_name)
    problems = [problem for problem in prepared.problems if not problem.startswith("data.")]
    if problems:
        raise ConfigError(*problems)
    cell: Plain = prepared.config["model"]["cell"]
    return cell


def _engines(cells: list[Plain]) -> None:
    from seqmodels.registry import make
    from seqmodels.scan import ENGINES, choose, engines_for

    _title("engines, the most wanted first")
    for name, engine in ENGINES.items():
        _line(name, engine.reason)
    _title("what each cell runs by (engine=auto), and what else it could")
    for options in cells:
        settings = {key: value for key, value in options.items() if key != "name"}
        cell = make("cell", options["name"], 4, 4, **settings)
        picked, reason = choose(cell)
        others = ", ".join(name for name in engines_for(cell) if name != picked)
        _line(options["name"], f"{picked}: {reason}" + (f" (or {others})" if others else ""))


def _title(text: str) -> None:
    console().print(f"\n{text}", style="bold")


def _line(name: str, value: str, wrong: str | None = None) -> None:
    console().print(f"  {name:18}{value}{'  ' + wrong if wrong else ''}", style="red" if wrong else None)
