"""Every source says and gives what it did when `tests.golden.freeze` wrote it down."""

import json
from pathlib import Path

import pytest

from seqmodels.spec import Spec
from tests.golden.compare import differences, in_words
from tests.golden.freeze import FROZEN, answer, cases, file_of

CASES = cases()
NEEDS = {"audio": "kaldi_native_fbank", "translation": "sentencepiece", "wav": "kaldi_native_fbank"}


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
    frozen = json.loads(file_of(case).read_text())
    frozen["spec"] = Spec.from_plain(frozen["spec"]).to_plain()  # frozen with all options in one dict
    # copies are turned and zoomed in float32, whose last digits differ from one processor to another
    found = list(differences(frozen, answer(case), close=1e-5 if case == "experiment digit_pixels" else 1e-6))
    if found:
        pytest.fail(in_words(f"{case} differs from what is frozen", found), pytrace=False)


def test_each_case_is_frozen_and_nothing_else() -> None:
    assert {file.name for file in FROZEN.glob("*.json")} == {file_of(case).name for case in CASES}
    assert sum(file.stat().st_size for file in FROZEN.iterdir()) < 1_500_000


def test_differences_are_told_in_words() -> None:
    expected = {"spec": {"shift": [1.0, 3.0], "stop": None}, "notes": ["a"], "scale": [1, 2, 3], "val": {"steps": 3}}
    got = {"spec": {"shift": [1.0 + 1e-8, 3.1]}, "notes": ["a", "b"], "scale": [1, 0, 0], "val": {"steps": 4}}
    assert list(differences(expected, got)) == [
        "spec.shift[1]: expected 3.0, got 3.1 (1 of 2 items differ)",
        "spec.stop: expected None, got nothing",
        "notes: expected 1 items, got 2: ['a', 'b']",
        "scale[1]: expected 2, got 0 (2 of 3 items differ)",
        "val.steps: expected 3, got 4",
    ]
    assert list(differences(got, got)) == []
    assert list(differences({"a": 1, "b": [True]}, {"a": 1.0, "b": [1], "c": 0})) == [
        "a: expected 1, got 1.0",
        "b[0]: expected True, got 1 (1 of 1 items differ)",
        "c: expected nothing, got 0",
    ]
