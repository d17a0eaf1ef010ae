"""Helpers of sequence generation: texts, unknown target tokens and token-by-token baselines."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from seqmodels.dataset import SequenceDataset, evenly_spaced
from seqmodels.spec import Spec
from seqmodels.tasks.base import join_tokens
from seqmodels.tasks.baselines.reading import sequences
from seqmodels.tasks.baselines.token_by_token import InOrder, WordByWord, shared_names, training_pairs

# Numbers of unknown tokens in targets and in generated text; they differ, so that unknown is never correct.
TRUE_UNKNOWN, WRITTEN_UNKNOWN = -1, -2
MOST_ROWS = 20_000  # maximum number of rows on which these baselines are scored

Write = Callable[[np.ndarray], list[int]]


def check_sacrebleu() -> None:
    """Raise an error if the library of the translation scores is missing."""
    try:
        import sacrebleu  # noqa: F401
    except ImportError:
        raise ValueError("task.translation_scores needs sacrebleu: pip install 'seqmodels[text]'") from None


def known(spec: Spec, tokens: list[int]) -> list[int]:
    """Replace target tokens outside the vocabulary by a number of their own."""
    unknown = None if spec.pairs is None else spec.pairs.target_unknown
    return [TRUE_UNKNOWN if token == unknown else token for token in tokens] if unknown in tokens else tokens


def target_text(spec: Spec, tokens: Sequence[int]) -> str:
    """Return target tokens, without a stop token, as text.

    >>> spec = Spec("tokens", 1, "tokens", 3, "own", (), ("a", "b", "<stop>"), 2)
    >>> target_text(spec, [0, 1, 1])
    'abb'
    """
    names = {TRUE_UNKNOWN: "\ufffd", WRITTEN_UNKNOWN: "<unk>"}
    level = None if spec.pairs is None else spec.pairs.target_level
    if not any(token < 0 for token in tokens):
        return join_tokens(tokens, spec.target_names, level)
    shown = [names[token] if token < 0 else spec.target_names[token] for token in tokens]
    letters = level == "character" or level == "subword"
    return ("" if letters else " ").join(shown).replace("\u2581", " ").strip()


def rewriters(train: SequenceDataset, spec: Spec) -> dict[str, Write]:
    """Return the token-by-token baselines fitted to the training split, by name."""
    pairs = training_pairs(train, spec.stop)
    found: dict[str, Write] = {
        "token by token, in order": InOrder(spec.target_size).fit(pairs).write,
        "word by word (IBM 1)": WordByWord(spec.input_size, spec.target_size).fit(pairs).write,
    }
    same = shared_names(spec.input_names, spec.target_names)
    if same:
        found["copy of the source"] = lambda source: [same.get(s, WRITTEN_UNKNOWN) for s in source.tolist()]
    return found


def rewritten(write: Write, dataset: SequenceDataset, spec: Spec) -> Iterator[tuple[list[int], list[int], list[int]]]:
    """Yield source, generated and true tokens of each row."""
    for source, target in sequences(dataset, evenly_spaced(len(dataset.lengths), MOST_ROWS)):
        yield source.tolist(), write(source), known(spec, target[target != spec.stop].tolist())
