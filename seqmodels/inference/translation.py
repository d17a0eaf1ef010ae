"""Translation of texts with a model trained on pairs.

B texts, T steps, S target steps.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from seqmodels.model import SequenceModel
from seqmodels.spec import Spec

_log = logging.getLogger(__name__)


def encode(spec: Spec, texts: Sequence[str]) -> list[np.ndarray]:
    """Encode each text as source tokens; warn of units that are not in the vocabulary.

    Raises:
        ValueError: a model that was not trained on pairs, or an empty text.
    """
    from seqmodels.data.sources.pairs import sides_of

    units = sides_of(spec).source
    for place, text in enumerate(texts):
        if not text.strip():
            raise ValueError(f"text {place + 1} is empty: there is nothing to translate; leave it out")
    lost = list(dict.fromkeys(unit for text in texts for unit in units.unknown_in(text.strip())))
    if lost:
        _log.warning("the source vocabulary lacks %s, read as unknown", ", ".join(map(repr, lost[:10])))
    return [units.tokens(text.strip()) for text in texts]


def translate(model: SequenceModel, task: Any, texts: Sequence[str], batch_size: int = 64) -> Iterator[dict[str, Any]]:
    """Yield the translation of each text in order: tokens and text, decoded by the task."""
    from seqmodels.data.batches.collate import collate
    from seqmodels.data.batches.plan import make_plan
    from seqmodels.data.dataset import ArrayDataset

    dataset = ArrayDataset(task.spec, encode(task.spec, texts), [[task.spec.stop]] * len(texts))
    plan = make_plan(dataset.lengths, batch_size)
    with torch.inference_mode():
        for index in range(len(plan)):
            rows = plan[index]
            batch = collate(dataset, rows[rows[:, 0] >= 0])
            yield from task.decode(task.generate(model, batch), batch)
