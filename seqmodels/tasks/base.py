"""Base class of tasks: loss, metrics, baselines, decoding and plots.

B rows, T steps, S target steps, V classes or values. An *item* is the unit of one target: a row, or
a step of a row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from seqmodels.batch import SequenceBatch, step_mask
from seqmodels.dataset import SequenceDataset
from seqmodels.model import SequenceModel
from seqmodels.registry import find, names
from seqmodels.spec import Spec
from seqmodels.tasks.comparison import compare

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torchmetrics import MetricCollection
else:  # both take seconds to import, which a task does when it measures or draws
    Figure = MetricCollection = Any


SHAPES = {"step": "one per step", "sequence": "one per sequence", "own": "a sequence of their own length"}


class Task:
    """Abstract task: loss, metrics and baselines for data described by `spec`.

    A subclass sets the supported targets, `target_kinds` and `target_shapes`, and implements
    `item_loss`, `metrics`, `update`, `monitor`, `baselines` and `decode`.

    Raises:
        ValueError: unsupported targets, or an option out of range.
    """

    target_kinds: ClassVar[tuple[str, ...]] = ()
    target_shapes: ClassVar[tuple[str, ...]] = ()
    # Whether the loss aligns predictions at the input steps with the targets: see `Head.unaligned`.
    unaligned: ClassVar[bool] = False
    # Whether its targets are movements of a pen.
    drawing: ClassVar[bool] = False
    # Whether the task is calibrated on held-out predictions after training: see `calibrate`.
    calibrates: bool = False
    # Generation is slow: always done on the test split, in every validation only if this is true.
    generates_in_validation: bool = False

    def __init__(self, spec: Spec) -> None:
        if not self.suits(spec):
            known: dict[str, Any] = {name: find("task", name) for name in names("task")}
            fitting = ", ".join(name for name, task in known.items() if task.suits(spec)) or "none"
            raise ValueError(
                f"{type(self).__name__} is not for this data: its targets are {spec.targets}, "
                f"{SHAPES[spec.target_shape]}; tasks for such targets: {fitting}"
            )
        self.spec = spec

    @classmethod
    def suits(cls, spec: Spec) -> bool:
        """Return whether the task supports such data."""
        return spec.targets in cls.target_kinds and spec.target_shape in cls.target_shapes

    @property
    def output_size(self) -> int:
        """V, the size of the prediction's last axis."""
        return self.spec.target_size

    @property
    def names(self) -> list[str]:
        """Names of the classes."""
        return [name_of(self.spec.target_names, index) for index in range(self.spec.target_size)]

    @property
    def monitor(self) -> tuple[str, str]:
        """Metric monitored by checkpoints and early stopping, and its mode "min" or "max"."""
        return "loss", "min"

    def prepare(self, train: SequenceDataset) -> None:
        """Compute statistics of the training split for loss and metrics; none by default."""

    def calibrate(self, batches: Iterable[tuple[Tensor, SequenceBatch]]) -> None:
        """Calibrate on the trained model's predictions of the validation split, if `calibrates`."""

    def state(self) -> dict[str, Any]:
        """Return the result of `calibrate` as tensors and plain values for the checkpoint."""
        return {}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore the result of `state`."""

    def loss(self, prediction: Tensor, batch: SequenceBatch) -> tuple[Tensor, Tensor]:
        """Return the summed loss over the real items, and their number.

        Both are weighted by the batch's weights, if any, and additive over parts of a batch: total /
        count is the exact mean over a stage, an accumulated batch or several processes. Padding, NaN
        included, affects neither the loss nor its gradient.

        Args:
            prediction: ``(B, V)`` or ``(B, S, V)``, like the targets; steps beyond theirs are not read.
        """
        prediction = self.fit(prediction, batch)
        if prediction.dtype in (torch.float16, torch.bfloat16):
            prediction = prediction.float()
        real = real_items(batch, self.spec)
        items = self.item_loss(blank(prediction, real), blank(batch.targets, real))
        return weighted(blank(items, real), real, batch.weights)

    def item_loss(self, prediction: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of each item, from predictions ``(..., V)`` to ``(...)``."""
        raise NotImplementedError

    def fit(self, prediction: Tensor, batch: SequenceBatch) -> Tensor:
        """Trim the prediction to the steps that have a target.

        Raises:
            ValueError: a prediction of the wrong shape.
        """
        values = self.spec.targets in ("values", "sets")
        expected = tuple(batch.targets.shape[:-1] if values else batch.targets.shape)
        if self.spec.target_shape == "own":
            prediction = prediction[:, : expected[1]]
        if tuple(prediction.shape) != (*expected, self.output_size):
            raise ValueError(
                f"prediction must be {(*expected, self.output_size)} for targets {tuple(batch.targets.shape)}, "
                f"got {tuple(prediction.shape)}: the head must have output_size={self.output_size}"
            )
        return prediction

    def real(self, prediction: Tensor, batch: SequenceBatch) -> tuple[Tensor, Tensor]:
        """Return predictions ``(N, V)`` and targets ``(N,)`` or ``(N, V)`` of the N real items."""
        real = real_items(batch, self.spec)
        return self.fit(prediction.detach(), batch)[real], batch.targets[real]

    def metrics(self) -> MetricCollection:
        """Return new metrics for one stage, summed over all items and processes."""
        from torchmetrics import MetricCollection

        return MetricCollection({})

    def update(self, metrics: MetricCollection, prediction: Tensor, batch: SequenceBatch) -> None:
        """Update the metrics with a batch."""

    def generate(self, model: SequenceModel, batch: SequenceBatch) -> Any:
        """Generate from the inputs alone, in evaluation and `predict`; None if predictions use no targets.

        The result is passed to `update_generated` and `decode`.
        """
        return None

    def update_generated(self, metrics: MetricCollection, made: Any, batch: SequenceBatch) -> None:
        """Update the metrics with the result of `generate`."""

    def summary(self, values: Mapping[str, Any]) -> dict[str, float]:
        """Return the numbers to log from the computed metrics and the mean loss ("loss")."""
        return {name: float(value) for name, value in values.items()}

    def baselines(self, train: SequenceDataset, evaluation: SequenceDataset) -> dict[str, dict[str, float]]:
        """Return the metrics on `evaluation` of simple methods fitted to `train`.

        Args:
            train, evaluation: data sets with `spec`, `lengths` and `read(index, start, stop)`.
        """
        raise NotImplementedError

    def compare(self, model: Mapping[str, float], baselines: Mapping[str, Mapping[str, float]]) -> str:
        """Return a sentence on whether the model beats the baselines."""
        return compare(model, baselines, self.monitor)

    def decode(self, prediction: Tensor, batch: SequenceBatch) -> list[dict[str, Any]]:
        """Return each row's prediction in plain Python values and original units."""
        raise NotImplementedError

    def ranked(self, prediction: Any, batch: SequenceBatch, count: int) -> list[Any]:
        """Return the `count` most likely classes of each row or step, with their probabilities.

        Raises:
            ValueError: a task without classes.
        """
        raise ValueError(f"{type(self).__name__} ranks no classes: the likeliest few are for labels and tags only")

    def rows(self, decoded: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the rows of a decoded prediction in an output file; one by default."""
        return [decoded]

    def plots(
        self, prediction: Tensor, batch: SequenceBatch, metrics: MetricCollection | None = None
    ) -> dict[str, Figure]:
        """Return plots of predictions by name.

        Args:
            metrics: computed metrics of the whole stage, plotted in place of the batch's where possible.
        """
        return {}

    def sample_plots(self, model: SequenceModel, batch: SequenceBatch, generator: torch.Generator) -> dict[str, Figure]:
        """Return plots of what the model generates, by name."""
        return {}

    def texts(self, model: SequenceModel, batch: SequenceBatch, generator: torch.Generator) -> dict[str, str]:
        """Return generated texts by name."""
        return {}


def real_items(batch: SequenceBatch, spec: Spec) -> Tensor:
    """Return the mask of real items, bool ``(B,)`` or ``(B, S)``; rows of length 0 have none.

    >>> import torch
    >>> spec = Spec("tokens", 5, "labels", 3, "step")
    >>> zeros = torch.zeros(2, 3, dtype=torch.long)
    >>> batch = SequenceBatch(zeros, zeros, torch.tensor([2, 0]), torch.ones(2, dtype=torch.bool))
    >>> real_items(batch, spec).int().tolist()
    [[1, 1, 0], [0, 0, 0]]
    """
    if spec.target_shape == "sequence":
        return batch.lengths > 0
    if spec.target_shape == "step":
        return step_mask(batch.lengths, batch.targets.shape[1])
    if batch.target_lengths is None:
        raise ValueError("targets with a length of their own need target_lengths in the batch, got None")
    return step_mask(batch.target_lengths, batch.targets.shape[1]) & (batch.lengths > 0).unsqueeze(1)


def weighted(items: Tensor, real: Tensor, weights: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return the weighted sums of the losses, ``(B,)`` or ``(B, S)`` with zeros where not real, and of `real`.

    >>> import torch
    >>> real = torch.tensor([[True, True], [True, False]])
    >>> total, count = weighted(torch.tensor([[1.0, 1.0], [4.0, 0.0]]), real, torch.tensor([1.0, 0.5]))
    >>> total.item(), count.item()
    (4.0, 2.5)
    """
    counted = real.to(items.dtype)
    if weights is not None:
        each = weights.to(items.dtype).view(-1, *[1] * (items.dim() - 1))
        items, counted = items * each, counted * each
    return items.sum(), counted.sum()


def blank(values: Tensor, real: Tensor) -> Tensor:
    """Return `values` with zeros where not real; by a select, because NaN * 0 is NaN."""
    if real.device.type == "cpu" and bool(real.all()):  # on a GPU this check costs more than the select
        return values
    real = real.view(*real.shape, *[1] * (values.dim() - real.dim()))
    return torch.where(real, values, values.new_zeros(()))


def name_of(names: tuple[str, ...], index: int) -> str:
    """Return the name of a class or token; its number if the data have no names."""
    return names[index] if index < len(names) else str(index)


def join_tokens(tokens: Sequence[int], names: tuple[str, ...], level: str | None = None) -> str:
    """Join tokens to a text: characters, words (by spaces), UTF-8 bytes or sentencepiece sub-words.

    >>> join_tokens([1, 0], ("a", "b")), join_tokens([1, 0], ("to", "be")), join_tokens([195, 188], (), "byte")
    ('ba', 'be to', 'ü')
    """
    if level == "byte":
        return bytes(tokens).decode("utf-8", errors="replace")
    letters = sum(len(name) == 1 for name in names) * 2 > len(names)  # a few names may be special tokens
    if level in ("symbols", "subword"):
        letters = level == "subword"
    text = ("" if letters else " ").join(name_of(names, token) for token in tokens)
    return text.replace("\u2581", " ").strip() if level == "subword" else text


def last_step(values: Tensor, lengths: Tensor) -> Tensor:
    """Return the values ``(B, T, ...)`` at each row's last real step, ``(B, ...)``; the first of empty rows."""
    return values[torch.arange(len(values), device=values.device), (lengths - 1).clamp(min=0)]
