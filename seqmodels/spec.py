"""Specification of a data set, from which models and tasks are built. It needs no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, Literal

InputKind = Literal["tokens", "features"]
TargetKind = Literal["tokens", "labels", "sets", "values"]
TargetShape = Literal["step", "sequence", "own"]


@dataclass(frozen=True)
class Text:
    """Tokenization of text, or of letters of DNA and proteins.

    Fields:
        level: "character", "byte" or "word": what a token is.
        alphabet: "dna" or "protein", where tokens are letters of those.
        kmer: number of neighbouring letters that one input joins.
        unit: factor of a step's own letter in such an input.
    """

    level: str = "character"
    alphabet: str | None = None
    kmer: int = 1
    unit: int = 1


@dataclass(frozen=True)
class Pairs:
    """Tokenization of the two sides of pairs of texts.

    Fields:
        source_level, target_level: "character", "word", "symbols" or "subword".
        source_model, target_model: for sub-words, the sentencepiece model as base64.
        target_unknown: target token of what is not in the vocabulary.
        references: whether rows with the same source are references of one another.
        lowercase: whether sources are read in lower case.
    """

    source_level: str
    target_level: str
    source_model: str | None = None
    target_model: str | None = None
    target_unknown: int | None = None
    references: bool = False
    lowercase: bool = False


@dataclass(frozen=True)
class Series:
    """Layout of forecasts: what they are made from, and of.

    Fields:
        history: number of steps that a window looks back.
        transform: "difference" or "log_return" of the series, if that is forecast in its place.
        relative: whether targets are changes from the last value of the history.
    """

    history: int | None = None
    transform: str | None = None
    relative: bool = False


@dataclass(frozen=True)
class Anomalies:
    """Meaning of the second value of each target.

    Fields:
        kinds: names of 1, 2, ... in the targets; 0 is a usual step.
        planted: the anomalies injected into the test part: kind, first and last step, time.
    """

    kinds: tuple[str, ...]
    planted: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class Strokes:
    """Encoding of drawings as pen movements: one "drawing" or "stroke" each, with a number of points per stroke."""

    unit: str = "drawing"
    points: int | None = None


@dataclass(frozen=True)
class Spec:
    """Specification of the batches of a data set.

    Plain values only, so that it can be stored in a checkpoint.

    Fields:
        inputs: "tokens" (int64, embedded) or "features" (float).
        input_size: number of tokens in the vocabulary, or F.
        targets: "tokens" (of a vocabulary), "labels" (one class), "sets" (any number of classes, as
            0 or 1 per class) or "values" (float).
        target_size: number of tokens or classes, or values per target (V).
        target_shape: "step" (one target per input step), "sequence" (one per sequence) or
            "own" (a sequence with its own length).
        input_names: names of the tokens or features.
        target_names: names of the tokens, classes or values.
        stop: target token that ends a sequence, if any.
        horizon: for forecasts, number of steps ahead (targets are then ``(B, horizon)``:
            target_size equals horizon).
        period: for forecasts, number of steps in one season (12 for months), if known.
        shift, scale: targets in the batches are ``(value - shift) / scale``; one number per
            target value. Empty if targets are not scaled.
        input_shift, input_scale: the same for the features.
        target_feature: for forecasts, index of the input feature that is forecast.
        allowed: pairs of labels of which the second may follow the first; None if all may.
        text, pairs, series, anomalies, strokes: what data of that kind add; None for others.
        encoder: how the source reads a new file, as plain values of its encoder, which alone reads them.
    """

    inputs: InputKind
    input_size: int
    targets: TargetKind
    target_size: int
    target_shape: TargetShape
    input_names: tuple[str, ...] = ()
    target_names: tuple[str, ...] = ()
    stop: int | None = None
    horizon: int | None = None
    period: int | None = None
    shift: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()
    input_shift: tuple[float, ...] = ()
    input_scale: tuple[float, ...] = ()
    target_feature: int | None = None
    allowed: tuple[tuple[int, int], ...] | None = None
    text: Text | None = None
    pairs: Pairs | None = None
    series: Series | None = None
    anomalies: Anomalies | None = None
    strokes: Strokes | None = None
    encoder: Mapping[str, Any] = field(default_factory=dict)

    @property
    def level(self) -> str | None:
        """What a token of text is; None where tokens are of other things."""
        return None if self.text is None else self.text.level

    def to_plain(self) -> dict[str, Any]:
        """Convert to a dict of plain values.

        >>> Spec("tokens", 2, "labels", 2, "sequence", ("a", "b"), text=Text("word")).to_plain()["text"]
        {'level': 'word', 'alphabet': None, 'kmer': 1, 'unit': 1}
        """
        plain: dict[str, Any] = _plain(self)
        return plain

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Spec:
        """Build from the result of `to_plain`, of this version or one that kept the records in a dict of options."""
        given = _renewed(plain) if "options" in plain else dict(plain)
        for name, record in RECORDS.items():
            if given.get(name) is not None:
                given[name] = record(**{key: _tuples(value) for key, value in given[name].items()})
        return cls(**{key: value if key == "encoder" else _tuples(value) for key, value in given.items()})


RECORDS: dict[str, type] = {
    "text": Text,
    "pairs": Pairs,
    "series": Series,
    "anomalies": Anomalies,
    "strokes": Strokes,
}
# The option of earlier versions by which the data of each kind are known.
_SIGNS = {"text": "level", "pairs": "source_level", "series": "history", "anomalies": "kinds", "strokes": "strokes"}


def _renewed(plain: Mapping[str, Any]) -> dict[str, Any]:
    """Sort the options of an earlier version into the records."""
    options = plain["options"] or {}
    given = {key: value for key, value in plain.items() if key != "options"}
    given |= {"allowed": options.get("allowed"), "encoder": _encoder(options)}
    for name, sign in _SIGNS.items():
        if sign in options:
            names = [one.name for one in fields(RECORDS[name])]
            given[name] = {key: options[key] for key in names if key in options}
    if "tokens" not in (given["inputs"], given["targets"]):
        given["text"] = None
    return given


def _encoder(options: Mapping[str, Any]) -> dict[str, Any]:
    """Take what a source alone reads from the options of an earlier version."""
    if "history" in options:
        reading = options.get("reading") or {key: options[key] for key in ("transform", "missing") if key in options}
        label = {"label": options["label"]} if "label" in options else {}
        return {"layout": options.get("layout"), "reading": reading, "context": options.get("context"), **label}
    if "layout" in options or "audio" in options:
        return dict(options)
    nested = options.get("arrays") or options.get("passages")
    return dict(nested or {key: options[key] for key in ("deltas", "label", "text") if key in options})


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {one.name: _plain(getattr(value, one.name)) for one in fields(value)}
    return [_plain(one) for one in value] if isinstance(value, tuple) else value


def _tuples(value: Any) -> Any:
    return tuple(_tuples(one) for one in value) if isinstance(value, list) else value
