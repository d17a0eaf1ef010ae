"""Recording of launches as CUDA graphs, replayed for the same shapes.

A stepwise scan is some thousand small launches, without gaps between them in a graph. A kind of call is recorded at its
second occurrence, on its own buffers: inputs are copied there and results copied back.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable

import torch

from seqmodels.scan.fused_cuda.drivers import Buffers

_log = logging.getLogger(__name__)
#: Largest number of recorded kinds of call, which hold memory; the least recently used is dropped.
_MOST = 16
_recorded: OrderedDict[Hashable, Recording | None] = OrderedDict()


class Recording:
    """Recorded launches of one kind of call.

    Args:
        capture: function that turns launches into a function that replays them.
    """

    def __init__(
        self,
        launches: Callable[[Buffers], None],
        buffers: Buffers,
        capture: Callable[[Callable[[], None]], Callable[[], None]],
    ) -> None:
        self._own = {name: buffer.clone() for name, buffer in buffers.items()}
        self._play = capture(lambda: launches(self._own))

    def __call__(self, buffers: Buffers, results: Collection[str], scratch: Collection[str]) -> None:
        """Replay the launches on `buffers`: all but `scratch` are copied in, and `results` are copied out."""
        for name, own in self._own.items():
            if name not in scratch:
                own.copy_(buffers[name])
        self._play()
        for name, own in self._own.items():
            if name in results:
                buffers[name].copy_(own)


def replay(
    key: Hashable,
    launches: Callable[[Buffers], None],
    buffers: Buffers,
    results: Collection[str],
    scratch: Collection[str],
) -> None:
    """Run `launches` on `buffers`: directly for a new `key`, from a recording later.

    Args:
        key: what the launches depend on besides the shapes of the buffers.
        results: names of buffers that the launches write.
        scratch: names of buffers that are not inputs.
    """
    key = (key, *((name, buffer.shape, buffer.dtype, buffer.device) for name, buffer in buffers.items()))
    if not _may_record(buffers) or key not in _recorded:
        launches(buffers)
        if _may_record(buffers):
            _remember(key, None)
        return
    recording = _recorded[key]
    if recording is None:
        try:
            recording = Recording(launches, buffers, _capture)
        except RuntimeError as error:
            _log.warning("a scan could not be recorded as a CUDA graph, and is launched step by step: %s", error)
            launches(buffers)
            return
    _remember(key, recording)
    recording(buffers, results, scratch)


def _may_record(buffers: Buffers) -> bool:
    """Return whether there is a device and no other recording is active."""
    return next(iter(buffers.values())).is_cuda and not torch.cuda.is_current_stream_capturing()


def _remember(key: Hashable, recording: Recording | None) -> None:
    _recorded[key] = recording
    _recorded.move_to_end(key)
    while len(_recorded) > _MOST:
        _recorded.popitem(last=False)


def _capture(launches: Callable[[], None]) -> Callable[[], None]:
    """Record `launches`, after a first run on a side stream in which libraries initialise."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        launches()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        launches()
    return graph.replay
