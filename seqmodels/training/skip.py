"""A skip connection that is fitted before the training: what is left to the layers is what ridge regression misses."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from seqmodels.model import SequenceModel
from seqmodels.tasks.base import Task
from seqmodels.tasks.forecasting import Forecasting
from seqmodels.tasks.linear_start import ridge_start


def fit_skip(model: SequenceModel, task: Task, train: Any, held_out: Any) -> None:
    """Fix the skip connection to ridge regression; the head's output layer begins at zero.

    So the first prediction is the regression's, with intervals from its errors, and the training starts from there.

    Args:
        model: with a skip connection, and a head with one output layer.
        task: forecasting.
        train: the training data.
        held_out: data that choose the penalty, such as the validation split; None for the end of the training data.

    Raises:
        ValueError: a task or a model of another kind.
    """
    output = getattr(model.head, "output", None)
    if model.skip is None or not isinstance(output, nn.Linear) or not isinstance(task, Forecasting):
        raise ValueError("model.skip_fit=ridge is for task=forecasting with model/head=many_to_one: set it to trained")
    found = ridge_start(task.predictive.output, train, held_out, model.skip.steps, model.skip.features)
    model.skip.fix(*(torch.as_tensor(part, dtype=torch.float32) for part in found))
    nn.init.zeros_(output.weight)
    nn.init.zeros_(output.bias)
