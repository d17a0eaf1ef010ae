"""What is taken from the training sequences, in any number of parts: vocabulary, classes, shifts and scales.

N rows, F features or values.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np

from seqmodels.batch import BatchSpec
from seqmodels.data.columns.infer import Layout
from seqmodels.data.columns.sequences import Reading, Sequences
from seqmodels.data.columns.targets import label_lists, sort_labels, target_values
from seqmodels.data.encode.vocabulary import UNKNOWN
from seqmodels.data.numbers import fit_scale
from seqmodels.quoting import shown

# What was seen less often in training is unknown, so that the model learns what an unknown token is like.
FEWEST_SEEN = 2


class Moments:
    """Mean and standard deviation of each column, of rows that come in parts.

    Two parts of n and m rows with means a, b and sums of squared deviations A, B together have
    (Chan, Golub & LeVeque 1983, equation 2.1)

        mean = a + (b - a) m / (n + m)        squares = A + B + (b - a)^2 n m / (n + m)

    >>> moments = Moments()
    >>> for part in ([[1.0]], [[3.0], [5.0]]):
    ...     moments.add(np.array(part))
    >>> np.allclose(moments.shift_and_scale(), fit_scale(np.array([[1.0], [3.0], [5.0]])))
    True
    """

    def __init__(self) -> None:
        self.count = 0
        self.mean: np.ndarray = np.zeros(0)
        self.squares: np.ndarray = np.zeros(0)

    def add(self, rows: np.ndarray) -> None:
        """Count rows ``(N, F)``, all finite."""
        mean = rows.mean(axis=0)
        squares = ((rows - mean) ** 2).sum(axis=0)
        if self.count == 0:
            self.count, self.mean, self.squares = len(rows), mean, squares
            return
        total, apart = self.count + len(rows), mean - self.mean
        self.squares = self.squares + squares + apart**2 * self.count * len(rows) / total
        self.mean = self.mean + apart * len(rows) / total
        self.count = total

    def shift_and_scale(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """As `seqmodels.data.numbers.fit_scale` of all rows; the scale of a constant is 1."""
        deviation = np.sqrt(self.squares / max(1, self.count))
        # Two rows that have this mean and deviation, so that there is one rule for what a constant is.
        return fit_scale(np.stack([self.mean - deviation, self.mean + deviation]))


class Summary:
    """Counts of the training sequences, from which their spec is made.

    Args:
        layout: of their table.
    """

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.tokens: Counter[str] = Counter()
        self.labels: Counter[str] = Counter()
        self.inputs, self.values = Moments(), Moments()
        self.sequences = self.steps = 0

    def add(self, train: Sequences) -> None:
        """Count some training sequences."""
        if len(train) == 0:
            return
        self.sequences += len(train)
        self.steps += sum(map(len, train.inputs))
        if self.layout.text is not None:
            for steps in train.inputs:
                self.tokens.update(steps)
        else:
            self.inputs.add(np.concatenate(train.inputs))
        if self.layout.target_kind == "values":
            per_step = self.layout.target_per == "step"
            rows = np.concatenate([rows if per_step else rows[:1] for rows in train.rows])
            self.values.add(target_values(train.table, self.layout)[rows])
        else:
            self.labels.update(label for steps in label_lists(train) for labels in steps for label in labels)

    def spec(self, how: Reading, min_count: int = FEWEST_SEEN) -> BatchSpec:
        """The spec of data whose training part was counted.

        Args:
            how: it was read; kept in the spec, so that new files are read alike.
            min_count: tokens seen less often are unknown.

        Raises:
            ValueError: the training part has one class or one value only.
        """
        layout = self.layout
        options = {"layout": layout.to_plain(), **how.to_plain()}
        if layout.text is not None:
            names = (UNKNOWN, *sorted(token for token, count in self.tokens.items() if count >= min_count))
            spec = BatchSpec("tokens", len(names), "labels", 0, layout.target_per, names, options=options)
            return self._with_targets(spec)
        names = layout.feature_names
        names = (*names, *(f"{name} change" for name in names)) if how.differences else names
        shift, scale = self.inputs.shift_and_scale()
        spec = BatchSpec("features", len(names), "labels", 0, layout.target_per, names, options=options)
        return self._with_targets(replace(spec, input_shift=shift, input_scale=scale))

    def _with_targets(self, spec: BatchSpec) -> BatchSpec:
        layout = self.layout
        if layout.target_kind == "values":
            if self.values.count > 1 and not self.values.squares.any():
                raise ValueError(
                    f"column {', '.join(map(repr, layout.targets))}: expected different values to be learned, "
                    f"got {self.values.mean[0]:g} everywhere in the training part"
                )
            shift, scale = self.values.shift_and_scale()
            names = layout.targets
            return replace(spec, targets="values", target_size=len(names), target_names=names, shift=shift, scale=scale)
        classes = layout.targets if layout.more_targets else sort_labels(self.labels)
        if layout.target_kind == "labels" and len(classes) < 2:
            raise ValueError(
                f"column {shown(layout.target)}: expected two classes or more in the training part, "
                f"got only {classes}; choose other splits (data.split, data.group, data.seed), or "
                "data.target_kind=values for numbers"
            )
        return replace(spec, targets=layout.target_kind, target_size=len(classes), target_names=classes)
