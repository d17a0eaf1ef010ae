"""Limit of the cost of diagnostics to a share of the run's time."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Budget:
    """Time budget that allows spending a share of the elapsed time.

    >>> now = 0.0
    >>> budget = Budget(0.1, guess=1.0, clock=lambda: now)
    >>> budget.affordable()
    False
    >>> now = 10.0
    >>> budget.affordable()
    True

    Args:
        share: from 0 to 1; None for no limit.
        guess: expected seconds per use until one has been measured.
        clock: returns the time in seconds.
    """

    def __init__(self, share: float | None, guess: float, clock: Callable[[], float] = time.perf_counter) -> None:
        self.share = share
        self.expected = guess
        self.spent = 0.0
        self.clock = clock
        self._began = clock()

    def elapsed(self) -> float:
        """Return the seconds since the start."""
        return self.clock() - self._began

    def affordable(self) -> bool:
        """Return whether one more use, as long as the last, stays within the share."""
        return self.share is None or self.spent + self.expected <= self.share * self.elapsed()

    def wait(self) -> float:
        """Return the seconds between uses, each as long as the last, that keep within the share."""
        return 0.0 if self.share is None else self.expected / self.share

    def state(self) -> dict[str, float]:
        """Return a state for `restore`."""
        return {"expected": self.expected, "spent": self.spent, "elapsed": self.elapsed()}

    def restore(self, state: dict[str, float]) -> None:
        """Restore a state, as if no time had passed since."""
        self.expected, self.spent = state["expected"], state["spent"]
        self._began = self.clock() - state["elapsed"]

    @contextmanager
    def spending(self, typical: bool = True) -> Iterator[None]:
        """Charge the time spent inside the block, also if it fails.

        Args:
            typical: whether the next use will take as long.
        """
        began = self.clock()
        try:
            yield
        finally:
            seconds = self.clock() - began
            self.spent += seconds
            if typical:
                self.expected = seconds
