"""The units of one side of a pair: from a text to tokens and back.

Four levels: a unit is a character, a word (as in `seqmodels.data.encode.vocabulary`), a symbol (what blanks
part, such as the sounds of a word), or a sub-word of sentencepiece.
"""

from __future__ import annotations

import base64
import io
from collections import Counter
from collections.abc import Callable, Iterable
from functools import cached_property
from itertools import chain
from typing import Any

import numpy as np

from seqmodels.data.columns.words import join_words, split_words
from seqmodels.data.encode.vocabulary import UNKNOWN

LEVELS = ("character", "word", "symbols", "subword")
STOP = "<stop>"
# Sub-words where no size is asked for: one for this many letters of text, so that each is frequent enough;
# but no fewer and no more than this (Sennrich and Zhang 2019, section 4: few pairs want few sub-words).
LETTERS_EACH, FEWEST, SUBWORDS = 200, 300, 4000
TRAINED_ON = 1_000_000  # sentences that sub-words are learned from, at most

_SPLIT: dict[str, Callable[[str], list[str]]] = {"character": list, "word": split_words, "symbols": str.split}


class Tokenizer:
    """Cuts the texts of one side, and numbers the pieces.

    >>> units = Tokenizer.learn("symbols", ["B AH1 T", "B IH1 T"], size=3)
    >>> units.names, units.tokens("T B ZH").tolist()
    (('AH1', 'B', 'T', '<unk>'), [2, 1, 3])

    Args:
        level: one of LEVELS.
        names: of the tokens; UNKNOWN, which one of them is, stands for what has none.
        model: for sub-words, the trained model as base64 text.
        lowercase: whether texts are read in lower case.
    """

    def __init__(self, level: str, names: Iterable[str], model: str | None = None, lowercase: bool = False) -> None:
        self.level, self.names, self.model, self.lowercase = level, tuple(names), model, lowercase
        self.unknown = self.names.index(UNKNOWN)
        self._ids = {name: i for i, name in enumerate(self.names)}
        self._ids.pop(STOP, None)

    @classmethod
    def learn(
        cls,
        level: str,
        texts: Iterable[str],
        size: int | None = None,
        min_count: int = 1,
        kind: str = "unigram",
        lowercase: bool = False,
    ) -> Tokenizer:
        """Learn the vocabulary of some texts.

        Args:
            level: one of LEVELS.
            texts: of the training part.
            size: the most units, the most frequent; None for all, or of sub-words as many as the amount of text is
                good for.
            min_count: of characters, words and symbols, those that occur less often are unknown.
            kind: of sub-words, "unigram" (Kudo 2018) or "bpe" (Sennrich et al. 2016).
            lowercase: whether they are read in lower case.

        Raises:
            ValueError: sub-words without sentencepiece, or too many for so little text.
        """
        if lowercase:
            texts = (text.lower() for text in texts)
        if level == "subword":
            if size is None:
                size, texts = _size_for(texts)
            model = _train(texts, size, kind)
            pieces = _load(model)
            return cls(level, [pieces.id_to_piece(i) for i in range(len(pieces))], model, lowercase)
        split = _SPLIT[level]
        counts = Counter(unit for text in texts for unit in split(text))
        frequent = sorted((u for u, n in counts.items() if n >= min_count), key=lambda u: (-counts[u], u))[:size]
        return cls(level, [*sorted(set(frequent) - {UNKNOWN, STOP}), UNKNOWN], None, lowercase)

    @cached_property
    def _pieces(self) -> Any:
        return _load(str(self.model))

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_pieces"}

    def split(self, text: str) -> list[str]:
        """Split a text into units."""
        text = self._read(text)
        return self._pieces.encode(text, out_type=str) if self.level == "subword" else _SPLIT[self.level](text)

    def tokens(self, text: str) -> np.ndarray:
        """Encode a text as tokens int64 ``(T,)``."""
        text = self._read(text)
        if self.level == "subword":
            return np.array(self._pieces.encode(text), np.int64)
        units = _SPLIT[self.level](text)
        return np.fromiter((self._ids.get(unit, self.unknown) for unit in units), np.int64, len(units))

    def _read(self, text: str) -> str:
        return text.lower() if self.lowercase else text

    def text(self, tokens: Iterable[int]) -> str:
        """Decode tokens to a text, with blanks where one writes them."""
        names = [self.names[token] for token in tokens]
        if self.level == "subword":  # sentencepiece marks a blank before a piece by U+2581
            return "".join(names).replace("\u2581", " ").strip()
        return join_words(names) if self.level == "word" else ("" if self.level == "character" else " ").join(names)

    def unknown_in(self, text: str) -> list[str]:
        """Return the units of a text that have no token."""
        return [unit for unit in self.split(text) if unit not in self._ids or unit == UNKNOWN]

    def key(self, text: str) -> str:
        """Return what texts share that differ only in what is not kept: blanks between words, case."""
        text = self._read(text)
        return "\0".join(_SPLIT[self.level](text)) if self.level in ("word", "symbols") else text


def _sentencepiece() -> Any:
    try:
        import sentencepiece
    except ImportError:
        raise ValueError("data: sub-words need sentencepiece: pip install 'seqmodels[text]'") from None
    return sentencepiece


def _load(model: str) -> Any:
    return _sentencepiece().SentencePieceProcessor(model_proto=base64.b64decode(model))


def _size_for(texts: Iterable[str]) -> tuple[int, Iterable[str]]:
    """Return how many sub-words a text is good for, and the text again."""
    looked_at, letters, kinds = list[str](), 0, set[str]()
    rest = iter(texts)
    for text in rest:
        looked_at.append(text)
        letters += len(text)
        kinds.update(text)
        if letters >= LETTERS_EACH * SUBWORDS:
            break
    size = min(SUBWORDS, max(FEWEST, letters // LETTERS_EACH))
    return max(size, 2 * len(kinds)), chain(looked_at, rest)  # every letter is one of them


def _train(texts: Iterable[str], size: int, kind: str) -> str:
    """Train a sentencepiece model, as base64; one thread, so that the same text gives the same model."""
    library, written = _sentencepiece(), io.BytesIO()
    try:
        library.SentencePieceTrainer.train(
            sentence_iterator=iter(texts),
            model_writer=written,
            model_type=kind,
            vocab_size=size,
            hard_vocab_limit=kind != "unigram",
            character_coverage=1.0,
            input_sentence_size=TRAINED_ON,
            unk_piece=UNKNOWN,
            unk_id=0,
            bos_id=-1,
            eos_id=-1,
            pad_id=-1,
            num_threads=1,
            minloglevel=2,
        )
    except RuntimeError as error:
        raise ValueError(
            f"data: {size} sub-words cannot be learned from the training part: {error}; "
            "set data.source_size and data.target_size lower"
        ) from None
    return base64.b64encode(written.getvalue()).decode()
