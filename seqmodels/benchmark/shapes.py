"""Named benchmark shapes; free of torch, so that a wrong flag is reported at once.

T steps, B rows, F features, H units.
"""

from __future__ import annotations

import re
from typing import NamedTuple

#: train: forward and backward; infer: forward under `torch.no_grad`; step: one step of one row;
#: first: first use, in fresh processes; memory: peak of a training step, in fresh processes.
MODES = ("train", "infer", "step", "first", "memory")
TIMED = ("train", "infer", "step")


class Shape(NamedTuple):
    """Sizes of one comparison."""

    steps: int
    rows: int
    features: int
    units: int

    def __str__(self) -> str:
        return "×".join(map(str, self))


SHAPES = {
    "small": Shape(100, 32, 64, 128),
    "medium": Shape(100, 64, 256, 256),
    "wide": Shape(35, 32, 512, 512),
    "pixels": Shape(784, 64, 1, 128),
    "single": Shape(256, 1, 32, 64),
    "words": Shape(70, 20, 400, 1150),
    "long": Shape(4096, 8, 256, 256),
    "flash": Shape(1024, 16, 768, 768),
    "tiny": Shape(6, 2, 3, 4),
}
#: Default shapes of a comparison with torch's layers.
USUAL = ("small", "medium", "wide", "pixels", "single", "words")


def parse_shape(text: str) -> Shape:
    """Parse a shape given by name or as TxBxFxH.

    >>> parse_shape("100x32x64x128") == parse_shape("small")
    True
    """
    if text in SHAPES:
        return SHAPES[text]
    if not re.fullmatch(r"[1-9]\d*([x×][1-9]\d*){3}", text):
        raise ValueError(f"must be one of {', '.join(SHAPES)}, or TxBxFxH such as 100x32x64x128, got {text!r}")
    return Shape(*map(int, re.split("[x×]", text)))
