"""How long a training is where trainer.max_epochs=auto says nothing."""

import pytest

from seqmodels.training.length import EPOCHS, FEWEST, MOST, automatic, resolve_length

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
