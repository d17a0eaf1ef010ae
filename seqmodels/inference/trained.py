"""Record of a trained model: what every use of it reads."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from seqmodels.model import SequenceModel
from seqmodels.spec import Spec

if TYPE_CHECKING:
    from seqmodels.tasks.base import Task

_log = logging.getLogger(__name__)


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
            return torch.from_numpy(self._encode_sources([text])[0])
        return torch.from_numpy(encode_prompt(text, self.spec))

    def _encode_sources(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Encode each text as source tokens; warn of units that are not in the vocabulary.

        Raises:
            ValueError: a model that was not trained on pairs, or an empty text.
        """
        from seqmodels.data.sources.pairs import sides_of

        units = sides_of(self.spec).source
        for place, text in enumerate(texts):
            if not text.strip():
                raise ValueError(f"text {place + 1} is empty: there is nothing to translate; leave it out")
        lost = list(dict.fromkeys(unit for text in texts for unit in units.unknown_in(text.strip())))
        if lost:
            _log.warning("the source vocabulary lacks %s, read as unknown", ", ".join(map(repr, lost[:10])))
        return [units.tokens(text.strip()) for text in texts]
