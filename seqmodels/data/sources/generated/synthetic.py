"""Synthetic sequences with known answers: what a recurrence can do, and how far back it can remember.

T steps.
"""

from __future__ import annotations

import string
from typing import Annotated

import numpy as np

from seqmodels.data.sources.generated.base import HeldOutSize, Sequence, Steps, SyntheticSource, TrainSize
from seqmodels.kinds import Seed, whole
from seqmodels.registry import register
from seqmodels.spec import Spec

LETTERS = string.ascii_lowercase
BLANK, GO, STOP = "_", "!", "<stop>"


@register("data", "running_sum")
class RunningSumSource(SyntheticSource):
    """1, 1, 1 -> 1, 2, 3: whole numbers; the target of each step is the sum so far.

    Any recurrence can do it exactly. Without memory one can do no better than to guess: of the sum
    the last number says next to nothing.

    >>> train = RunningSumSource(steps=4).splits()["train"]
    >>> inputs, targets = train.read(0, 0, 4)
    >>> (inputs * train.spec.input_scale + train.spec.input_shift).round(3)[:, 0].tolist()
    [7.0, 3.0, 1.0, 5.0]
    >>> (targets * train.spec.scale + train.spec.shift).round(3)[:, 0].tolist()
    [7.0, 10.0, 11.0, 16.0]

    Args:
        steps: numbers in a sequence.
        largest: numbers are drawn from 0 to this one.
        train_size, val_size, test_size, seed: as for `SyntheticSource`.
    """

    def __init__(
        self,
        steps: Steps = 20,
        largest: Annotated[int, whole(1, 1_000_000)] = 9,
        train_size: TrainSize = 10_000,
        val_size: HeldOutSize = 1_000,
        test_size: HeldOutSize = 1_000,
        seed: Seed = 0,
    ) -> None:
        super().__init__(train_size, val_size, test_size, seed, steps)
        self.largest = largest
        # Mean m and variance v of one number; over the steps t the sums have mean m t and variance v t.
        mean, variance = largest / 2, largest * (largest + 2) / 12
        spread = variance * (steps + 1) / 2 + mean**2 * (steps**2 - 1) / 12
        self.spec = Spec(
            *("features", 1, "values", 1, "step"),
            input_names=("number",),
            target_names=("sum",),
            shift=(mean * (steps + 1) / 2,),
            scale=(spread**0.5,),
            input_shift=(mean,),
            input_scale=(variance**0.5,),
        )

    def make(self, generator: np.random.Generator, steps: int) -> Sequence:
        numbers = generator.integers(0, self.largest + 1, (steps, 1))
        spec = self.spec
        inputs = (numbers - spec.input_shift[0]) / spec.input_scale[0]
        targets = (numbers.cumsum(axis=0) - spec.shift[0]) / spec.scale[0]
        return inputs.astype(np.float32), targets.astype(np.float32)


