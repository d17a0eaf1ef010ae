"""Stroke generation: density of pen movements and sampled drawings.

S movements of V = 2 + K values: dx, dy and the one-hot pen state after it.
"""

from typing import Annotated, Any

import torch
from torch import Tensor

from seqmodels.batch import SequenceBatch
from seqmodels.dataset import SequenceDataset
from seqmodels.heads.mixture import log_likelihood
from seqmodels.kinds import positive, whole
from seqmodels.model import SequenceModel
from seqmodels.registry import register
from seqmodels.spec import Spec
from seqmodels.tasks.base import Figure, MetricCollection, Task, name_of
from seqmodels.tasks.baselines.strokes import drawn, linear_regression, memoryless_mixture, one_gaussian
from seqmodels.tasks.values import undo


@register("task", "stroke_generation")
class StrokeGeneration(Task):
    """Density of each pen movement given those before it.

    The loss is the negative log-likelihood in nats per movement, in scaled units: the density of
    (dx, dy) and the probability of the pen state after it; it may be negative. Metrics: loss, and
    pen_accuracy, the share of movements whose pen state was the most likely. Baselines: one Gaussian
    for all movements; a memoryless mixture of Gaussians; linear regression on the previous movement.

    Args:
        spec: of `seqmodels.data.sources.strokes`.
        temperature: sampling temperature of drawings: 1 for the model's distribution, lower is neater.
        shown: number of drawings shown.
        components: number of Gaussians in the baseline's mixture.

    Raises:
        ValueError: an option out of range, or data without pen states.
    """

    target_kinds = ("values",)
    target_shapes = ("own",)
    drawing = True

    def __init__(
        self,
        spec: Spec,
        temperature: Annotated[float, positive] = 0.4,
        shown: Annotated[int, whole(1, 10_000)] = 16,
        components: Annotated[int, whole(1, 10_000)] = 20,
    ) -> None:
        super().__init__(spec)
        self.temperature = temperature
        self.shown = shown
        self.components = components

    @classmethod
    def suits(cls, spec: Spec) -> bool:
        """Return whether the targets are pen movements."""
        return super().suits(spec) and spec.strokes is not None

    def fit(self, prediction: Tensor, batch: SequenceBatch) -> Tensor:
        """Trim the prediction ``(B, S, 6 M + K)`` to the movements that have a target."""
        rows, steps, values = batch.targets.shape
        prediction, states = prediction[:, :steps], values - 2
        size = prediction.shape[-1] - states
        if prediction.dim() != 3 or tuple(prediction.shape[:2]) != (rows, steps) or size <= 0 or size % 6:
            raise ValueError(
                f"prediction must be ({rows}, {steps}, 6 M + {states}) for a mixture of M, got "
                f"{tuple(prediction.shape)}: use model/head=mixture_density"
            )
        return prediction

    def item_loss(self, prediction: Tensor, targets: Tensor) -> Tensor:
        return -log_likelihood(prediction, targets)

    def metrics(self) -> MetricCollection:
        from torchmetrics import MeanMetric, MetricCollection

        return MetricCollection({"pen_accuracy": MeanMetric()})

    def update(self, metrics: MetricCollection, prediction: Tensor, batch: SequenceBatch) -> None:
        predicted, truth = self.real(prediction, batch)
        states = truth.shape[-1] - 2
        metrics.update((predicted[:, -states:].argmax(-1) == truth[:, 2:].argmax(-1)).float())

    def baselines(self, train: SequenceDataset, evaluation: SequenceDataset) -> dict[str, dict[str, float]]:
        known, truth = drawn(train), drawn(evaluation)
        found = {
            "one Gaussian": one_gaussian(known, truth),
            "mixture without memory": memoryless_mixture(known, truth, self.components),
            "regression on the last": linear_regression(known, truth),
        }
        return {name: self.summary(values) for name, values in found.items()}

    def generate(self, model: SequenceModel, batch: SequenceBatch) -> Tensor:
        """Generate movements ``(B, S, V)``, deterministic for given inputs."""
        return self.draw(model, batch, torch.Generator(batch.inputs.device).manual_seed(0), self.temperature)

    def draw(
        self, model: SequenceModel, batch: SequenceBatch, generator: torch.Generator, temperature: float | None
    ) -> Tensor:
        """Sample movements ``(B, S, V)`` for each row; temperature None takes the most likely."""
        features, _ = model.features(batch.inputs, lengths=batch.lengths)
        head: Any = model.head
        made: Tensor = head.generate(features, batch.lengths, temperature=temperature, generator=generator)
        return made

    @torch.no_grad()
    def sketch(
        self, model: SequenceModel, label: int, count: int, temperature: float | None, generator: torch.Generator
    ) -> list[Any]:
        """Return `count` drawings of one label, each a list of strokes, lists of points [x, y] in original units."""
        inputs, one = torch.full((count, 1), label), torch.ones(count, dtype=torch.long)
        batch = SequenceBatch(inputs, inputs, one, one > 0)
        return [row["strokes"] for row in self.decode(self.draw(model, batch, generator, temperature), batch)]

    def decode(self, prediction: Tensor, batch: SequenceBatch) -> list[dict[str, Any]]:
        """Return each row's strokes, lists of points [x, y] in original units relative to the centre of the drawing.

        Args:
            prediction: movements ``(B, S, V)``, generated or true.
        """
        rows = zip(undo(prediction.detach(), self.spec.shift, self.spec.scale), batch.lengths.tolist(), strict=True)
        return [{"strokes": strokes_of(row) if length else []} for row, length in rows]

    def sample_plots(self, model: SequenceModel, batch: SequenceBatch, generator: torch.Generator) -> dict[str, Figure]:
        """Plot generated drawings beside true ones of the same labels."""
        from seqmodels.tasks.plots.strokes import drawings_figure

        some = batch.nonempty(self.shown)
        if len(some.lengths) == 0:
            return {}
        made = self.decode(self.draw(model, some, generator, self.temperature), some)
        true = self.decode(some.targets, some)
        names = [name_of(self.spec.input_names, token) for token in some.inputs[:, 0].tolist()]
        return {"drawings": drawings_figure([d["strokes"] for d in made], [d["strokes"] for d in true], names)}


def strokes_of(movements: Tensor) -> list[list[list[float]]]:
    """Return the strokes drawn by movements ``(S, V)``, up to the end of the drawing.

    >>> strokes_of(torch.tensor([[1.0, 1, 1, 0, 0], [2, 0, 0, 1, 0], [0, 3, 0, 0, 1], [9, 9, 1, 0, 0]]))
    [[[1.0, 1.0], [3.0, 1.0]], [[3.0, 4.0]]]
    """
    points, state = movements[:, :2].cumsum(0), movements[:, 2:].argmax(-1)
    last = movements.shape[1] - 3
    strokes: list[list[list[float]]] = [[]]
    for point, pen in zip(points.tolist(), state.tolist(), strict=True):
        strokes[-1].append(point)
        if pen == last and last > 0:
            break
        if pen > 0:
            strokes.append([])
    return [stroke for stroke in strokes if stroke]
