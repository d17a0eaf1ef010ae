"""Predictions from the first steps of a sequence, and attention over its steps.

B rows, T steps, V classes.
"""

from typing import Any, NamedTuple

from torch import Tensor


class PartialPrediction(NamedTuple):
    """Prediction with its partial predictions and attention.

    Fields:
        prediction: ``(B, V)``, from all steps.
        after: number of steps -> prediction from that number of first steps.
        attention: ``(B, T)`` weights, if the head pools by attention.
    """

    prediction: Tensor
    after: dict[int, Tensor]
    attention: Tensor | None


def predict_partial(model: Any, inputs: Tensor, lengths: Tensor, after: tuple[int, ...]) -> PartialPrediction:
    """Predict from all steps, and from the first steps alone.

    The features of a unidirectional model are computed once; a bidirectional one is run for each number of steps.

    Args:
        after: numbers of steps; shorter rows are read whole.
    """
    features, _ = model.features(inputs, None, lengths)
    found = {}
    for steps in after:
        first = lengths.clamp(max=steps)
        if model.carries:
            found[steps] = model.head(features[:, :steps], first)
        else:
            found[steps] = model(inputs[:, :steps], None, first)[0]
    attends = getattr(model.head, "attention", None) is not None and hasattr(model.head, "attention_weights")
    attention = model.head.attention_weights(features, lengths) if attends else None
    return PartialPrediction(model.head(features, lengths), found, attention)
