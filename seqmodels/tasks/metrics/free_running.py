"""Scores of free-running generation against one or more references.

Rows with the same source are references of one another: several pronunciations of a word, several
translations of a sentence. They are grouped at the end of a stage, when all rows are known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from seqmodels.tasks.metrics.edit_distance import edit_distance

Tokens = tuple[int, ...]


class FreeRunning(Metric):
    """Token error rate, sequence accuracy, BLEU and chrF of generated sequences.

    For each source, d is the edit distance to the nearest reference, and n the length of that reference:

        token_error_rate = sum d / sum n,   sequence_accuracy = share of sources with d = 0

    >>> rows = [((7,), (1, 2), (1, 2, 3)), ((7,), (1, 2), (1, 2)), ((8,), (5,), (4, 6))]
    >>> {name: round(value, 3) for name, value in FreeRunning().add(rows).compute().items()}
    {'token_error_rate': 0.5, 'sequence_accuracy': 0.5}

    Args:
        grouped: whether rows with the same source are references of one another.
        text: maps tokens to text, for BLEU and chrF (Papineni et al. 2002; Popović 2015; both as
            sacrebleu defines them, Post 2018); None leaves them out.
    """

    full_state_update = False
    records: list[Tensor]

    def __init__(self, grouped: bool = True, text: Callable[[Sequence[int]], str] | None = None) -> None:
        super().__init__()
        self.grouped, self.text = grouped, text
        # Flat numbers, (length, tokens) three times for each row, so that processes can gather them.
        self.add_state("records", default=[], dist_reduce_fx="cat")

    def update(self, rows: Iterable[tuple[Sequence[int], Sequence[int], Sequence[int]]]) -> None:
        """Add rows of source, generated and true tokens, each without padding and stop token."""
        flat = [number for row in rows for tokens in row for number in (len(tokens), *tokens)]
        self.records.append(torch.tensor(flat, dtype=torch.int32, device=self.device))

    def add(self, rows: Iterable[tuple[Sequence[int], Sequence[int], Sequence[int]]]) -> FreeRunning:
        """Update, and return the metric."""
        self.update(rows)
        return self

    def compute(self) -> dict[str, float]:
        """Return the scores of all rows; empty without rows."""
        sources = self._sources()
        if not sources:
            return {}
        edits = tokens = right = 0
        for made, references in sources:
            distance, length = min((edit_distance(made, reference), len(reference)) for reference in references)
            edits, tokens, right = edits + distance, tokens + length, right + (distance == 0)
        found = {"token_error_rate": edits / max(1, tokens), "sequence_accuracy": right / len(sources)}
        return {**found, **(self._translation_scores(sources) if self.text else {})}

    def _sources(self) -> list[tuple[Tokens, list[Tokens]]]:
        """Return the generated tokens of each source, and its references."""
        records: Any = self.records  # one tensor after gathering from processes
        flat = torch.cat(records) if isinstance(records, list) and records else records
        numbers = iter([] if isinstance(flat, list) else flat.tolist())
        found: dict[Any, tuple[Tokens, list[Tokens]]] = {}
        for row, length in enumerate(numbers):
            source = _take(numbers, length)
            made, reference = _take(numbers, next(numbers)), _take(numbers, next(numbers))
            found.setdefault(source if self.grouped else row, (made, []))[1].append(reference)
        return list(found.values())

    def _translation_scores(self, sources: list[tuple[Tokens, list[Tokens]]]) -> dict[str, float]:
        import sacrebleu

        text: Any = self.text
        made = [text(tokens) for tokens, _ in sources]
        most = max(len(references) for _, references in sources)
        # sacrebleu takes the first references of all, then the second of all, ...
        columns: Any = [[text(refs[i]) if i < len(refs) else None for _, refs in sources] for i in range(most)]
        return {
            "bleu": sacrebleu.corpus_bleu(made, columns, force=True).score,
            "chrf": sacrebleu.corpus_chrf(made, columns).score,
        }


def _take(numbers: Any, length: int) -> Tokens:
    return tuple(next(numbers) for _ in range(length))
