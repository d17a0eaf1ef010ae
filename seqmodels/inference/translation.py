"""Translation of texts with a model trained on pairs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from seqmodels.build import build_task
from seqmodels.inference.predictions import batches
from seqmodels.inference.trained import Trained

if TYPE_CHECKING:
    from typing_extensions import Self


class Translation(Trained):
    """Translations of a trained model."""

    def translate(self, text: str | Sequence[str], beam: int | None = None, length_penalty: float | None = None) -> Any:
        """Translate a text, or each text of a list, with a model trained on pairs.

        Args:
            text: one text or a list.
            beam, length_penalty: options of the search; None for the run's (task.beam, task.length_penalty).

        Returns:
            A text, or a list of texts.

        Raises:
            ValueError: another kind of model, an empty text, or an option out of range.
        """
        texts = [text] if isinstance(text, str) else list(text)
        made = [row["text"] for row in self.searching(beam, length_penalty)._translations(texts)] if texts else []
        return made[0] if isinstance(text, str) else made

    def searching(self, beam: int | None = None, length_penalty: float | None = None) -> Self:
        """Return the same model with other search options, see `translate`."""
        if self.spec.pairs is None:
            raise ValueError("this model was not trained on pairs of texts (data=pairs): there is nothing to translate")
        changes = {"beam": beam, "length_penalty": length_penalty}
        if beam == 1 and length_penalty is None:
            changes["length_penalty"] = 0.0  # used by a beam only
        options = {**self.config["task"], **{name: value for name, value in changes.items() if value is not None}}
        return replace(self, task=build_task({**self.config, "task": options}, self.spec))

    def _translations(self, texts: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Yield the translation of each text in order: tokens and text, decoded by the task."""
        from seqmodels.data.dataset import ArrayDataset

        dataset = ArrayDataset(self.spec, self._encode_sources(texts), [[self.spec.stop]] * len(texts))
        with torch.inference_mode():
            for _, batch in batches(dataset, batch_size=64):
                yield from self.task.decode(self.task.generate(self.model, batch), batch)
