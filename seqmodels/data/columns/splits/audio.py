"""Splits of recordings: by speaker, as given, or at random."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seqmodels.data.columns.audio_list import Recording
from seqmodels.data.columns.splits.shares import NAMES, by_group, by_ratio, stratified
from seqmodels.data.files.find import naming
from seqmodels.quoting import suggest

KINDS = ("stratified", "group", "given")


@dataclass(frozen=True)
class SplitOptions:
    """Options by which recordings are split.

    Fields:
        kind: "stratified" (by class; transcripts at random), "group" (whole speakers), "given" (as the
            manifest's column split says), or None for "given" where there is that column, else "stratified".
        val_groups, test_groups: speakers that make up validation and test, before anything else is split.
        val_fraction, test_fraction: shares of what is left, where nothing else says what is in them.
        seed: what the draw depends on.
    """

    kind: str | None = None
    val_groups: Sequence[str] | None = None
    test_groups: Sequence[str] | None = None
    val_fraction: float = 0.1
    test_fraction: float = 0.1
    seed: int = 0


def split_recordings(recordings: Sequence[Recording], options: SplitOptions) -> dict[str, np.ndarray]:
    """Split recordings: "train", and "val" and "test" where there are such.

    Raises:
        ValueError: speakers that nobody has, a split without recordings, a file that is there twice.
    """
    _refuse_twice(recordings)
    fixed = {
        name: _of_groups(recordings, groups, name)
        for name, groups in (("val", options.val_groups), ("test", options.test_groups))
        if groups
    }
    both = set(options.val_groups or ()) & set(options.test_groups or ())
    if both:
        raise ValueError(f"data.val_groups and data.test_groups: {', '.join(sorted(both))} cannot be in both")
    given = any(recording.split for recording in recordings)
    kind = options.kind or ("given" if given and not fixed else "stratified")
    if kind == "given" and not given:
        raise ValueError("data.split=given: nothing says which recording is in which split; give a manifest with split")
    if kind == "given" and not fixed:
        fixed = _as_given(recordings)
    taken = [index for items in fixed.values() for index in items.tolist()]
    rest = np.setdiff1d(np.arange(len(recordings)), taken)
    if len(rest) == 0:
        raise ValueError(f"data: {' and '.join(fixed)} take all of the recordings; none are left to train on")
    val = 0.0 if "val" in fixed else options.val_fraction
    test = 0.0 if "test" in fixed or kind == "given" else options.test_fraction  # one not given is not made up
    with naming("data.path"):
        parts = _at_random([recordings[i] for i in rest], kind, val, test, options.seed)
    found = {**{name: rest[items] for name, items in parts.items()}, **fixed}
    return {name: found[name] for name in NAMES if name in found}


def _at_random(recordings: list[Recording], kind: str, val: float, test: float, seed: int) -> dict[str, np.ndarray]:
    if val == 0 and test == 0:
        return {"train": np.arange(len(recordings))}
    if kind == "group":
        return by_group(_groups(recordings), val, test, seed)
    labels = [recording.label for recording in recordings]
    return by_ratio(len(labels), val, test, seed) if labels[0] is None else stratified(labels, val, test, seed)


def _groups(recordings: Sequence[Recording]) -> list[str]:
    groups = [recording.group for recording in recordings if recording.group is not None]
    if len(groups) < len(recordings):
        raise ValueError(
            f"{len(recordings) - len(groups)} of {len(recordings)} recordings have no speaker to split by: name them "
            "by a folder within each class, by (?P<speaker>...) in data.pattern, or by a column speaker in the "
            "manifest; or hold no whole speakers out: data.val_groups=null data.test_groups=null data.split=stratified"
        )
    return groups


def _of_groups(recordings: Sequence[Recording], wanted: Sequence[str], name: str) -> np.ndarray:
    groups, chosen = _groups(recordings), [str(group) for group in wanted]
    for group in chosen:
        if group not in groups:
            hint = suggest(group, set(groups))
            known = ", ".join(sorted(set(groups)))
            words = f"there is no speaker {group!r}{hint} Speakers: {known}; null holds none out"
            raise ValueError(f"data.{name}_groups: {words}")
    return np.flatnonzero(np.isin(groups, chosen))


def _as_given(recordings: Sequence[Recording]) -> dict[str, np.ndarray]:
    """Return "val" and "test" as the manifest says."""
    names = np.array([recording.split for recording in recordings])
    if not (names == "train").any():
        raise ValueError(f"{recordings[0].where}: the column split names no recording 'train'")
    return {name: np.flatnonzero(names == name) for name in ("val", "test") if (names == name).any()}


def _refuse_twice(recordings: Sequence[Recording]) -> None:
    counts = Counter(recording.path.resolve() for recording in recordings)
    twice = next((path for path, count in counts.items() if count > 1), None)
    if twice is not None:
        first, second, *_ = (recording for recording in recordings if recording.path.resolve() == twice)
        raise ValueError(
            f"{second.where}: the recording is there already{f', {first.place}' if first.place else ''}; name it once, "
            "else it could be in two splits"
        )
