"""Forecasts beyond the end of the series of a file."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from seqmodels.inference.predictions import predict_batch
from seqmodels.inference.trained import Trained
from seqmodels.registry import find

if TYPE_CHECKING:
    from seqmodels.data.dataset import SequenceDataset
    from seqmodels.data.series.ahead import SeriesAhead


def series_ahead(trained: Trained, path: str | Path | None) -> SeriesAhead:
    """Read the series to forecast from a file, or from the training data."""
    source: Any = find("data", trained.config["data"]["name"])
    if not hasattr(source, "ahead"):
        raise ValueError("this model was not trained on time series, so there is nothing to forecast: use predict")
    found: SeriesAhead = source.ahead(str(path or trained.config["data"]["path"]), trained.spec)
    return found


def forecast(trained: Trained, ahead: SeriesAhead, steps: int | None) -> Iterator[dict[str, Any]]:
    """Yield one row per series and step, for `steps` steps or the model's horizon."""
    from seqmodels.data.series.ahead import roll

    return roll(ahead, partial(_last_decoded, trained), trained.spec.horizon or 1 if steps is None else steps)


def _last_decoded(trained: Trained, dataset: SequenceDataset) -> list[dict[str, Any]]:
    """Return the decoded forecast at the end of each series."""
    from seqmodels.data.batches.collate import collate

    rows = [np.array([[one, 0, int(steps), 1]]) for one, steps in enumerate(dataset.lengths)]
    batches = (collate(dataset, row) for row in rows)
    with torch.inference_mode():
        return [trained.task.decode(predict_batch(trained, batch)[0], batch)[0] for batch in batches]
