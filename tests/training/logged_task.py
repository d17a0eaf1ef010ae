"""A plugin for tests: language modelling that writes down every loss, in whichever process it is computed."""

import os

import torch
from torch import Tensor

from seqmodels.batch import SequenceBatch
from seqmodels.registry import register
from seqmodels.tasks.language_modelling import LanguageModelling


@register("task", "logged_language_modelling")
class LoggedLanguageModelling(LanguageModelling):
    """Writes total and count of each training batch to ``$LOSSES.PROCESS``."""

    def loss(self, prediction: Tensor, batch: SequenceBatch) -> tuple[Tensor, Tensor]:
        total, count = super().loss(prediction, batch)
        if torch.is_grad_enabled():
            with open(f"{os.environ['LOSSES']}.{os.getpid()}", "a") as file:
                file.write(f"{float(total.detach())} {float(count)}\n")
        return total, count
