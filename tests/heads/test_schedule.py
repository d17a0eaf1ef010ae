"""Schedules of scheduled sampling."""

import math
from typing import Any

import pytest

from seqmodels.heads import EncoderDecoder
from seqmodels.heads.decoding.schedule import SCHEDULES, check_schedule, teacher_probability

FALLING = [name for name in SCHEDULES if name != "constant"]


@pytest.mark.parametrize("schedule", FALLING)
@pytest.mark.parametrize(("start", "end"), [(1.0, 0.1), (0.9, 0.3), (0.2, 0.8)])
def test_from_start_to_end_without_turning(schedule: str, start: float, end: float) -> None:
    path = [teacher_probability(schedule, start, end, i / 20) for i in range(21)]
    assert path[0] == pytest.approx(start)
    assert path[-1] == pytest.approx(end)
    assert path == sorted(path, reverse=start > end)


def test_the_equations_of_bengio_et_al() -> None:
    n, k = 1000, 0.99  # exponential: k^i at update i of n
    assert teacher_probability("exponential", 1.0, k**n, 0.3) == pytest.approx(k**300)
    k = math.exp(5)  # inverse sigmoid: k / (k + exp(i / k)), to the same 0.7 % at both ends
    n = round(2 * k * math.log(k))
    for fraction in (0.1, 0.4, 0.5, 0.8):
        expected = k / (k + math.exp(fraction * n / k))
        assert teacher_probability("inverse_sigmoid", 1.0, 0.0, fraction) == pytest.approx(expected, abs=0.01)


def test_a_head_follows_its_schedule() -> None:
    head = EncoderDecoder(2, 3, teacher_schedule="linear", teacher_start=0.8, teacher_end=0.2)
    assert head.teacher_forcing == 0.8
    head.set_progress(0.5)
    assert head.teacher_forcing == pytest.approx(0.5)
    head.set_progress(1.5)
    assert head.teacher_forcing == pytest.approx(0.2)
    constant = EncoderDecoder(2, 3, teacher_start=0.7)
    constant.set_progress(0.9)
    assert constant.teacher_forcing == 0.7
    with pytest.raises(ValueError, match="fraction must be at least 0"):
        head.set_progress(-0.1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("linear", 1.0, None), "needs teacher_end"),
        (("constant", 1.0, 0.5), "teacher_end is not read"),
        (("exponential", 1.0, 0.0), "never reaches 0"),
    ],
)
def test_refusal(arguments: tuple[Any, ...], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        check_schedule(*arguments)
