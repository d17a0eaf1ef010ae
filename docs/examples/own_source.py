"""Recordings of a wrist sensor: a line with what was done and who did it, then a line of numbers for each step.

# walk ann
0.1 0.3 9.8
0.2 0.1 9.7
"""

from __future__ import annotations

import numpy as np

from seqmodels.data.examples import Examples
from seqmodels.data.files.find import read_text
from seqmodels.data.sources.file import FileSource
from seqmodels.kinds import Count, Seed, Share
from seqmodels.registry import register


@register("data", "wrist")
class WristSource(FileSource):
    """What does a wrist do? Movements with a class each; nobody is in two splits.

    Args:
        path: the file.
        shortest: steps that a recording needs; shorter ones are left out.
        val_fraction, test_fraction: shares of validation and test.
        seed: what the random split depends on.
    """

    def __init__(
        self, path: str, shortest: Count = 1, val_fraction: Share = 0.1, test_fraction: Share = 0.1, seed: Seed = 0
    ) -> None:
        super().__init__(path, val_fraction, test_fraction, seed)
        self.shortest = shortest

    def read(self, path: str) -> Examples:
        found: list[tuple[str, str, int, list[list[float]]]] = []
        for number, line in enumerate(read_text(path).splitlines(), 1):
            try:
                if line.startswith("#"):
                    _, label, person = line.split()
                    found.append((label, person, number, []))
                elif line.strip():
                    x, y, z = map(float, line.split())
                    found[-1][3].append([x, y, z])
            except (ValueError, IndexError):
                raise ValueError(f"{path}, line {number}: expected '# CLASS PERSON' or x y z, got {line!r}") from None
        kept = [one for one in found if len(one[3]) >= self.shortest]
        if not kept:
            raise ValueError(f"{path}: expected recordings of data.shortest={self.shortest} steps or more, got none")
        labels, people, lines, steps = zip(*kept, strict=True)
        lost = len(found) - len(kept)
        notes = (f"{lost} of {len(found)} recordings left out: too short (data.shortest)",) if lost else ()
        inputs = [np.array(one) for one in steps]
        return Examples(path, inputs, labels, groups=people, lines=lines, names=("x", "y", "z"), notes=notes)
