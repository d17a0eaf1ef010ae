"""Data-quality warnings, told from the profile of a data set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from seqmodels.quoting import shown

Plain = Mapping[str, Any]

# Below these, a number measured on the split is mostly chance, or a class is hardly learned.
FEW_SEQUENCES, FEW_STEPS, FEW_OF_CLASS = 30, 1000, 10
# From these on, it is said: the share of one class, of unknown tokens, of padding; longest over median; near copies.
MOST_OF_ONE, MANY_UNKNOWN, MUCH_PADDING, UNEVEN, MANY_NEAR = 0.9, 0.05, 0.5, 20, 0.01
NAMED = 8


def quality_warnings(found: Mapping[str, Plain], stream: bool, padding: float = 0.0) -> list[str]:
    """List what a person should look at before training; `padding` is a share of a batch's steps.

    >>> lengths = {"min": 5, "median": 5.0, "max": 5, "histogram": [40]}
    >>> split = {"sequences": 40, "steps": 200, "lengths": lengths, "classes": {"yes": 39, "no": 1}}
    >>> for words in quality_warnings({"train": split}, stream=False): print(words)
    no validation split: the last weights are kept, not the best (data.val_fraction=0.1)
    39 of 40 targets in train are 'yes' (98 %): accuracy says little; try task.class_weights=balanced
    few in train of the class 'no' (1)
    """
    return [words for rule in (_splits, _leaks, _targets, _inputs) for words in rule(found, stream)] + [
        *_lengths(found["train"], padding)
    ]


def _splits(found: Mapping[str, Plain], stream: bool) -> Iterator[str]:
    if "val" not in found:
        yield "no validation split: the last weights are kept, not the best (data.val_fraction=0.1)"
    for name in ("val", "test"):
        split = found.get(name)
        if split is None:
            continue
        if stream and split["steps"] < FEW_STEPS:
            yield f"{name} has {split['steps']:,} steps only: a number measured there is mostly chance"
        elif not stream and split["sequences"] < FEW_SEQUENCES:
            yield f"{name} has {split['sequences']} sequences only: a number measured there is mostly chance"


def _leaks(found: Mapping[str, Plain], stream: bool) -> Iterator[str]:
    for name, split in found.items():
        if split.get("also in train"):
            yield f"{split['also in train']:,} sequences of {name} are in train too: what is learned by heart counts"
        near = split.get("near copies in train", 0)
        if name != "train" and near >= MANY_NEAR * split["sequences read"] and near:
            words = f"{near:,} sequences of {name} are near copies of some in train"
            yield f"{words}: a score there flatters (csv, fasta_labelled: data.together=near_copies)"
        if split.get("groups also in train"):
            count = split["groups also in train"]
            words = f"{count:,} group{'s are' if count > 1 else ' is'} in {name} and in train"
            yield f"{words}: what is reached on new ones is not measured (recordings: data.split=group)"


def _targets(found: Mapping[str, Plain], stream: bool) -> Iterator[str]:
    train = found["train"]
    classes = train.get("classes", {})
    total = sum(classes.values())
    if classes and total:
        top = max(classes, key=classes.__getitem__)
        share = classes[top] / total
        if share == 1:
            yield f"every target in train is {shown(top)}: there is nothing to learn"
        elif share >= MOST_OF_ONE:
            words = f"{classes[top]:,} of {total:,} targets in train are {shown(top)} ({100 * share:.0f} %)"
            yield f"{words}: accuracy says little; try task.class_weights=balanced"
        few = [name for name, count in classes.items() if count < FEW_OF_CLASS]
        if few and share < 1:
            yield f"few in train of the class{'es' if len(few) > 1 else ''} {_listed(few, classes)}"
    values = train.get("values", {}).values()
    if values and all(column["min"] == column["max"] for column in values):
        yield "the targets are the same throughout train: there is nothing to learn"


def _inputs(found: Mapping[str, Plain], stream: bool) -> Iterator[str]:
    for name, split in found.items():
        share = split.get("tokens", {}).get("unknown", 0.0)
        if share >= MANY_UNKNOWN:
            yield f"{100 * share:.0f} % of the tokens of {name} are unknown"
    columns = found["train"].get("features", {})
    constant = [name for name, column in columns.items() if column["min"] == column["max"]]
    if constant:
        yield f"constant in train, so nothing to learn from: {_listed(constant)}"
    missing = {name: column["missing"] for name, column in columns.items() if column["missing"]}
    if missing:
        yield f"numbers that are missing among the features: {_listed(list(missing), missing)}"


def _lengths(train: Plain, padding: float) -> Iterator[str]:
    lengths = train["lengths"]
    if padding >= MUCH_PADDING:
        yield f"{100 * padding:.0f} % of a training batch is padding: the lengths are very uneven"
    elif lengths["max"] >= UNEVEN * max(1, lengths["median"]):
        yield f"the longest sequence has {lengths['max']:,} steps, the one in the middle {lengths['median']:,.0f}"


def _listed(names: list[str], counts: Mapping[str, int] | None = None) -> str:
    quoted = [shown(name) if counts is None else f"{shown(name)} ({counts[name]:,})" for name in names[:NAMED]]
    return ", ".join(quoted) + (f" and {len(names) - NAMED:,} more" if len(names) > NAMED else "")
