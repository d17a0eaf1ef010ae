"""Rendezvous of a launcher's processes: they share the run folder, and all end when one dies."""

import contextlib
import json
import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from seqmodels import stopping
from seqmodels.training.processes.launchers import Launch, to_unset

# Seconds to wait for the others at the start, for torchrun's store, and until the wait is reported.
WAIT, AGENT, PATIENCE = 20.0, 5.0, 8.0
# Seconds that a process has to end on its own, and between two checks of the others.
GRACE, LOOK = 5.0, 0.3
FAILURE = 1


class Meeting:
    """Shared state of a launch's processes, in torch's store.

    Raises:
        ValueError: some did not come, or they are on several machines.
    """

    def __init__(self, launch: Launch) -> None:
        self.launch = launch
        self._parent = os.getppid() if "TORCHELASTIC_RUN_ID" in os.environ else None
        self._ended = threading.Event()
        deadline = time.monotonic() + WAIT
        self._hosts = launch.rank == 0 and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True"
        self._tcp = _connect(launch, self._hosts, deadline)
        self._store = self._room(self._tcp)
        if self._store.add(f"count/{launch.rank}", 1) > 1:
            raise ValueError(f"another process says that it is this one ({launch.variables}); {_cure()}")
        self._store.set(f"here/{launch.rank}", json.dumps(_place()))
        self._peers = self._gather(deadline)
        threading.Thread(target=self._watch, args=(self._room(self._tcp.clone()),), daemon=True).start()

    def _room(self, store: Any) -> Any:
        from torch.distributed import PrefixStore

        return PrefixStore(f"seqmodels/{self.launch.key}", store)

    def _gather(self, deadline: float) -> dict[int, dict[str, Any]]:
        """Wait for all processes, and return the others' places by rank."""
        launch, said = self.launch, deadline - WAIT + PATIENCE
        while True:
            absent = [rank for rank in range(launch.size) if not self._store.check([f"here/{rank}"])]
            if not absent:
                break
            if time.monotonic() > deadline:
                raise ValueError(_alone(launch, launch.size - len(absent)))
            if time.monotonic() > said and launch.rank == min(set(range(launch.size)) - set(absent)):
                _say(f"waiting for {len(absent)} of {launch.size} processes ({launch.variables})")
                said = deadline
            time.sleep(0.05)
        places = {rank: json.loads(self._store.get(f"here/{rank}")) for rank in range(launch.size)}
        if len({place["machine"] for place in places.values()}) > 1:
            raise ValueError("training on several machines is not supported yet: start all processes on one")
        return {rank: place for rank, place in places.items() if rank != launch.rank}

    def tell(self, value: str | None) -> str:
        """Return the first process's value in all processes; the others pass None."""
        if value is not None:
            self._store.set("told", value)
            return value
        while not self._store.check(["told"]):
            if self._store.check(["failed"]):
                raise SystemExit(self._code())
            time.sleep(0.05)
        return str(self._store.get("told").decode())

    def leave(self) -> None:
        """Leave cleanly; the first process, which may host the store, leaves last."""
        self._ended.set()
        self._store.set(f"left/{self.launch.rank}", "")
        if self._hosts:
            self._until(lambda: all(self._has_left(self._store, rank) or self._is_dead(rank) for rank in self._peers))

    def fail(self, error: BaseException) -> BaseException:
        """Return the exception to raise after an error; only the first process to fail reports it."""
        if isinstance(error, RuntimeError):  # perhaps caused by the end of another process
            self._until(lambda: self._store.check(["failed"]) or bool(self._dead(self._store)), 2.0)
        code = error.code if isinstance(error, stopping.Stopped) else FAILURE
        dead = self._dead(self._store)
        speaks = self._is_first(self._store, code)
        with contextlib.suppress(RuntimeError):
            self.leave()
        if not speaks:
            stopping.ended()
            return SystemExit(self._code())
        return ValueError(self._obituary(dead)) if dead and isinstance(error, RuntimeError) else error

    def _is_first(self, store: Any, code: int) -> bool:
        own = f"{self.launch.rank}:{code}"
        try:
            return bool(store.compare_set("failed", "", own).decode() == own)
        except RuntimeError:  # the store ended with the first process
            return all(self._is_dead(rank) for rank in self._peers if rank < self.launch.rank)

    def _code(self) -> int:
        try:
            return int(self._store.get("failed").decode().split(":")[1])
        except RuntimeError:
            return FAILURE

    def _obituary(self, dead: list[int]) -> str:
        which = ", ".join(f"{rank} (process id {self._peers[rank]['pid']})" for rank in dead)
        return (
            f"rank {which} of {self.launch.size} processes was killed, perhaps for lack of memory: the others end too; "
            "go on from the last checkpoint with resume=RUN"
        )

    def _dead(self, store: Any) -> list[int]:
        return [rank for rank in self._peers if self._is_dead(rank) and not self._has_left(store, rank)]

    def _is_dead(self, rank: int) -> bool:
        place = self._peers[rank]
        return bool(place["pids"] == _place()["pids"] and _started(place["pid"]) != place["started"])

    def _has_left(self, store: Any, rank: int) -> bool:
        try:
            return bool(store.check([f"left/{rank}"]))
        except RuntimeError:
            return False

    def _until(self, happened: Callable[[], bool], seconds: float = GRACE) -> None:
        end = time.monotonic() + seconds
        with contextlib.suppress(RuntimeError):  # the store is gone
            while not happened() and time.monotonic() < end:
                time.sleep(0.05)

    def _watch(self, store: Any) -> None:
        """End this process if another failed or died, or the launcher died."""
        while not self._ended.wait(LOOK):
            dead = self._dead(store)
            orphan = self._parent is not None and os.getppid() != self._parent
            if orphan:
                os.kill(os.getpid(), signal.SIGTERM)  # a training saves and stops
            elif not dead and not self._others_failed(store):
                continue
            if self._ended.wait(2 * GRACE if orphan else GRACE):
                return
            # The main thread waits for a process that will not answer.
            if dead and self._is_first(store, FAILURE):
                _say(self._obituary(dead))
            for child in multiprocessing.active_children():
                child.kill()
            os._exit(FAILURE)

    def _others_failed(self, store: Any) -> bool:
        try:
            return bool(store.check(["failed"]))
        except RuntimeError:
            return False


