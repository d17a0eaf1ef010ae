"""What data sets are specified by: plain, read back the same, and read from what earlier versions wrote."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import seqmodels
from seqmodels.spec import Anomalies, Pairs, Series, Spec, Strokes, Text

BARE = {"inputs": "tokens", "input_size": 3, "targets": "labels", "target_size": 2, "target_shape": "step"}
RECORDS = [
    {"text": Text("word")},
    {"text": Text("character", "dna", 3, 5), "allowed": ((0, 0), (0, 1))},
    {"pairs": Pairs("subword", "word", "bW9kZWw=", None, 4, True, False)},
    {"series": Series(12, "log_return", True), "encoder": {"layout": {"features": ["a"]}}},
    {"anomalies": Anomalies(("spike", "named"), ({"kind": "spike", "start": 3, "stop": 4, "time": "row 3"},))},
    {"strokes": Strokes("stroke", 6)},
]
# What earlier versions wrote, and the records that it means.
OPTIONS = [
    ({"level": "word"}, {"text": Text("word")}),
    (
        {"level": "character", "alphabet": "dna", "kmer": 3, "unit": 5, "allowed": [[0, 1]]},
        {"text": Text("character", "dna", 3, 5), "allowed": ((0, 1),)},
    ),
    ({"strokes": True, "unit": "stroke", "points": 6}, {"strokes": Strokes("stroke", 6)}),
    (
        {"layout": {"kind": "text"}, "missing": "error", "level": "word"},
        {"text": Text("word"), "encoder": {"layout": {"kind": "text"}, "missing": "error", "level": "word"}},
    ),
    ({"arrays": {"x": "X"}}, {"encoder": {"x": "X"}}),
    ({"level": "character", "passages": {"text": "t"}}, {"text": Text(), "encoder": {"text": "t"}}),
    (
        {"layout": {}, "missing": "drop", "transform": None, "history": 6},
        {
            "series": Series(6),
            "encoder": {"layout": {}, "reading": {"transform": None, "missing": "drop"}, "context": None},
        },
    ),
    (None, {}),
]


@pytest.mark.parametrize("records", RECORDS, ids=lambda one: next(iter(one)))
def test_a_spec_is_read_back_the_same(records: dict) -> None:
    spec = Spec(**BARE, **records)
    assert Spec.from_plain(json.loads(json.dumps(spec.to_plain()))) == spec


@pytest.mark.parametrize(("options", "records"), OPTIONS)
def test_the_options_of_earlier_versions_become_records(options: dict | None, records: dict) -> None:
    assert Spec.from_plain({**BARE, "options": options}) == Spec(**BARE, **records)


def test_features_with_labels_have_no_level_of_text() -> None:
    plain = {**BARE, "inputs": "features", "options": {"audio": {}, "level": "character"}}
    assert Spec.from_plain(plain).text is None


def test_a_spec_needs_no_torch() -> None:
    code = "import sys; from seqmodels.spec import Spec; print('torch' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"


def test_only_data_read_what_an_encoder_keeps() -> None:
    package = Path(seqmodels.__file__).parent
    found = [
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if re.search(r"spec\.encoder\b", path.read_text(encoding="utf-8"))
    ]
    assert len(found) > 5
    # Loading changes how a file of series is read, where the user says so.
    assert [name for name in found if not name.startswith("data/")] == ["inference/loading.py"]
