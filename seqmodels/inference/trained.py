"""Record of a trained model: what every use of it reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from seqmodels.inference.translation import encode as encode_source
from seqmodels.model import SequenceModel
from seqmodels.spec import Spec

if TYPE_CHECKING:
    from seqmodels.tasks.base import Task


@dataclass(frozen=True, repr=False)
class Trained:
    """A trained model with everything needed to use it.

    Attributes:
        model: an ordinary `torch.nn.Module` in evaluation mode.
        task: decodes the predictions.
        spec: describes inputs and targets.
        config: resolved config of the training.
    """

    model: SequenceModel
    task: Task
    spec: Spec
    config: dict[str, Any]

    def __repr__(self) -> str:
        parts = (self.config["data"]["name"], self.config["task"]["name"], self.config["model"]["head"]["name"])
        size = sum(parameter.numel() for parameter in self.model.parameters())
        return f"Model(data={parts[0]}, task={parts[1]}, head={parts[2]}, {size:,} parameters)"

    def encode(self, text: str) -> torch.Tensor:
        """Encode a text as tokens ``(T,)``; for a sequence generator, the name of a token (a class) is that token.

        Raises:
            ValueError: unknown characters, words or name.
        """
        from seqmodels.data.encode.prompts import encode_prompt

        if self.spec.inputs != "tokens":
            raise ValueError("this model reads numbers, not text")
        if self.spec.pairs is not None:
            return torch.from_numpy(encode_source(self.spec, [text])[0])
        return torch.from_numpy(encode_prompt(text, self.spec))
