"""Forecasts beyond the end of the series of a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from seqmodels.inference.predictions import predict_batch
from seqmodels.inference.trained import Trained
from seqmodels.registry import find

if TYPE_CHECKING:
    from seqmodels.data.series.ahead import SeriesAhead
    from seqmodels.dataset import SequenceDataset


class Forecasts(Trained):
    """Forecasts of a trained model."""

    def forecast(self, path: str | Path | None = None, steps: int | None = None) -> Iterator[dict[str, Any]]:
        """Forecast each series of a file beyond its end, one row per series and step.

        Args:
            path: a file of the kind the model was trained on; None for the training data. Future covariates stand in
                rows after the last target.
            steps: number of steps; None for the model's horizon. Beyond it the model continues from its own forecast,
                and its intervals are too narrow.

        Raises:
            ValueError: errors in the file; a model that was not trained on series.
        """
        from seqmodels.data.series.ahead import roll

        return roll(self.ahead(path), self._last_decoded, self.spec.horizon or 1 if steps is None else steps)

    def ahead(self, path: str | Path | None = None) -> SeriesAhead:
        """Read the series to `forecast` from a file, or from the training data."""
        source: Any = find("data", self.config["data"]["name"])
        if not hasattr(source, "ahead"):
            raise ValueError("this model was not trained on time series, so there is nothing to forecast: use predict")
        found: SeriesAhead = source.ahead(str(path or self.config["data"]["path"]), self.spec)
        return found

    def _last_decoded(self, dataset: SequenceDataset) -> list[dict[str, Any]]:
        """Return the decoded forecast at the end of each series."""
        from seqmodels.data.batches.collate import collate

        rows = [np.array([[one, 0, int(steps), 1]]) for one, steps in enumerate(dataset.lengths)]
        batches = (collate(dataset, row) for row in rows)
        with torch.inference_mode():
            return [self.task.decode(predict_batch(self, batch)[0], batch)[0] for batch in batches]