@contextlib.contextmanager
def met(launch: Launch | None) -> Iterator[Meeting | None]:
    """Meet the other processes of the launch, if any, and end with them."""
    if launch is None or launch.size == 1:
        yield None
        return
    stopping.count_once(2.0)
    meeting = Meeting(launch)
    try:
        yield meeting
    except SystemExit:
        meeting.leave()
        raise
    except BaseException as error:
        ending = meeting.fail(error)
        if ending is error:
            raise
        raise ending from error
    meeting.leave()


def _connect(launch: Launch, hosts: bool, deadline: float) -> Any:
    """Connect to the store through which the processes communicate."""
    agent = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"  # its store exists before its processes
    deadline = min(deadline, time.monotonic() + AGENT) if agent else deadline
    while not hosts:
        try:
            socket.create_connection((launch.address, launch.port), 2.0).close()
            break
        except socket.gaierror:
            raise ValueError(f"MASTER_ADDR={launch.address}: there is no such machine; {_cure()}") from None
        except OSError:
            if time.monotonic() > deadline:
                lost = f"torchrun does not answer at {launch.address}:{launch.port} ({launch.variables}); {_cure()}"
                raise ValueError(lost if agent else _alone(launch, 1)) from None
            time.sleep(0.1)
    place = f"{launch.address}:{launch.port}"
    if hosts:
        _refuse_elsewhere(launch.address)
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    from torch.distributed import TCPStore

    patience = timedelta(seconds=max(1.0, deadline - time.monotonic()))
    try:
        return TCPStore(
            launch.address, launch.port, launch.size, hosts, patience, wait_for_workers=False, multi_tenant=True
        )
    except RuntimeError as error:
        if hosts and "EADDRINUSE" in str(error):
            raise ValueError(
                f"the processes cannot meet at {place}, which another program uses: set MASTER_PORT to another number"
            ) from None
        raise ValueError(f"the processes cannot meet at {place} (MASTER_ADDR, MASTER_PORT); {_cure()}") from None


def _refuse_elsewhere(address: str) -> None:
    """Refuse an address of another machine in the first process, which hosts the store."""
    try:
        family, *_, place = socket.getaddrinfo(address, 0, type=socket.SOCK_STREAM)[0]
        with socket.socket(family) as probe:
            probe.bind(place)
    except OSError:
        raise ValueError(f"MASTER_ADDR={address} is not this machine; {_cure()}") from None


def _alone(launch: Launch, came: int) -> str:
    return (
        f"only {came} of {launch.size} processes ({launch.variables}) came to {launch.address}:{launch.port} within "
        f"{WAIT:.0f} s; {_cure()}"
    )


def _cure() -> str:
    return f"start all of them with the launcher, or, if it left its variables behind: unset {to_unset()}"


def _say(words: str) -> None:
    print(f"seqmodels train: {words}", file=sys.stderr, flush=True)


def _place() -> dict[str, Any]:
    """Return this process's machine and ids, by which the others check that it lives."""
    try:
        machine = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        pids = os.readlink("/proc/self/ns/pid")
    except OSError:
        machine = pids = socket.gethostname()
    return {"machine": machine, "pids": pids, "pid": os.getpid(), "started": _started(os.getpid())}


def _started(pid: int) -> str | None:
    """Return a process's start time, which tells it from a later one with the same id; None if it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except FileNotFoundError:
        if sys.platform == "linux":
            return None
    else:
        return None if fields[0] in "ZX" else fields[19]
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    return ""
