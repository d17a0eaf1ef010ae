"""Scheduled sampling: the teacher-forcing probability over the training.

    constant         p = start
    linear           p = start + (end - start) f
    exponential      p = start (end / start)^f
    inverse_sigmoid  p = end + (start - end) s(f), with s falling from 1 to 0 like k / (k + exp(i / k)),
                     here sigmoid(a (1 - 2 f)) rescaled to 1 and 0

f is the fraction of training done. Source: Bengio et al. 2015, "Scheduled sampling for sequence prediction with
recurrent neural networks", section 2.4; parametrized here by both ends instead of a rate per update, so that a schedule
does not depend on the number of updates.
"""

from __future__ import annotations

import math
from typing import Literal, get_args

Schedule = Literal["constant", "linear", "exponential", "inverse_sigmoid"]
SCHEDULES: tuple[str, ...] = get_args(Schedule)

# a = log k at i = 2 f k log k: k = 148, flat at both ends and steep in the middle.
_STEEPNESS = 5.0


def check_schedule(schedule: str, start: float, end: float | None) -> None:
    """Validate a schedule."""
    if schedule == "constant" and end is not None:
        raise ValueError(f"teacher_end is not read by teacher_schedule='constant', got {end!r}: leave it null")
    if schedule != "constant" and end is None:
        raise ValueError(f"teacher_schedule={schedule!r} needs teacher_end, the probability at the training's end")
    if schedule == "exponential" and (start == 0 or end == 0):
        raise ValueError(
            "teacher_schedule='exponential' never reaches 0: teacher_start and teacher_end must be above 0, "
            f"got {start!r} and {end!r}; teacher_end=0.01 will do"
        )


def teacher_probability(schedule: str, start: float, end: float | None, fraction: float) -> float:
    """Return the teacher-forcing probability after `fraction` of the training.

    >>> [teacher_probability("linear", 1.0, 0.5, f) for f in (0, 0.5, 1)]
    [1.0, 0.75, 0.5]
    >>> [round(teacher_probability("inverse_sigmoid", 1.0, 0.0, f), 3) for f in (0, 0.25, 0.5, 0.75, 1)]
    [1.0, 0.93, 0.5, 0.07, 0.0]
    """
    if schedule == "constant" or end is None:
        return start
    if schedule == "linear":
        return start + (end - start) * fraction
    if schedule == "exponential":
        return start * (end / start) ** fraction
    # tanh is the sigmoid rescaled to -1 and 1; the division rescales its two ends to exactly that.
    falling = 0.5 + 0.5 * math.tanh(_STEEPNESS * (1 - 2 * fraction) / 2) / math.tanh(_STEEPNESS / 2)
    return end + (start - end) * falling
