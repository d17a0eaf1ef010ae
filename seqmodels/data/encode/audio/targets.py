"""Targets of recordings, as numbers: a label, or the tokens of what is said.

S tokens.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from seqmodels.data.columns.audio_list import Recording

LEVELS = ("character", "word")


class Targets:
    """Labels of classes, or tokens of transcripts.

    >>> from pathlib import Path
    >>> targets = Targets.of([Recording(Path("a.wav"), text="to  be")], "word")
    >>> targets.names, targets.encode(Recording(Path("b.wav"), text="be to")).tolist()
    (('be', 'to'), [0, 1])

    Args:
        spoken: whether there are transcripts; else there are classes.
        names: of the tokens or classes.
        level: what a transcript is made of, "character" or "word".
    """

    def __init__(self, spoken: bool, names: tuple[str, ...], level: str) -> None:
        self.spoken, self.names, self.level = spoken, names, level
        self._index = {name: i for i, name in enumerate(names)}

    @classmethod
    def of(cls, recordings: Sequence[Recording], level: str) -> Targets:
        """Fit classes or tokens to the recordings of the training part."""
        spoken = recordings[0].text is not None
        found = cls(spoken, (), level)
        return cls(spoken, tuple(sorted({token for one in recordings for token in found.tokens(one)})), level)

    def tokens(self, recording: Recording) -> list[str]:
        """Return the names of a recording's tokens, or of its class; none where nothing is known of it."""
        if not self.spoken:
            return [] if recording.label is None else [recording.label]
        words = (recording.text or "").split()
        return words if self.level == "word" else list(" ".join(words))

    def knows(self, recording: Recording) -> bool:
        """Say whether class or transcript is there, and made of what was seen in training."""
        there = recording.text if self.spoken else recording.label
        return there is not None and all(token in self._index for token in self.tokens(recording))

    def encode(self, recording: Recording) -> np.ndarray:
        """Encode a recording's label ``()`` or tokens ``(S,)``.

        Raises:
            ValueError: a class or a token that was not seen in training.
        """
        tokens = self.tokens(recording)
        unknown = [token for token in tokens if token not in self._index]
        if unknown:
            kind = f"the {self.level} {unknown[0]!r}" if self.spoken else f"the class {unknown[0]!r}"
            shown = ", ".join(self.names[:20]) + (" ..." if len(self.names) > 20 else "")
            raise ValueError(
                f"{recording.where}: {kind} is in no training recording; known: {shown}; mend it, leave the recording "
                "out, or train with examples of it"
            )
        if not self.spoken and not tokens:
            raise ValueError(f"{recording.where}: has no class; give it one by its folder, its name or the manifest")
        numbers = np.array([self._index[token] for token in tokens], dtype=np.int64)
        return numbers if self.spoken else numbers[0]
