"""Loss and speed between two readings."""

import time
from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from seqmodels.batch import SequenceBatch


class Meter:
    """Accumulate loss and steps between two readings, without waiting for the device."""

    def __init__(self, update: int = 0, clock: Callable[[], float] = time.perf_counter) -> None:
        self.clock = clock
        self._restart(update)

    def _restart(self, update: int) -> None:
        self.update, self.began, self.paused = update, self.clock(), 0.0
        self.batches = 0
        self.loss: Tensor | float = 0.0
        self.steps: Tensor | int = 0

    def add(self, batch: SequenceBatch, loss: Tensor) -> None:
        """Count a batch."""
        self.batches += 1
        self.loss = self.loss + loss.detach()
        self.steps = self.steps + batch.lengths.sum()

    def pause(self, seconds: float) -> None:
        """Exclude time that was not spent on training."""
        self.paused += seconds

    def state(self) -> dict[str, float]:
        """Return a state for `restore`; waits for the device."""
        seconds = self.clock() - self.began - self.paused
        return {"update": self.update, "seconds": seconds, "batches": self.batches,
                "loss": float(self.loss), "steps": int(self.steps)}  # fmt: skip

    def restore(self, state: dict[str, float]) -> None:
        """Restore a state, as if no time had passed since."""
        self.update, self.batches, self.steps = int(state["update"]), int(state["batches"]), int(state["steps"])
        self.loss, self.began, self.paused = state["loss"], self.clock() - state["seconds"], 0.0

    def read(self, update: int, speed_name: str, processes: int = 1) -> dict[str, float]:
        """Return mean loss, time steps and updates per second since the last reading, and start the next.

        Args:
            processes: number of processes, which see equal amounts.
        """
        if self.batches == 0:
            return {}
        loss, steps = (
            float(self.loss) / self.batches,
            int(self.steps) * processes,
        )  # waits for the device, so the time is true
        seconds = max(self.clock() - self.began - self.paused, 1e-9)
        values = {"loss": loss, speed_name: steps / seconds, "updates_per_second": (update - self.update) / seconds}
        self._restart(update)
        return values


def total_norm(gradients: Iterable[Tensor]) -> Tensor:
    """Return the global norm of all gradients.

    >>> total_norm([torch.tensor([3.0]), torch.tensor([[4.0]])]).item()
    5.0
    """
    norms = [torch.linalg.vector_norm(g, dtype=torch.promote_types(g.dtype, torch.float32)) for g in gradients]
    return torch.linalg.vector_norm(torch.stack(norms)) if norms else torch.zeros(())
