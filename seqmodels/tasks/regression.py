"""Regression: values for each sequence or each step."""

from typing import Any

from torch import Tensor

from seqmodels.batch import SequenceBatch
from seqmodels.registry import register
from seqmodels.tasks.base import Figure, MetricCollection
from seqmodels.tasks.values import ValueTask


@register("task", "regression")
class Regression(ValueTask):
    """Regression of values for each sequence or step.

    >>> import torch
    >>> from seqmodels.spec import Spec
    >>> task = Regression(Spec("features", 1, "values", 1, "sequence", shift=(20.0,), scale=(2.0,)))
    >>> batch = SequenceBatch(torch.zeros(1, 3, 1), torch.ones(1, 1), torch.tensor([3]), torch.tensor([True]))
    >>> task.decode(torch.tensor([[1.5]]), batch)
    [{'values': {'value': 23.0}}]

    Metrics, over all values and in original units: mae, mse and rmse; of several targets also the mae of each, and
    the mean of these by their scales, scaled_mae, which is monitored. Baselines: the mean of the training targets;
    ridge regression on the last `ridge_window` input steps.
    Arguments as for `ValueTask`.
    """

    target_kinds = ("values",)
    target_shapes = ("sequence", "step")

    @property
    def names(self) -> list[str]:
        """Names of the values."""
        if self.spec.target_names:
            return list(self.spec.target_names)
        return ["value"] if self.output_size == 1 else [f"value {i + 1}" for i in range(self.output_size)]

    @property
    def monitor(self) -> tuple[str, str]:
        return ("scaled_mae", "min") if self.spec.target_size > 1 else super().monitor

    def metrics(self) -> MetricCollection:
        metrics = super().metrics()
        if self.spec.target_size > 1:
            from seqmodels.tasks.metrics.targets import TargetErrors

            metrics.add_metrics({"targets": TargetErrors(self.names, self.spec.scale)})
        return metrics

    def decode(self, prediction: Tensor, batch: SequenceBatch) -> list[dict[str, Any]]:
        """Return each row's values by name: a number, or a list with one per step."""
        rows = self.unscale(prediction.detach()).transpose(1, -1).tolist()
        lengths = batch.lengths.tolist()
        if self.spec.target_shape == "step":
            rows = [[steps[:length] for steps in row] for row, length in zip(rows, lengths, strict=True)]
        return [
            {"values": dict(zip(self.names, row, strict=True)) if length else {}}
            for row, length in zip(rows, lengths, strict=True)
        ]

    def plots(
        self, prediction: Tensor, batch: SequenceBatch, metrics: MetricCollection | None = None
    ) -> dict[str, Figure]:
        from seqmodels.tasks.plots.scatter import scatter_figure

        predicted, truth = (self.unscale(values).float().cpu() for values in self.real(prediction, batch))
        return {"prediction against truth": scatter_figure(truth, predicted, self.names)} if len(truth) else {}
