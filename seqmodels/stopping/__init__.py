"""Signal handling of commands: stop in time, without loss of work, and with a one-line message.

A signal raises `Stopped` in the main thread or, during a `hold`, waits until the holder reads `asked`. In any
case the process ends within `watch.END` seconds of the signal.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from seqmodels.stopping.watch import LOOK, REPEAT, SIGNALS, Watch

# Signal of a closed output pipe, as in `| head`.
READER_LEFT = getattr(signal, "SIGPIPE", None)
AGAIN = "the same command begins again"
NOTHING_YET = f" before the first step, with nothing to save; {AGAIN}"


class Stopped(BaseException):
    """A signal asked the process to stop."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number

    @property
    def code(self) -> int:
        """Exit code, as given by shells."""
        return 128 + self.number

    def __str__(self) -> str:
        return in_words(self.number)


def in_words(number: int) -> str:
    """Return what happened, where the program was, and how to go on."""
    cause = "because its output is read no more" if number == READER_LEFT else f"by {signal.Signals(number).name}"
    return f"stopped {cause}{_state.where() if callable(_state.where) else _state.where}"


class _State:
    """Signal state of the process."""

    def __init__(self, title: str = "") -> None:
        self.title = title
        self.where: str | Callable[[], str] = f"; {AGAIN}"
        self.asked: int | None = None
        self.holders: list[Callable[[], Any]] = []  # called at each signal
        self.presses = 0  # of Ctrl-C
        self.pressed, self.once = float("-inf"), 0.0
        self.forced = self.on_its_way = self.over = self.said = self.is_child = False
        self.handlers: dict[int, Any] = {}  # previous handlers
        self.hook: Callable[[Any], Any] = sys.unraisablehook
        self.watch: Watch | None = None

    def handle(self, number: int, frame: Any) -> None:
        gone = [file for file in (1, 2) if _is_gone(file)]
        for file in gone:
            discard(file)
        if number == READER_LEFT and not gone and self.asked is None:  # from another pipe
            return
        self.asked = self.asked or number
        _let_children_end()
        # With several processes one Ctrl-C arrives as SIGINT from the terminal and as SIGTERM from the first.
        now = time.monotonic()
        self.presses += number == signal.SIGINT and now - self.pressed >= self.once
        self.pressed = now if number == signal.SIGINT else self.pressed
        for tell in self.holders:
            tell()
        if self.watch is not None:
            self.watch.wake(LOOK)
        if self.over or (self.on_its_way and not self.forced):
            return
        if self.forced or self.presses > 1 or not self.holders:
            if self.is_child:
                os._exit(128 + self.asked)
            self.on_its_way, self.over = True, self.forced
            end_children()
            raise Stopped(self.asked)

    def unraisable(self, args: Any) -> None:
        """Raise `Stopped` again after a finalizer has swallowed it."""
        if isinstance(args.exc_value, Stopped) and self.watch is not None:
            self.on_its_way = False
            self.watch.wake(REPEAT)
        else:
            self.hook(args)


_state = _State()


def listen(title: str) -> None:
    """Install the handlers, in the main thread; signals that are ignored, as by nohup, stay ignored."""
    global _state
    if _state.handlers:
        return
    _state = _State(title)
    if threading.current_thread() is not threading.main_thread():
        return
    for number in SIGNALS:
        if signal.getsignal(number) not in (signal.SIG_IGN, None):
            _state.handlers[number] = signal.signal(number, _state.handle)
    sys.unraisablehook = _state.unraisable
    if READER_LEFT is not None:
        _state.handlers[READER_LEFT] = signal.signal(READER_LEFT, _state.handle)
        _state.watch = Watch(_state, in_words)


def ended() -> None:
    """Mark the command as ended, after which signals have no effect."""
    _state.over = _state.said = True


def leave() -> None:
    """Restore the previous handlers."""
    if not _state.handlers:
        return
    sys.unraisablehook = _state.hook
    while _state.handlers:
        signal.signal(*_state.handlers.popitem())
    if _state.watch is not None:
        _state.watch.close()


