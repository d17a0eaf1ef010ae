"""How a signal stops a command: in one line, in time, and at a moment at which nothing is lost.

A signal raises `Stopped` where the program is, or, while something is `held`, waits for whoever holds it to look at
`asked`. Whatever happens, the process has ended `watch.END` seconds after the signal.
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

from seqmodels.watch import LOOK, REPEAT, SIGNALS, Watch

# What stands for a reader of the output that went away, as in `| head`.
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
        """The exit code, as shells give it."""
        return 128 + self.number

    def __str__(self) -> str:
        return in_words(self.number)


def in_words(number: int) -> str:
    """What happened, where the program was, and how to go on."""
    cause = "because its output is read no more" if number == READER_LEFT else f"by {signal.Signals(number).name}"
    return f"stopped {cause}{_state.where() if callable(_state.where) else _state.where}"


class _State:
    """What the process, which has one set of handlers, knows of being stopped."""

    def __init__(self, title: str = "") -> None:
        self.title = title
        self.where: str | Callable[[], str] = f"; {AGAIN}"
        self.asked: int | None = None
        self.holders: list[Callable[[], Any]] = []  # each told of every signal
        self.presses = 0  # of Ctrl-C
        self.pressed, self.once = float("-inf"), 0.0
        self.forced = self.on_its_way = self.over = self.said = self.is_child = False
        self.handlers: dict[int, Any] = {}  # those of before
        self.hook: Callable[[Any], Any] = sys.unraisablehook
        self.watch: Watch | None = None

    def handle(self, number: int, frame: Any) -> None:
        gone = [file for file in (1, 2) if _is_gone(file)]
        for file in gone:
            discard(file)
        if number == READER_LEFT and not gone and self.asked is None:  # it is of another pipe
            return
        self.asked = self.asked or number
        _let_children_end()
        # With several processes one Ctrl-C comes as SIGINT from the terminal and as SIGTERM from the first.
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
        """Raise once more what a finalizer has swallowed."""
        if isinstance(args.exc_value, Stopped) and self.watch is not None:
            self.on_its_way = False
            self.watch.wake(REPEAT)
        else:
            self.hook(args)


_state = _State()


def listen(title: str) -> None:
    """Answer signals from now on, in the main thread; those that were ignored, as by nohup, stay so."""
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
    """What is left to do is to say how it went: a signal changes that no more."""
    _state.over = _state.said = True


def leave() -> None:
    """Answer signals as before."""
    if not _state.handlers:
        return
    sys.unraisablehook = _state.hook
    while _state.handlers:
        signal.signal(*_state.handlers.popitem())
    if _state.watch is not None:
        _state.watch.close()


def at(where: str | Callable[[], str]) -> None:
    """Say what follows "stopped by SIGTERM" from now on: where the program is, and how to go on."""
    _state.where = where


def asked() -> int | None:
    """The first signal that came, if one did."""
    return _state.asked


def check() -> None:
    """Stop here, if a signal came that nobody has answered."""
    if _state.asked is not None and not _state.holders and not _state.on_its_way:
        _state.on_its_way = True
        raise Stopped(_state.asked)


def count_once(seconds: float) -> None:
    """Take Ctrl-C that comes again so soon for the same: from a terminal, and passed on by a launcher."""
    _state.once = seconds


def hold(tell: Callable[[], Any] = lambda: None) -> Callable[[], None]:
    """Let signals wait until what is given back is called; a second Ctrl-C does not, nor does one for long.

    Args:
        tell: called at each signal.
    """
    alone = not _state.handlers
    if alone:  # in a program of somebody else's, or a process of a training
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
    """Start processes that signals to the whole group, as of a terminal, do not reach, but for those of `spare`."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    from multiprocessing import resource_tracker

    release = hold()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        sys.warnoptions.append("ignore:resource_tracker")  # what a killed run leaves it takes away without a word
        resource_tracker.ensure_running()  # so that it does not end before us; it lifts the block of some
        sys.warnoptions.pop()
        signal.pthread_sigmask(signal.SIG_BLOCK, set(SIGNALS) - set(spare))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, spare)
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        release()
    check()


def started() -> None:
    """In a process of a training: hear signals again, which wait until its callbacks look at them."""
    follow_parent()
    hold()
    _state.is_child = True
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def follow_parent(deaf: bool = False, at_once: bool = False) -> None:
    """End this process when the one that started it has ended, however that was.

    Args:
        deaf: whether signals are blocked here, as `starting` does, for good: but for the parent's SIGTERM.
        at_once: whether the system is to see to it, where it can: also when the *thread* ends that started this.
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
    """A write found that nobody reads the output any more."""
    if READER_LEFT is not None:
        signal.raise_signal(READER_LEFT)


def discard(file: int) -> None:
    """Let what is still written to a file descriptor go nowhere."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    if nowhere == file:  # it was closed
        os.set_inheritable(nowhere, True)
    else:
        os.dup2(nowhere, file)
        os.close(nowhere)


def end_children() -> None:
    """End the processes of a command that stops, such as those that read data ahead: waiting for each takes seconds."""
    children = sys.modules.get("multiprocessing.process")
    if _let_children_end() and children is not None:
        for child in children.active_children():
            child.kill()


def _let_children_end() -> bool:
    """Let processes that read data end without a word: torch would raise wherever this one is, as within a save."""
    is_ours = bool(_state.title or _state.is_child)  # and not of a program that uses the package
    if is_ours and hasattr(signal, "SIGCHLD"):
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    return is_ours


def _is_gone(file: int) -> bool:
    """Whether nobody is at the other end: of a pipe that is read no more, or a terminal that was closed."""
    if not hasattr(select, "poll"):
        return False
    poll = select.poll()
    poll.register(file, 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))
