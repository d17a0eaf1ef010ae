"""How long a training is where trainer.max_epochs=auto says nothing."""

import numpy as np
import pytest

from seqmodels.data.batches.module import SequenceDataModule
from seqmodels.data.dataset import ArrayDataset
from seqmodels.spec import Spec
from seqmodels.training.length import (
    EPOCHS,
    FEWEST,
    LEAST_SEQUENCES,
    LEAST_STEPS,
    MOST,
    automatic,
    limit_scoring,
    resolve_length,
)

TRAINER = {"max_epochs": "auto", "max_steps": -1, "val_check_interval": None, "check_val_every_n_epoch": 1}


def total(updates: int) -> int:
    found = automatic(updates)
    return min(found["max_epochs"] * updates, found.get("max_steps", 10**9))


@pytest.mark.parametrize("updates", [1, 3, 8, 20, 100, 133, 134, 213, 999, 1001, 2500, 3999, 4000, 4001, 10**6])
def test_neither_too_few_updates_nor_too_many(updates):
    assert FEWEST <= total(updates) <= 1.5 * MOST
    assert automatic(updates)["max_epochs"] <= max(EPOCHS, -(-FEWEST // updates))
    checks = automatic(updates)
    between = checks.get("val_check_interval") or checks["check_val_every_n_epoch"] * updates
    assert between <= total(updates) / 4  # some validations to choose the best weights from


def test_more_data_means_no_fewer_updates_until_there_is_enough():
    totals = [total(updates) for updates in range(20, 133)]
    assert totals == sorted(totals)


def test_what_the_user_said_stays():
    own = {**TRAINER, "max_steps": 70, "val_check_interval": 10}
    assert resolve_length(own, 9000) == {**own, "max_epochs": 1}
    assert resolve_length({**TRAINER, "max_steps": 3}, 1)["val_check_interval"] == 3  # else no best weights
    assert resolve_length({**TRAINER, "max_epochs": 5}, 9000) == {**TRAINER, "max_epochs": 5}


def test_updates_are_counted_not_batches():
    accumulated = resolve_length({**TRAINER, "accumulate_grad_batches": 4}, 4 * 2000)
    assert accumulated["max_epochs"] == resolve_length(TRAINER, 2000)["max_epochs"]
    assert accumulated["val_check_interval"] == 4 * resolve_length(TRAINER, 2000)["val_check_interval"]


def module(stream: bool = False, batch_size: int = 4) -> SequenceDataModule:
    """100,000 sequences of two steps, and half as many to score on; or streams of as many steps."""
    if stream:
        spec, steps = Spec("tokens", 5, "tokens", 5, "step"), [1_000_000, 500_000]
        splits = [ArrayDataset(spec, [np.arange(n) % 5], [np.arange(n) % 5], stream=True) for n in steps]
        return SequenceDataModule({"train": splits[0], "val": splits[1]}, batch_size, window=10)
    spec = Spec("features", 1, "labels", 2, "sequence")
    splits = [ArrayDataset(spec, np.arange(2.0 * n).reshape(n, 2, 1), [0] * n) for n in (100_000, 50_000, 50_000)]
    return SequenceDataModule(dict(zip(("train", "val", "test"), splits, strict=True)), batch_size)


def limited(data: SequenceDataModule, **trainer: object) -> list[str]:
    unset = {"limit_val_batches": None, "limit_test_batches": None, "accumulate_grad_batches": 1}
    limit_scoring({"trainer": {**TRAINER, **unset, **trainer}}, data)
    return data.limits


def test_a_short_training_is_scored_on_part_of_the_splits():
    data = module()
    whole = data.fingerprint
    notes = limited(data, max_steps=1000)
    assert "val: scored on 6,000 of its 100,000 steps" in notes[0]
    assert "test: scored on 6,000" in notes[1]
    assert notes[2:] == ["baselines: fitted to 64,000 of the 200,000 steps of train, evenly spread"]
    val = data.splits["val"]
    assert len(val) == 3000  # three times the sequences trained on, over two validations and the two scores
    firsts = [float(val.read(i, 0, 1)[0][0, 0]) for i in range(len(val))]
    assert firsts[0] == 0
    assert firsts[-1] == 99_998
    assert np.ptp(np.diff(firsts)) <= 2  # evenly spread
    assert (len(data.splits["train"]), len(data.fitted), data.fingerprint) == (100_000, 32_000, whole)


@pytest.mark.parametrize(
    ("trainer", "expected"),
    [
        ({"max_steps": 1}, [LEAST_SEQUENCES, LEAST_SEQUENCES]),
        ({"max_steps": 1, "limit_val_batches": 1.0}, [50_000, LEAST_SEQUENCES]),
        ({"max_steps": 1000, "limit_test_batches": 7}, [3000, 50_000]),
        ({"max_steps": 1000, "accumulate_grad_batches": 2}, [6000, 6000]),
        ({"max_steps": 1000, "val_check_interval": 100}, [1000 * 4 * 3 // 12] * 2),
        ({"max_steps": 30_000}, [50_000, 50_000]),
        ({"max_epochs": 1}, [50_000, 50_000]),
    ],
)
def test_how_much_is_scored(trainer, expected):
    data = module()
    limited(data, **trainer)
    assert [len(data.splits[name]) for name in ("val", "test")] == [max(n, LEAST_SEQUENCES) for n in expected]


def test_a_stream_is_scored_on_pieces_of_it():
    data = module(stream=True)
    assert "131,072 of its 500,000 steps" in limited(data, max_steps=2)[0]
    loader = data.val_dataloader()
    assert sum(int(batch.lengths.sum()) for batch in loader) == LEAST_STEPS
    assert len(loader) == -(-LEAST_STEPS // 40)


def test_where_all_scores_are_asked_for_baselines_are_fitted_to_all():
    data = module()
    assert limited(data, max_steps=1, limit_val_batches=1.0, limit_test_batches=1.0) == []
    assert len(data.fitted) == len(data.splits["train"])
