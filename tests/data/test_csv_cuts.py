"""A target of numbers as classes."""

import numpy as np
import pytest

from seqmodels.data.sources.tables.table import CSVSource
from tests.data.csv_examples import write

SCORES = np.random.default_rng(0).normal(size=60).round(2).tolist()


def source(folder, scores=SCORES, **options) -> CSVSource:
    path = write(folder, [[f"a{i}b", score] for i, score in enumerate(scores)], "text,score")
    return CSVSource(path, target="score", layout="text", text="text", **{"target_cuts": [0], **options})


def test_numbers_become_the_class_they_lie_in(tmp_path):
    one = source(tmp_path, target_cuts=[-0.5, 0.5])
    train = one.splits()["train"]
    assert train.spec.target_names == ("-0.5 to below 0.5", "0.5 and above", "below -0.5")
    opened = CSVSource.open(one.path, type(train.spec).from_plain(train.spec.to_plain()), targets=True)
    for index, score in enumerate(SCORES):
        name = train.spec.target_names[int(opened.read(index, 0, 1)[1])]
        assert name == ("below -0.5" if score < -0.5 else "-0.5 to below 0.5" if score < 0.5 else "0.5 and above")
    assert one.suggest()["task"] == "classification"


@pytest.mark.parametrize(
    ("scores", "options", "words"),
    [
        (SCORES, {"target_cuts": [1, 0]}, "data.target_cuts must rise"),
        (["good", *SCORES], {}, "line 2, column 'score': expected a number, got 'good'.*set data.target_cuts=null"),
        (["", *SCORES], {}, "line 2, column 'score'"),
        ([abs(score) + 1 for score in SCORES], {}, "only '0 and above'"),
    ],
)
def test_a_mistake_is_told(tmp_path, scores, options, words):
    with pytest.raises(ValueError, match=words):
        source(tmp_path, scores, **options).splits()


def test_series_are_not_cut(tmp_path):
    path = write(tmp_path, [[i, score] for i, score in enumerate(SCORES)], "t,score")
    with pytest.raises(ValueError, match=r"data\.target_cuts has no meaning in the series layout"):
        CSVSource(path, target="score", layout="series", time="t", target_cuts=[0]).splits()
