"""Detection of the launcher (torchrun, srun, mpirun) of this process, from its environment variables."""

import os
import zlib
from collections.abc import Mapping
from typing import Any, NamedTuple


class Launch(NamedTuple):
    """One of several processes that a launcher started on this machine.

    Attributes:
        launcher: name of the launcher.
        variables: environment variables that tell, for messages.
        size: number of processes.
        rank: of this process.
        address, port: of the rendezvous.
        key: identifies this launch.
    """

    launcher: str
    variables: str
    size: int
    rank: int
    address: str
    port: int
    key: str


class _Kind(NamedTuple):
    """Variables of one launcher; of `size`, `local_size` and `nodes` the first that is set counts."""

    launcher: str
    size: tuple[str, ...]
    rank: str
    local_size: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    key: tuple[str, ...] = ()


TORCH_OWN = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
TORCH = _Kind(
    "torchrun",
    ("WORLD_SIZE",),
    "RANK",
    ("LOCAL_WORLD_SIZE",),
    ("GROUP_WORLD_SIZE",),
    ("TORCHELASTIC_RUN_ID", "TORCHELASTIC_RESTART_COUNT"),
)
# A scheduler's variables come last: they are also set, with less detail, for the processes of mpirun.
OTHERS = (
    _Kind(
        "mpirun",
        ("OMPI_COMM_WORLD_SIZE",),
        "OMPI_COMM_WORLD_RANK",
        ("OMPI_COMM_WORLD_LOCAL_SIZE",),
        key=("PMIX_NAMESPACE", "OMPI_MCA_ess_base_jobid"),
    ),
    _Kind("mpiexec", ("PMI_SIZE",), "PMI_RANK", ("MPI_LOCALNRANKS",)),
    _Kind("jsrun", ("JSM_NAMESPACE_SIZE",), "JSM_NAMESPACE_RANK", key=("LSB_JOBID", "JSM_NAMESPACE_ID")),
    _Kind(
        "srun",
        ("SLURM_STEP_NUM_TASKS", "SLURM_NTASKS"),
        "SLURM_PROCID",
        nodes=("SLURM_STEP_NUM_NODES", "SLURM_NNODES"),
        key=("SLURM_JOB_ID", "SLURM_STEP_ID"),
    ),
)
# In a shell opened by srun or salloc, the variables describe the reservation, and no processes were started.
SHELLS = ("bash", "sh", "zsh", "fish", "tcsh", "csh", "interactive")
SPAWNING = ("spawn", "fork", "notebook")


def found(environment: Mapping[str, str] = os.environ) -> Launch | None:
    """Return the launch that this process is part of; None if it was started alone.

    Raises:
        ValueError: contradictory or stale variables, or several machines.
    """
    own = {name: environment[name] for name in TORCH_OWN if environment.get(name)}
    lacking = [name for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT") if not environment.get(name)]
    launch = next((one for kind in OTHERS if (one := _launched(kind, environment)) and one.size > 1), None)
    if not lacking and (launch is None or "TORCHELASTIC_RUN_ID" in environment):
        launch = _launched(TORCH, environment)
    if launch is not None:
        _agree(own, launch)
    elif any(_number(name, value) != ("SIZE" in name) for name, value in own.items()):
        raise ValueError(_left(own, f"without {', '.join(lacking)}"))
    return launch


def refuse_several(verb: str) -> None:
    """Refuse several processes for a command that runs in one.

    Raises:
        ValueError: a launcher started several processes, or its variables are stale.
    """
    launch = found()
    if launch is not None and launch.size > 1:
        raise ValueError(
            f"{verb} runs in one process, and {launch.launcher} started {launch.size} ({launch.variables}): start it "
            f"without, or, if these variables were left behind: unset {to_unset()}"
        )


def to_unset(environment: Mapping[str, str] = os.environ) -> str:
    """Return the set variables that mark this process as one of several, to unset."""
    names = [*TORCH_OWN, *(name for kind in OTHERS for name in (*kind.size, kind.rank))]
    return " ".join(name for name in names if name in environment)


def _launched(kind: _Kind, environment: Mapping[str, str]) -> Launch | None:
    """Read a launch from one launcher's variables."""
    size_name = next((name for name in kind.size if environment.get(name)), None)
    if size_name is None or not environment.get(kind.rank):
        return None
    if size_name == "SLURM_NTASKS" and environment.get("SLURM_JOB_NAME") in SHELLS:
        return None
    size, rank = _number(size_name, environment[size_name]), _number(kind.rank, environment[kind.rank])
    shown = {size_name: environment[size_name], kind.rank: environment[kind.rank]}
    if not rank < size:
        raise ValueError(_left(shown, f"but {kind.rank} must be below {size_name}"))
    _refuse_nodes(kind, size, environment)
    key = ".".join(environment.get(name, "") for name in kind.key).strip(".") or kind.launcher
    port = environment.get("MASTER_PORT") or str(15000 + zlib.crc32(key.encode()) % 17000)
    address = environment.get("MASTER_ADDR") or "127.0.0.1"
    return Launch(kind.launcher, _words(shown), size, rank, address, _number("MASTER_PORT", port), key)


def _refuse_nodes(kind: _Kind, size: int, environment: Mapping[str, str]) -> None:
    """Refuse processes on several machines."""
    here = next((name for name in kind.local_size if environment.get(name)), None)
    nodes = next((name for name in kind.nodes if environment.get(name)), None)
    several = {}
    if here is not None and _number(here, environment[here]) != size:
        several[here] = f"{environment[here]} of {size} processes"
    if nodes is not None and size > 1 and _number(nodes, environment[nodes]) > 1:
        several[nodes] = environment[nodes]
    if several:
        raise ValueError(
            f"{kind.launcher} started processes on several machines ({_words(several)}), and training on several "
            "machines is not supported yet: start them all on one"
        )


def _agree(own: Mapping[str, str], launch: Launch) -> None:
    """Refuse torch's variables if they contradict the launcher's."""
    true = {"WORLD_SIZE": launch.size, "LOCAL_WORLD_SIZE": launch.size, "RANK": launch.rank, "LOCAL_RANK": launch.rank}
    wrong = {name: value for name, value in own.items() if _number(name, value) != true[name]}
    if wrong:
        raise ValueError(_left(wrong, f"but {launch.launcher} set {launch.variables}"))


def _number(name: str, value: str) -> int:
    try:
        number = int(value)
    except ValueError:
        number = -1
    if not 0 <= number < 1 << 31:
        raise ValueError(_left({name: value[:40]}, "which must be a whole number"))
    return number


def _left(variables: Mapping[str, str], why: str) -> str:
    return (
        f"the environment has {_words(variables)}, {why}: if a launcher left this behind, "
        f"unset {' '.join(variables)}; to train in several processes start with torchrun --nproc_per_node=N"
    )


def _words(variables: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in variables.items())


def contradictions(launch: Launch, trainer: Mapping[str, Any]) -> list[str]:
    """List the trainer's settings that contradict the launcher."""
    devices, strategy = trainer["devices"], str(trainer["strategy"])
    count = len(devices) if isinstance(devices, list) else devices
    problems = []
    if count not in ("auto", launch.size):
        problems.append(
            f"trainer.devices: is {devices}, but {launch.launcher} started {launch.size} "
            f"process{'es' * (launch.size > 1)} ({launch.variables}): leave it out, or start {count} processes"
        )
    if any(word in strategy for word in SPAWNING):
        problems.append(
            f"trainer.strategy: {strategy} starts processes itself, but {launch.launcher} has started them "
            f"({launch.variables}): leave it out"
        )
    return problems
