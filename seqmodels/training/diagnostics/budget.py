"""Keeping the cost of diagnostics within a share of the run's time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Budget:
    """An account of time: a share of the time that has passed may be spent.

    >>> now = 0.0
    >>> budget = Budget(0.1, guess=1.0, clock=lambda: now)
    >>> budget.affordable()
    False
    >>> now = 10.0
    >>> budget.affordable()
    True

    Args:
        share: from 0 to 1; None for no limit.
        guess: seconds that a use is expected to take until one has been measured.
        clock: gives the time in seconds.
    """

    def __init__(self, share: float | None, guess: float, clock: Callable[[], float] = time.perf_counter) -> None:
        self.share = share
        self.expected = guess
        self.spent = 0.0
        self.clock = clock
        self._began = clock()

    def elapsed(self) -> float:
        """Seconds since the account was opened."""
        return self.clock() - self._began

    def affordable(self) -> bool:
        """Whether one more use, as dear as the last, stays within the share."""
        return self.share is None or self.spent + self.expected <= self.share * self.elapsed()

    def wait(self) -> float:
        """Seconds between uses that keep within the share, at what the last use took."""
        return 0.0 if self.share is None else self.expected / self.share

    def state(self) -> dict[str, float]:
        """What `restore` goes on from."""
        return {"expected": self.expected, "spent": self.spent, "elapsed": self.elapsed()}

    def restore(self, state: dict[str, float]) -> None:
        """Be the account that was in `state`, as if no time had passed since."""
        self.expected, self.spent = state["expected"], state["spent"]
        self._began = self.clock() - state["elapsed"]

    @contextmanager
    def spending(self, typical: bool = True) -> Iterator[None]:
        """Whatever runs inside is charged, also when it fails.

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
