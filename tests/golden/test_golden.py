"""Every source says and gives what it did when `tests.golden.freeze` wrote it down."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.golden.freeze import FROZEN, answer, cases, file_of

CASES = cases()
NEEDS = {"audio": "kaldi_native_fbank", "translation": "sentencepiece", "wav": "kaldi_native_fbank"}
SHOWN_DIFFERENCES = 12


@pytest.fixture(scope="module")
def module_folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("golden")


@pytest.mark.parametrize("case", CASES)
@pytest.mark.filterwarnings("ignore")  # what sources warn of is tested where they are
def test_the_data_are_what_they_were(case: str, module_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for word in (word for word in NEEDS if word in case.split()[-1] or word in case.split()):
        pytest.importorskip(NEEDS[word])
    folder = module_folder / "_".join(case.split())
    folder.mkdir()
    monkeypatch.chdir(folder)
    found = list(differences(json.loads(file_of(case).read_text()), answer(case)))
    rest = [f"and {len(found) - SHOWN_DIFFERENCES} more"] * (len(found) > SHOWN_DIFFERENCES)
    assert not found, "\n".join([f"{case} differs from what is frozen:", *found[:SHOWN_DIFFERENCES], *rest])


def test_each_case_is_frozen_and_nothing_else() -> None:
    assert {file.name for file in FROZEN.glob("*.json")} == {file_of(case).name for case in CASES}
    assert sum(file.stat().st_size for file in FROZEN.iterdir()) < 1_500_000


def test_differences_are_told_in_words() -> None:
    expected = {"spec": {"shift": [1.0, 3.0], "stop": None}, "notes": ["a"], "splits": {"train": {"sequences": 3}}}
    got = {"spec": {"shift": [1.0 + 1e-8, 3.1]}, "notes": ["a", "b"], "splits": {"train": {"sequences": 4}}}
    assert list(differences(expected, got)) == [
        "spec.shift[1]: expected 3.0, got 3.1",
        "spec.stop: expected None, got nothing",
        "notes: expected 1 items, got 2: ['a', 'b']",
        "splits.train.sequences: expected 3, got 4",
    ]
    assert list(differences(got, got)) == []
    assert list(differences({"a": 1, "b": [True]}, {"a": 1.0, "b": [1], "c": 0})) == [
        "a: expected 1, got 1.0",
        "b[0]: expected True, got 1",
        "c: expected nothing, got 0",
    ]


def differences(expected: Any, got: Any, place: str = "") -> Iterator[str]:
    """What differs, in words; numbers with a point are the same where they are close."""
    if isinstance(expected, dict) and isinstance(got, dict):
        for key in [*expected, *(key for key in got if key not in expected)]:
            inner = f"{place}.{key}" if place else key
            if key not in got or key not in expected:
                one, other = (repr(part[key])[:200] if key in part else "nothing" for part in (expected, got))
                yield f"{inner}: expected {one}, got {other}"
            else:
                yield from differences(expected[key], got[key], inner)
    elif isinstance(expected, list) and isinstance(got, list):
        if len(expected) != len(got):
            yield f"{place}: expected {len(expected)} items, got {len(got)}: {str(got)[:200]}"
        else:
            for i, (one, other) in enumerate(zip(expected, got, strict=True)):
                yield from differences(one, other, f"{place}[{i}]")
    elif not same(expected, got, place):
        yield f"{place}: expected {expected!r}, got {got!r}"


def same(expected: Any, got: Any, place: str) -> bool:
    if isinstance(expected, float) and isinstance(got, float):
        # Inputs are scaled to about 1, in single precision.
        return math.isclose(expected, got, rel_tol=1e-6, abs_tol=1e-6 if place.startswith("splits.") else 1e-12)
    return type(expected) is type(got) and expected == got
