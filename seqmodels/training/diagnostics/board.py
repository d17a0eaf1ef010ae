"""TensorBoard output of diagnostics, isolated from the training."""

import logging
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from seqmodels.escaping import on_screen
from seqmodels.training.diagnostics.cuts import NotApplicableError

log = logging.getLogger(__name__)

HISTOGRAM_VALUES = 20_000  # with more, a histogram takes longer and looks the same


class Board:
    """TensorBoard's writer, and the update to write at.

    Args:
        noted: notes that have been written.
    """

    def __init__(self, writer: Any, device: torch.device, noted: set[str] | None = None) -> None:
        self.writer = writer
        self.device = device
        self.update = 0
        self._noted: set[str] = set() if noted is None else noted

    def scalar(self, tag: str, value: float) -> None:
        self.writer.add_scalar(tag, value, self.update)

    def histogram(self, tag: str, values: Tensor) -> None:
        flat = values.detach().float().flatten()
        if flat.numel():
            stride = -(-flat.numel() // HISTOGRAM_VALUES)
            self.writer.add_histogram(tag, flat[::stride].cpu().numpy(), self.update)

    def figure(self, tag: str, figure: Any) -> None:
        from seqmodels.training.diagnostics.style import figure_pixels  # with Matplotlib, as the figure

        self.writer.add_image(tag, figure_pixels(figure), self.update, dataformats="HWC")

    def text(self, tag: str, words: str) -> None:
        """Write text verbatim, indented so that TensorBoard does not render it as Markdown."""
        lines = [f"    {on_screen(line)}" for line in words.splitlines()]
        self.writer.add_text(tag, "\n".join(lines), self.update)

    def attempt(self, part: str, write: Callable[[], None]) -> None:
        """Call `write`, restore the random state, and note a failure instead of raising it."""
        devices = [self.device] if self.device.type == "cuda" else []
        try:
            with torch.random.fork_rng(devices):
                write()
        except NotApplicableError as reason:
            self.note(part, f"{part} is left out: {reason}", logging.INFO)
        except Exception as error:  # no error here may stop a training
            self.note(part, f"{part} is left out: {type(error).__name__}: {error}", logging.WARNING)

    def note(self, about: str, words: str, level: int = logging.INFO) -> None:
        """Write a note once, to the log and under `diagnostics/notes`."""
        if about not in self._noted:
            self._noted.add(about)
            log.log(level, "diagnostics: %s", words)
            self.text(f"diagnostics/notes/{about}", words)
