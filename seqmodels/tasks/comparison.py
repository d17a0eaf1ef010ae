"""Comparison of a model with its baselines, in a sentence."""

import math
from collections.abc import Mapping, Sequence

# Relative difference below which two results are a tie.
TIE = 5e-4


def compare(model: Mapping[str, float], baselines: Mapping[str, Mapping[str, float]], monitor: tuple[str, str]) -> str:
    """Return a sentence on whether the model beats every baseline in the monitored metric.

    >>> print(compare({"accuracy": 0.781}, {"majority class": {"accuracy": 0.35}}, ("accuracy", "max")))
    The model beats every baseline: accuracy 0.781 against 0.35 (majority class).
    >>> print(compare({"mae": 17.3}, {"last value": {"mae": 21.6}, "ridge": {"mae": 16.8}}, ("mae", "min")))
    The model LOSES to ridge: mae 17.3 against 16.8 (lower is better). It beats last value (21.6).

    Args:
        baselines: name -> metrics; those without the metric or with NaN are ignored.
        monitor: metric, and "min" or "max".
    """
    name, mode = monitor
    word = name.replace("_", " ")
    own = model.get(name, math.nan)
    scores = {key: values[name] for key, values in baselines.items() if not math.isnan(values.get(name, math.nan))}
    if math.isnan(own):
        return f"The model has no {word} that is a number, so it cannot be compared with the baselines."
    if not scores:
        return f"There is no baseline to compare with; {word} {own:.4g}."
    sign = 1 if mode == "max" else -1
    order = sorted(scores, key=lambda key: -sign * scores[key])
    same = [key for key in order if math.isclose(own, scores[key], rel_tol=TIE)]
    better = [key for key in order if key not in same and sign * scores[key] > sign * own]
    worse = [key for key in order if key not in same and key not in better]
    if not better and not same:
        best = order[0]
        return f"The model beats every baseline: {word} {own:.4g} against {scores[best]:.4g} ({best})."
    beaten = " It beats " + ", ".join(f"{key} ({scores[key]:.4g})" for key in worse) + "." if worse else ""
    if not better:
        return f"The model only ties with {' and '.join(same)}: {word} {own:.4g}.{beaten}"
    others = "".join(f", {key} ({scores[key]:.4g})" for key in better[1:])
    direction = "higher" if mode == "max" else "lower"
    ties = f" It ties with {' and '.join(same)}." if same else ""
    return (
        f"The model LOSES to {better[0]}{others}: {word} {own:.4g} against {scores[better[0]]:.4g} "
        f"({direction} is better).{ties}{beaten}"
    )


def compare_by(
    model: Mapping[str, float], baselines: Mapping[str, Mapping[str, float]], monitors: Sequence[tuple[str, str]]
) -> str:
    r"""Compare by the first shared metric, and by each other metric in which the model loses.

    >>> model, baselines = {"bleu": 9.0, "chrf": 20.0}, {"IBM 1": {"bleu": 8.0, "chrf": 28.0}}
    >>> print(compare_by(model, baselines, [("bleu", "max"), ("chrf", "max")]).replace(". ", ".\n"))
    The model beats every baseline: bleu 9 against 8 (IBM 1).
    The model LOSES to IBM 1: chrf 20 against 28 (higher is better).

    Args:
        monitors: metrics with "min" or "max", the most important first.

    Returns:
        Sentences; "" if no metric is shared.
    """
    shared = [m for m in monitors if m[0] in model and any(m[0] in values for values in baselines.values())]
    said = [compare(model, baselines, monitor) for monitor in shared]
    return " ".join([*said[:1], *(words for words in said[1:] if "LOSES" in words)])
