"""Effective memory of models whose memory is known."""

import pytest
import torch
from torch import nn

from seqmodels.batch import SequenceBatch
from seqmodels.cells import FeedforwardCell
from seqmodels.heads import ManyToMany
from seqmodels.spec import Spec
from seqmodels.training.diagnostics.cuts import NotApplicableError
from seqmodels.training.diagnostics.memory import MemoryCurve, effective_memory, memory_figure
from tests.training.diagnostics_parts import HEADS, Regress, batch_for, figure_words, model_for, value_model


class LastSum(nn.Module):
    """Predicts the sum of the last `reach` inputs, at every step or at the end."""

    def __init__(self, reach: int, per_step: bool) -> None:
        super().__init__()
        self.reach, self.per_step = reach, per_step

    def forward(self, inputs, state, lengths, teacher=None):
        total = inputs.cumsum(1)
        total = total - nn.functional.pad(total, (0, 0, self.reach, 0))[:, : total.shape[1]]
        if self.per_step:
            return total, None
        return total[torch.arange(len(total)), lengths - 1], None


def sums(reach: int, per_step: bool, rows: int = 6, steps: int = 40) -> tuple:
    model = LastSum(reach, per_step)
    inputs = torch.randint(1, 9, (rows, steps, 1)).double()  # whole, so that sums are exact
    lengths = torch.full((rows,), steps)
    lengths[0] = steps - 7
    targets = model(inputs, None, lengths)[0]
    spec = Spec("features", 1, "values", 1, "step" if per_step else "sequence")
    return model, Regress(spec), SequenceBatch(inputs, targets, lengths, torch.ones(rows).bool())


@pytest.mark.parametrize("per_step", [True, False])
@pytest.mark.parametrize(("reach", "needed"), [(1, 1), (2, 2), (4, 4), (5, 8), (16, 16)])
def test_the_memory_of_a_sum_is_its_reach(per_step, reach, needed):
    curve = effective_memory(*sums(reach, per_step))
    assert curve.effective() == needed
    assert curve.losses[-1] == 0
    assert curve.steps[:4] == [1, 2, 4, 8]
    assert all(loss > 1e-3 for k, loss in zip(curve.steps, curve.losses, strict=True) if k < reach)


def test_contexts_reach_up_to_the_longest_row():
    assert effective_memory(*sums(5, per_step=False)).steps == [1, 2, 4, 8, 16, 32, 40]
    # Six rows, ten ends each: the last ends at step 31.
    curve = effective_memory(*sums(5, per_step=True), samples=60)
    assert (curve.steps[-1], curve.samples) == (31, 60)


def test_very_long_sequences_are_scored_on_fewer_rows():
    assert effective_memory(*sums(2, per_step=False, rows=20, steps=4000)).samples == 12


def test_a_model_without_memory_uses_one_step():
    task = Regress(Spec("features", 3, "values", 2, "step"))
    batch = SequenceBatch(torch.rand(4, 9, 3), torch.rand(4, 9, 2), torch.full((4,), 9), torch.ones(4).bool())
    curve = effective_memory(value_model(FeedforwardCell(3, 4), ManyToMany(4, 2)), task, batch)
    assert curve.effective() == 1
    assert max(curve.losses) == pytest.approx(min(curve.losses))


@pytest.mark.parametrize("head", HEADS)
def test_every_head(head):
    model, task, batch = model_for(head)
    model.train()
    if batch.inputs.shape[1] == 1:
        with pytest.raises(NotApplicableError, match="one step only"):
            effective_memory(model, task, batch)
        return
    first, again = effective_memory(model, task, batch), effective_memory(model, task, batch)
    assert first == again  # dropout is off
    assert model.training


def test_the_last_point_is_the_loss_of_the_whole_sequence():
    model, task, batch = model_for("many_to_one")
    model.eval()
    with torch.no_grad():
        total, count = task.loss(model(batch.inputs, None, batch.lengths)[0], batch)
    assert effective_memory(model, task, batch).losses[-1] == pytest.approx(float(total / count), rel=1e-5)


def test_the_same_targets_are_scored_for_every_context():
    model, task, _ = model_for("many_to_many")
    seen = []
    task.item_loss = lambda prediction, targets: seen.append(targets.clone()) or prediction.sum(-1)
    batch = batch_for("step", rows=3, steps=30, ragged=False)
    effective_memory(model, task, batch, samples=9)
    assert len(seen) > 3
    assert torch.equal(seen[0].flatten().sort().values, batch.targets[:, -3:].flatten().sort().values)
    assert all(torch.equal(targets, seen[0]) for targets in seen)


def test_negative_losses_have_a_best_too():
    assert MemoryCurve([1, 2, 4], [-1.0, -1.995, -2.0], 8).effective() == 2


def test_figure_marks_the_effective_memory():
    words = figure_words(memory_figure(MemoryCurve([1, 2, 4, 8], [3.0, 2.0, 1.005, 1.0], 32)))
    for expected in ("the model uses about 4 steps", "effective memory: 4", "context kept (steps)", "32 targets"):
        assert expected in words
