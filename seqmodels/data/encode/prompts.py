"""Prompts: the start of a text, or the name of a class."""

from __future__ import annotations

import numpy as np

from seqmodels.data.encode.vocabulary import encode
from seqmodels.quoting import nearest, shown
from seqmodels.spec import Spec

# Names that a message lists, at most.
LISTED = 50


def encode_prompt(text: str, spec: Spec) -> np.ndarray:
    """Encode a text as tokens ``(T,)``; for a sequence generator, the name of a token is that token.

    >>> spec = Spec("tokens", 2, "tokens", 3, "own", ("Dutch", "Polish"))
    >>> encode_prompt("Polish", spec).tolist()
    [1]

    Raises:
        ValueError: characters, words or a name that the model does not know.
    """
    if spec.target_shape == "own":
        if text in spec.input_names:
            return np.array([spec.input_names.index(text)])
        if not text or reads_names(spec):
            raise ValueError(f"prompt must be {known_inputs(text, spec)}, got {shown(text)}")
    return encode(text, spec)


def line_end(spec: Spec) -> int:
    """Return the token of a line end; the vocabulary's first where there is none."""
    return spec.input_names.index("\n") if "\n" in spec.input_names else 0


def reads_names(spec: Spec) -> bool:
    """Say whether an input is one name, such as a class, and not a text of characters, bytes or words."""
    is_text = spec.level in ("byte", "word")
    return not is_text and any(len(name) > 1 and not name.startswith("<") for name in spec.input_names)


def known_inputs(text: str, spec: Spec) -> str:
    """Say what a prompt may be, with the nearest to what was given."""
    names = spec.input_names
    listed = ", ".join(names[:LISTED]) + (", ..." if len(names) > LISTED else "")
    if not reads_names(spec):
        return f"a text of the vocabulary ({listed})"
    close = nearest(text, names)
    return f"one of {listed}{f' (did you mean {close}?)' if close else ''}"
