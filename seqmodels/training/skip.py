"""Skip connection fitted by ridge regression before training; the layers learn the residual."""

import torch
from torch import nn

from seqmodels.dataset import SequenceDataset
from seqmodels.model import SequenceModel
from seqmodels.tasks.base import Task
from seqmodels.tasks.forecasting import Forecasting
from seqmodels.tasks.forecasts.linear_start import ridge_start


def fit_skip(model: SequenceModel, task: Task, train: SequenceDataset, held_out: SequenceDataset | None) -> None:
    """Fix the skip connection to ridge regression and zero the head's output layer.

    Training then starts from the regression's predictions, with intervals from its errors.

    Args:
        held_out: data to choose the penalty on, such as the validation split; None for the end of the training data.

    Raises:
        ValueError: another kind of task or model.
    """
    output = getattr(model.head, "output", None)
    if model.skip is None or not isinstance(output, nn.Linear) or not isinstance(task, Forecasting):
        raise ValueError("model.skip_fit=ridge is for task=forecasting with model/head=many_to_one: set it to trained")
    found = ridge_start(task.predictive.output, train, held_out, model.skip.steps, model.skip.features)
    model.skip.fix(*(torch.as_tensor(part, dtype=torch.float32) for part in found))
    nn.init.zeros_(output.weight)
    nn.init.zeros_(output.bias)