def at(where: str | Callable[[], str]) -> None:
    """Set the text after "stopped by SIGTERM": where the program is, and how to go on."""
    _state.where = where


def asked() -> int | None:
    """Return the first signal received, or None."""
    return _state.asked


def check() -> None:
    """Raise `Stopped` if a signal is pending."""
    if _state.asked is not None and not _state.holders and not _state.on_its_way:
        _state.on_its_way = True
        raise Stopped(_state.asked)


def count_once(seconds: float) -> None:
    """Count repeats of Ctrl-C within `seconds` once: from the terminal, and passed on by a launcher."""
    _state.once = seconds


def hold(tell: Callable[[], Any] = lambda: None) -> Callable[[], None]:
    """Defer signals until the returned function is called, except for a second Ctrl-C or a timeout.

    Args:
        tell: called at each signal.
    """
    alone = not _state.handlers
    if alone:  # in another program, or a training process
        where = _state.where
        listen("")
        at(where)
    own = _state
    own.holders.append(tell)

    def release() -> None:
        if tell in own.holders:
            own.holders.remove(tell)
            if alone:
                leave()

    return release


@contextmanager
def starting(spare: tuple[int, ...] = ()) -> Iterator[None]:
    """Start processes inside the context that block signals to the process group, except those in `spare`."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    from multiprocessing import resource_tracker

    release = hold()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        sys.warnoptions.append("ignore:resource_tracker")  # so that it cleans up after a killed run without a warning
        resource_tracker.ensure_running()  # so that it does not end before us; it unblocks some signals
        sys.warnoptions.pop()
        signal.pthread_sigmask(signal.SIG_BLOCK, set(SIGNALS) - set(spare))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, spare)
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        release()
    check()


def started() -> None:
    """Receive signals again in a training process, where they wait for its callbacks."""
    follow_parent()
    hold()
    _state.is_child = True
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def follow_parent(deaf: bool = False, at_once: bool = False) -> None:
    """End this process when its parent has ended in any way.

    Args:
        deaf: whether signals stay blocked as by `starting`, except for the parent's SIGTERM.
        at_once: whether to use the system's death signal if possible, which also follows the parent *thread*.
    """
    from multiprocessing import parent_process

    if at_once and sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    known = parent_process()
    parent = os.getppid() if known is None or known.pid is None else known.pid
    threading.Thread(target=_follow, args=(parent, deaf), daemon=True).start()


def _follow(parent: int, deaf: bool) -> None:
    waits = deaf and hasattr(signal, "sigtimedwait")
    while os.getppid() == parent:
        if not waits:
            time.sleep(0.3)
            continue
        came = signal.sigtimedwait(SIGNALS, 0.3)
        if came is not None and (came.si_signo, came.si_pid) == (signal.SIGTERM, parent):
            break
    os._exit(1)


def reader_left() -> None:
    """Handle a failed write to a closed output."""
    if READER_LEFT is not None:
        signal.raise_signal(READER_LEFT)


def discard(file: int) -> None:
    """Redirect a file descriptor to the null device."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    if nowhere == file:  # the descriptor was closed
        os.set_inheritable(nowhere, True)
    else:
        os.dup2(nowhere, file)
        os.close(nowhere)


def end_children() -> None:
    """End child processes, such as data loader workers: waiting for each takes seconds."""
    children = sys.modules.get("multiprocessing.process")
    if _let_children_end() and children is not None:
        for child in children.active_children():
            child.kill()


def _let_children_end() -> bool:
    """Let data loader workers end silently: torch would raise at any place, as within a save."""
    is_ours = bool(_state.title or _state.is_child)  # not of a program that uses the package
    if is_ours and hasattr(signal, "SIGCHLD"):
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    return is_ours


def _is_gone(file: int) -> bool:
    """Return whether the other end is closed, of a pipe or a terminal."""
    if not hasattr(select, "poll"):
        return False
    poll = select.poll()
    poll.register(file, 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))
