"""Watchdog thread: enforces a time limit after a signal, and detects a closed output."""

from __future__ import annotations

import os
import select
import signal
import stat
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGXCPU")
SIGNALS = tuple(getattr(signal, name) for name in _NAMES if hasattr(signal, name))
# Seconds after a signal until waiting work is interrupted, and until the process ends.
PATIENCE, END = 7.5, 9.5
# Wake-up bytes beside the numbers of signals: check for a pending signal, and send it again.
LOOK, REPEAT = 255, 254


class Watched(Protocol):
    """State of the process that the watch reads and sets; see `seqmodels.stopping`."""

    title: str
    asked: int | None
    forced: bool
    said: bool


class Watch:
    """Thread that enforces the time limit after a signal and detects a closed output while the main thread is busy."""

    def __init__(self, state: Watched, in_words: Callable[[int], str]) -> None:
        self.state, self.in_words = state, in_words
        self.reading, self.writing = os.pipe()
        os.set_blocking(self.writing, False)
        self.previous = signal.set_wakeup_fd(self.writing, warn_on_full_buffer=False)
        self.poll = select.poll()
        self.poll.register(self.reading, select.POLLIN)
        with suppress(OSError):
            if stat.S_ISFIFO(os.fstat(1).st_mode) or stat.S_ISSOCK(os.fstat(1).st_mode):
                self.poll.register(1, 0)
        self.came: float | None = None
        self.number: int | None = None
        threading.Thread(target=self._run, daemon=True).start()

    def close(self) -> None:
        signal.set_wakeup_fd(self.previous)
        os.close(self.writing)

    def wake(self, why: int) -> None:
        with suppress(OSError):
            os.write(self.writing, bytes([why]))

    def _run(self) -> None:
        while True:
            for file, _ in self.poll.poll(None if self.came is None else 100):
                if file == 1:
                    self.poll.unregister(1)
                    self._poke(signal.SIGPIPE)
                    continue
                reasons = os.read(self.reading, 64)
                if not reasons:
                    os.close(self.reading)
                    return
                self._begin(reasons)
            if self.came is not None and self.number is not None:
                self._hurry(time.monotonic() - self.came, self.number)

    def _begin(self, reasons: bytes) -> None:
        # A main thread inside a library has not run its handler yet.
        heard = [number for number in reasons if number in SIGNALS]
        if self.came is None and (heard or self.state.asked is not None):
            self.came, self.number = time.monotonic(), self.state.asked or heard[0]
        if REPEAT in reasons and self.number is not None:
            time.sleep(0.05)
            self._poke(self.number)

    def _hurry(self, passed: float, number: int) -> None:
        if passed > END:
            with suppress(Exception):
                if self.state.title and not self.state.said:
                    os.write(2, f"{self.state.title}: {self.in_words(number)}\n".encode())
            os._exit(128 + number)
        if passed > PATIENCE and not self.state.forced:
            self.state.forced = True
            self._poke(number)

    def _poke(self, number: int) -> None:
        main = threading.main_thread().ident
        if main is not None:
            signal.pthread_kill(main, number)
