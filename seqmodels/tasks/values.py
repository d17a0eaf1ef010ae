"""Base class of regression and forecasting: loss on scaled values, metrics in original units.

n items, F features, L steps of history, V values per item.
"""

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from seqmodels.batch import SequenceBatch
from seqmodels.dataset import SequenceDataset
from seqmodels.kinds import positive, whole
from seqmodels.spec import Spec
from seqmodels.tasks.base import MetricCollection, Task
from seqmodels.tasks.baselines.reading import histories, item_count
from seqmodels.tasks.baselines.ridge import Ridge

logger = logging.getLogger(__name__)

# From histories (n, L, F) and the numbers of their known steps (n,) to values (n, V).
Predictor = Callable[[np.ndarray, np.ndarray], np.ndarray]

# Losses by name, as functions of torch.
ERRORS: dict[str, Callable[..., Tensor]] = {
    "mse": functional.mse_loss,
    "mae": functional.l1_loss,
    "huber": functional.huber_loss,
}
# Ridge regression: maximum numbers of inputs and of training items.
MOST_INPUTS, MOST_ITEMS = 1024, 200_000


class ValueTask(Task):
    """Abstract task with values for each item (see `Regression` and `Forecasting`).

    The loss of an item is the mean over its V values, in the batches' scaled units.

    Args:
        loss: "mse" (squared error), "mae" (absolute error) or "huber" (squared up to `huber_delta`, linear beyond).
        huber_delta: error, in scaled units, at which the Huber loss becomes linear.
        ridge_window: maximum number of steps of history for the ridge baseline.
    """

    def __init__(
        self,
        spec: Spec,
        loss: Literal["mse", "mae", "huber"] = "mse",
        huber_delta: Annotated[float, positive] = 1.0,
        ridge_window: Annotated[int, whole(1, 100_000)] = 256,
    ) -> None:
        super().__init__(spec)
        self.loss_name = loss
        self.error = partial(functional.huber_loss, delta=huber_delta) if loss == "huber" else ERRORS[loss]
        self.ridge_window = ridge_window

    @property
    def monitor(self) -> tuple[str, str]:
        return ("mae" if self.loss_name == "mae" else "rmse"), "min"

    def item_loss(self, prediction: Tensor, targets: Tensor) -> Tensor:
        return self.error(prediction, targets, reduction="none").mean(-1)

    def metrics(self) -> MetricCollection:
        from torchmetrics import MeanAbsoluteError, MeanSquaredError, MetricCollection

        return MetricCollection({"mae": MeanAbsoluteError(), "mse": MeanSquaredError()}, compute_groups=False)

    def update(self, metrics: MetricCollection, prediction: Tensor, batch: SequenceBatch) -> None:
        predicted, truth = self.real(prediction, batch)
        metrics.update(self.unscale(predicted).flatten(), self.unscale(truth).flatten())

    def summary(self, values: Mapping[str, Any]) -> dict[str, float]:
        named = super().summary(values)
        return {**named, "rmse": named["mse"] ** 0.5}

    def unscale(self, values: Tensor) -> Tensor:
        """Return targets or predictions ``(..., V)`` in original units."""
        return undo(values, self.spec.shift, self.spec.scale)

    def baselines(self, train: SequenceDataset, evaluation: SequenceDataset) -> dict[str, dict[str, float]]:
        return {
            name: self.score(predictor, steps, train, evaluation)
            for name, (predictor, steps) in self.predictors(train, evaluation).items()
        }

    def predictors(self, train: SequenceDataset, evaluation: SequenceDataset) -> dict[str, tuple[Predictor, int]]:
        """Return the baselines in scaled units, each with its number of steps of history."""
        found: dict[str, tuple[Predictor, int]] = {}
        stride = -(-item_count(train) // MOST_ITEMS)
        total = sum(targets.sum(0, dtype=np.float64) for *_, targets in histories(train, 1, stride))
        mean = total / item_count(train, stride)
        found["mean of train"] = (lambda history, known: np.broadcast_to(mean, (len(history), len(mean)))), 1
        width = self.spec.input_size
        if width > MOST_INPUTS:
            logger.warning("ridge regression is skipped: %d inputs per step are more than %d", width, MOST_INPUTS)
            return found
        longest = int(np.max(train.lengths))
        steps = max(1, min(self.ridge_window, longest, MOST_INPUTS // width))
        items = ((history.reshape(len(history), -1), y) for history, _, y in histories(train, steps, stride))
        ridge = Ridge.fit(items, item_count(train, stride))
        found["ridge regression"] = (lambda history, known: ridge.predict(history.reshape(len(history), -1))), steps
        return found

    def score(
        self, predictor: Predictor, steps: int, train: SequenceDataset, evaluation: SequenceDataset
    ) -> dict[str, float]:
        """Return the metrics of a baseline on `evaluation`."""
        metrics = self.metrics()
        for history, known, targets in histories(evaluation, steps):
            predicted = torch.tensor(predictor(history, known), dtype=torch.float64)
            metrics.update(
                self.unscale(predicted).flatten(), self.unscale(torch.tensor(targets, dtype=torch.float64)).flatten()
            )
        return self.summary(metrics.compute())


def undo(values: Tensor, shift: tuple[float, ...], scale: tuple[float, ...]) -> Tensor:
    """Return ``values * scale + shift`` along the last axis, in float64 where there is one; either may be empty.

    In float32 a series around 1e8 has steps of 8.

    >>> undo(torch.tensor([[1.0, 2.0]]), shift=(10.0, 0.0), scale=(3.0, 5.0)).tolist()
    [[13.0, 10.0]]
    >>> undo(torch.tensor([0.25]), shift=(123456789.0,), scale=()).tolist()
    [123456789.25]
    """
    values = values.float() if values.device.type == "mps" else values.double()
    if scale:
        values = values * values.new_tensor(scale)
    return values + values.new_tensor(shift) if shift else values
