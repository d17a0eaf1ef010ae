"""Batches that are accumulated for one update move the weights as one batch of all their sequences does."""

import copy

import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from seqmodels.batch import SequenceBatch
from seqmodels.training.learner import Learner
from tests.training.diagnostics_parts import VOCABULARY, classify, model_for


def joined(batches: list[SequenceBatch]) -> SequenceBatch:
    parts = (torch.cat([getattr(batch, name) for batch in batches]) for name in ("inputs", "targets", "lengths"))
    return SequenceBatch(*parts, torch.ones(sum(len(batch.lengths) for batch in batches)).bool())


def ragged(longest: int) -> SequenceBatch:
    lengths = torch.tensor([longest, 2, 1])
    inputs, targets = torch.randint(VOCABULARY, (2, 3, 60))
    return SequenceBatch(inputs, targets, lengths, torch.ones(3).bool())


@pytest.mark.filterwarnings("ignore:.*")  # of the library's, about a loader that is as small as it is meant to be
@pytest.mark.parametrize("several", [4, 3])  # the last update of an epoch may have fewer
def test_accumulated_batches_are_as_one(tmp_path, several):
    model, _, _ = model_for("many_to_many")
    batches = [ragged(longest) for longest in (60, 2, 5, 30)]

    def trained(batches: list[SequenceBatch], accumulate: int) -> list[torch.Tensor]:
        own = copy.deepcopy(model).eval()
        own.train = lambda mode=True: own  # type: ignore[method-assign]  # no dropout
        learner = Learner(own, classify("step"), {"name": "sgd", "lr": 1.0})
        trainer = pl.Trainer(
            max_epochs=1,
            accumulate_grad_batches=accumulate,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=tmp_path,
        )
        trainer.fit(learner, DataLoader(batches, batch_size=None))
        return [parameter.detach() for parameter in own.parameters()]

    groups = [batches[start : start + several] for start in range(0, len(batches), several)]
    for one, other in zip(trained(batches, several), trained(list(map(joined, groups)), 1), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)
