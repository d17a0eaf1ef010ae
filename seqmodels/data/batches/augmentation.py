"""More sequences to train on: varied copies of those that are there.

A copy is drawn from the seed, its sequence and its number alone, so every epoch, every worker and a run that is
resumed see the same ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from seqmodels.dataset import SequenceDataset


@dataclass(frozen=True)
class Augmentation:
    """Changes in an augmented copy; none where all are 0 and crop is None.

    Fields:
        copies: of each sequence, at least 1.
        crop: steps of a part that is cut out at random; None for the whole sequence.
        shift: pixels that an image moves by at most, in each direction.
        rotate: degrees that it is turned by at most.
        shear: pixels that each row moves against the next, at most.
        zoom: share that its height and its width change by at most, each by itself.
        tilt: degrees that sensors of three axes are turned by, at most, around an axis drawn at random; each three
            neighbouring features are one sensor.
        gain: share that all numbers of a sequence grow or shrink by at most.
        noise: deviation of what is added to every number, in deviations of the training data.
    """

    copies: int = 1
    crop: int | None = None
    shift: float = 0.0
    rotate: float = 0.0
    shear: float = 0.0
    zoom: float = 0.0
    tilt: float = 0.0
    gain: float = 0.0
    noise: float = 0.0

    @property
    def moves(self) -> bool:
        """Whether images are moved."""
        return bool(self.shift or self.rotate or self.shear or self.zoom)

    @property
    def changes(self) -> bool:
        """Whether there is anything to do."""
        return self.copies > 1 or self.crop is not None or self.moves or bool(self.tilt or self.gain or self.noise)


class Augmented(SequenceDataset):
    """Augmented copies of the sequences of another data set, one after the other.

    >>> from seqmodels.spec import Spec
    >>> from seqmodels.data.dataset import ArrayDataset
    >>> data = ArrayDataset(Spec("features", 1, "labels", 2, "sequence"), [np.arange(9.0)[:, None]], [1])
    >>> varied = Augmented(data, Augmentation(copies=3, crop=4))
    >>> varied.lengths.tolist(), len(varied.read(2, 0, 4)[0]), varied.original is data
    ([4, 4, 4], 4, True)

    Args:
        original: scaled sequences.
        how: what may change.
        grid: rows, columns and channels of the images that the sequences are; None where they are none.
        seed: what the copies are drawn from.
    """

    original: SequenceDataset

    def __init__(
        self,
        original: SequenceDataset,
        how: Augmentation,
        grid: tuple[int, int, int] | None = None,
        seed: int = 0,
    ) -> None:
        self.original, self.how, self.grid, self.seed = original, how, grid, seed
        self.spec = original.spec
        longest = original.lengths if how.crop is None else np.minimum(original.lengths, how.crop)
        self.lengths = np.repeat(longest, how.copies)
        if original.weights is not None:
            self.weights = np.repeat(original.weights, how.copies)
        if original.groups is not None:
            self.groups = [group for group in original.groups for _ in range(how.copies)]

    def read(self, index: int, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        item, length = index // self.how.copies, int(self.lengths[index])
        draw = np.random.default_rng([self.seed, index])
        first = int(draw.integers(int(self.original.lengths[item]) - length + 1))
        inputs, targets = self.original.read(item, first, first + length)
        if self.grid is not None and self.how.moves:
            inputs = move(inputs.reshape(self.grid), self.how, draw).reshape(inputs.shape)
        if self.how.tilt:
            inputs = tilt(inputs, np.radians(self.how.tilt), draw)
        if self.how.gain:
            inputs = inputs * np.float32(1 + self.how.gain * draw.uniform(-1, 1))
        if self.how.noise:
            inputs = inputs + self.how.noise * draw.standard_normal(inputs.shape, dtype=np.float32)
        inputs = np.asarray(inputs[start:stop], dtype=np.float32)
        return inputs, targets[start:stop] if self.spec.target_shape == "step" else targets


def move(image: np.ndarray, how: Augmentation, draw: np.random.Generator) -> np.ndarray:
    """Rotate, shear, zoom and shift an image ``(rows, columns, channels)``, bilinear; its border is drawn out.

    >>> image = np.arange(9, dtype=np.float32).reshape(3, 3, 1)
    >>> bool(np.allclose(move(image, Augmentation(), np.random.default_rng(0)), image, atol=1e-5))
    True
    """
    height, width = image.shape[:2]
    angle = np.radians(how.rotate) * draw.uniform(-1, 1)
    zoom = 1 + how.zoom * draw.uniform(-1, 1, 2)
    away = 2 * how.shift * draw.uniform(-1, 1, 2) / (width, height)
    # Coordinates run from -1 to 1 along both sides, so a turn has to know how long the sides are.
    cos, sin = np.cos(angle), np.sin(angle)
    across = how.shear * draw.uniform(-1, 1) - sin
    matrix = [[zoom[0] * cos, across * height / width, away[0]], [sin * width / height, zoom[1] * cos, away[1]]]
    pixels = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1), dtype=np.float32)).unsqueeze(0)
    grid = functional.affine_grid(torch.tensor([matrix], dtype=torch.float32), list(pixels.shape), align_corners=False)
    moved = functional.grid_sample(pixels, grid, padding_mode="border", align_corners=False)
    return moved[0].permute(1, 2, 0).numpy()


def tilt(steps: np.ndarray, most: float, draw: np.random.Generator) -> np.ndarray:
    """Rotate sensors of three axes ``(T, 3 n)``, all alike, by `most` radians at most.

        R = I + sin(angle) K + (1 - cos(angle)) K^2        K v = axis x v        (Rodrigues)

    >>> turned = tilt(np.array([[3.0, 0.0, 4.0]]), 1.0, np.random.default_rng(0))
    >>> round(float(np.linalg.norm(turned)), 4)
    5.0
    """
    x, y, z = _unit(draw.standard_normal(3))
    angle = most * draw.uniform(-1, 1)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    turn = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    return (steps.reshape(len(steps), -1, 3) @ turn.T.astype(steps.dtype)).reshape(steps.shape)


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)
