"""Fallback to the plain loop, with one warning, if the compiler of the device fails."""

from __future__ import annotations

import logging
from typing import Any

from seqmodels.scan.fused_cuda import kernel as kernels
from seqmodels.scan.step_graph.values import CannotFuseError

_log = logging.getLogger(__name__)


def give_up(kernel: Any, error: Exception) -> None:
    """Disable `kernel`."""
    reason = (
        f"its generated code could not be run on this device: {str(error).splitlines()[0] if str(error) else error!r}"
    )
    for key, known in list(kernels.known.items()):
        if known is kernel:
            kernels.known[key] = CannotFuseError(reason)
            _log.warning("a cell falls back to the reference engine, which is slower: %s", reason)
