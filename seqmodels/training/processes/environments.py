"""Cluster environments for Lightning, set explicitly instead of detected from environment variables."""

import os

from lightning_fabric.plugins.environments import ClusterEnvironment
from lightning_fabric.plugins.environments.lightning import find_free_network_port

from seqmodels.training.processes.launchers import Launch


class Alone(ClusterEnvironment):
    """Processes that Lightning starts itself, if any, on this machine."""

    def __init__(self) -> None:
        super().__init__()
        self._rank, self._size, self._port = 0, 1, 0

    @property
    def creates_processes_externally(self) -> bool:
        return False

    @property
    def main_address(self) -> str:
        return "127.0.0.1"

    @property
    def main_port(self) -> int:
        self._port = self._port or find_free_network_port()
        return self._port

    @staticmethod
    def detect() -> bool:
        return True

    def world_size(self) -> int:
        return self._size

    def set_world_size(self, size: int) -> None:
        self._size = size

    def global_rank(self) -> int:
        return self._rank

    def set_global_rank(self, rank: int) -> None:
        self._rank = rank

    def local_rank(self) -> int:
        return int(os.environ.get("LOCAL_RANK", 0))  # set by Lightning in the processes it starts

    def node_rank(self) -> int:
        return 0


class Launched(Alone):
    """Processes started by a launcher."""

    def __init__(self, launch: Launch) -> None:
        super().__init__()
        self._rank, self._size, self._port, self._address = launch.rank, launch.size, launch.port, launch.address

    @property
    def creates_processes_externally(self) -> bool:
        return True

    @property
    def main_address(self) -> str:
        return self._address

    def local_rank(self) -> int:
        return self._rank