@register("data", "adding")
class AddingSource(SyntheticSource):
    """The sum of the two marked numbers among T, one marked in each half.

    Always to answer 1 has a mean squared error of 1/6 = 0.1667: that is chance.

    Source: Hochreiter & Schmidhuber 1997, section 5.4, in the form of Le et al. 2015, section 4.1.

    >>> train = AddingSource(steps=6).splits()["train"]
    >>> inputs, target = train.read(0, 0, 6)
    >>> bool(np.isclose((inputs[:, 0] * inputs[:, 1]).sum(), target[0]))
    True

    Args:
        steps: T, at least 2.
        train_size, val_size, test_size, seed: as for `SyntheticSource`.
    """

    spec = Spec("features", 2, "values", 1, "sequence", ("number", "marked"), ("sum",))

    def __init__(
        self,
        steps: Annotated[int, whole(2, 10_000)] = 200,
        train_size: TrainSize = 50_000,
        val_size: HeldOutSize = 1_000,
        test_size: HeldOutSize = 1_000,
        seed: Seed = 0,
    ) -> None:
        super().__init__(train_size, val_size, test_size, seed, steps)

    def make(self, generator: np.random.Generator, steps: int) -> Sequence:
        inputs = np.zeros((steps, 2), np.float32)
        inputs[:, 0] = generator.random(steps, np.float32)
        marked = [generator.integers(0, steps // 2), generator.integers(steps // 2, steps)]
        inputs[marked, 1] = 1
        return inputs, inputs[marked, :1].sum(axis=0)


@register("data", "copying")
class CopyingSource(SyntheticSource):
    """Some letters, a long blank, and the letters again: ``cab____!___ -> ________cab``.

    Answering blank until the sign, then any letter, has a loss of length ln(symbols) / T: chance.

    Source: Hochreiter & Schmidhuber 1997; Arjovsky et al. 2016, section 5.1.

    >>> train = CopyingSource(delay=4, length=3).splits()["train"]
    >>> inputs, targets = train.read(0, 0, 10)
    >>> "".join(train.spec.input_names[i] for i in inputs), "".join(train.spec.target_names[i] for i in targets)
    ('fcb___!___', '_______fcb')

    Args:
        delay: steps from the last letter to the first answer; at least 1. T = delay + 2 length.
        length: letters to remember.
        symbols: different letters, 2 to 26.
        train_size, val_size, test_size, seed: as for `SyntheticSource`.
    """

    def __init__(
        self,
        delay: Steps = 100,
        length: Steps = 10,
        symbols: Annotated[int, whole(2, 26)] = 8,
        train_size: TrainSize = 20_000,
        val_size: HeldOutSize = 1_000,
        test_size: HeldOutSize = 1_000,
        seed: Seed = 0,
    ) -> None:
        super().__init__(train_size, val_size, test_size, seed, delay + 2 * length)
        self.length = length
        letters = _letters(symbols)
        self.spec = Spec(
            *("tokens", symbols + 2, "labels", symbols + 1, "step"),
            input_names=(BLANK, *letters, GO),
            target_names=(BLANK, *letters),
        )

    def make(self, generator: np.random.Generator, steps: int) -> Sequence:
        letters = generator.integers(1, self.spec.target_size, self.length)
        inputs, targets = np.zeros((2, steps), np.int64)
        inputs[: self.length] = targets[-self.length :] = letters
        inputs[-self.length - 1] = self.spec.input_size - 1
        return inputs, targets


@register("data", "reversal")
class ReversalSource(SyntheticSource):
    """Letters, and the same letters backwards: ``abc -> cba``, then a stop token.

    >>> train = ReversalSource(symbols=3).splits()["train"]
    >>> inputs, targets = train.read(0, 0, int(train.lengths[0]))
    >>> (inputs[::-1] == targets[:-1]).all() and train.spec.target_names[targets[-1]]
    '<stop>'

    Args:
        symbols: different letters, 2 to 26.
        shortest, longest: letters in a sequence.
        train_size, val_size, test_size, seed: as for `SyntheticSource`.
    """

    def __init__(
        self,
        symbols: Annotated[int, whole(2, 26)] = 10,
        shortest: Steps = 5,
        longest: Steps = 15,
        train_size: TrainSize = 20_000,
        val_size: HeldOutSize = 1_000,
        test_size: HeldOutSize = 1_000,
        seed: Seed = 0,
    ) -> None:
        if longest < shortest:
            raise ValueError(f"data.longest must be at least {shortest}, got {longest!r}")
        super().__init__(train_size, val_size, test_size, seed, shortest, longest)
        letters = _letters(symbols)
        self.spec = Spec(
            *("tokens", symbols, "tokens", symbols + 1, "own"),
            input_names=letters,
            target_names=(*letters, STOP),
            stop=symbols,
        )

    def make(self, generator: np.random.Generator, steps: int) -> Sequence:
        inputs = generator.integers(0, self.spec.input_size, steps)
        return inputs, np.append(inputs[::-1], self.spec.target_size - 1)


def _letters(symbols: int) -> tuple[str, ...]:
    return tuple(LETTERS[:symbols])
