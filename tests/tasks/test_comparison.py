"""The plain sentence about who won."""

import math

import pytest

from seqmodels.tasks import compare

BASELINES = {"last value": {"mae": 21.6}, "ridge regression": {"mae": 16.8}, "no such metric": {"accuracy": 1.0}}


@pytest.mark.parametrize(
    ("mae", "expected"),
    [
        (16.0, "The model beats every baseline: mae 16 against 16.8 (ridge regression)."),
        (
            17.3,
            "The model LOSES to ridge regression: mae 17.3 against 16.8 (lower is better). It beats last value (21.6).",
        ),
        (30.0, "The model LOSES to ridge regression, last value (21.6): mae 30 against 16.8 (lower is better)."),
        (16.801, "The model only ties with ridge regression: mae 16.8. It beats last value (21.6)."),
        (
            21.601,
            "The model LOSES to ridge regression: mae 21.6 against 16.8 (lower is better). It ties with last value.",
        ),
        (math.nan, "The model has no mae that is a number, so it cannot be compared with the baselines."),
    ],
)
def test_comparison_names_the_winner(mae, expected):
    assert compare({"mae": mae}, BASELINES, ("mae", "min")) == expected


def test_higher_is_better_where_the_metric_says_so():
    words = compare({"macro_f1": 0.5}, {"a": {"macro_f1": 0.6}, "b": {"macro_f1": 0.4}}, ("macro_f1", "max"))
    assert words == "The model LOSES to a: macro f1 0.5 against 0.6 (higher is better). It beats b (0.4)."


def test_without_baselines_there_is_nothing_to_beat():
    assert compare({"loss": 1.5}, {"a": {"loss": math.nan}}, ("loss", "min")).startswith("There is no baseline")
    assert compare({}, BASELINES, ("mae", "min")).startswith("The model has no mae")
