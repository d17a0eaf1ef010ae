"""Cluster environments for Lightning, set explicitly instead of detected from environment variables."""

from lightning_fabric.plugins.environments.lightning import LightningEnvironment, find_free_network_port

from seqmodels.training.processes.launchers import Launch


class Alone(LightningEnvironment):
    """Processes that Lightning starts itself, if any, on this machine."""

    @property
    def creates_processes_externally(self) -> bool:
        return False

    @property
    def main_address(self) -> str:
        return "127.0.0.1"

    @property
    def main_port(self) -> int:
        if self._main_port < 0:
            self._main_port = find_free_network_port()
        return self._main_port

    def node_rank(self) -> int:
        return 0

    def teardown(self) -> None:
        pass


class Launched(Alone):
    """Processes started by a launcher."""

    def __init__(self, launch: Launch) -> None:
        super().__init__()
        self._global_rank, self._world_size, self._main_port = launch.rank, launch.size, launch.port
        self._address = launch.address

    @property
    def creates_processes_externally(self) -> bool:
        return True

    @property
    def main_address(self) -> str:
        return self._address

    def local_rank(self) -> int:
        return self._global_rank
