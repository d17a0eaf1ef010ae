"""Law 9, lanes: the windows of a row, glued, are the sequences dealt to it, and nothing is lost."""

import itertools
import tracemalloc

import numpy as np
import pytest

from seqmodels.data.batches.plan import EMPTY_ROW, cut_stream, make_plan

RANDOM = np.random.default_rng(0)
CASES = [
    {
        "lengths": RANDOM.integers(1, 40, RANDOM.integers(1, 30)),
        "batch_size": int(RANDOM.integers(1, 8)),
        "window": [None, 1, 3, 7, 100][case % 5],
        "stream": case % 3 == 0,
        "shuffle": case % 2 == 0,
        "seed": case,
        "epoch": case % 4,
    }
    for case in range(60)
] + [
    {
        "lengths": np.array([steps]),
        "batch_size": rows,
        "window": window,
        "stream": True,
        "shuffle": shuffle,
        "random_window": True,
        "seed": steps,
    }
    for steps, rows, window in [(1, 1, 1), (1000, 3, 10), (999, 8, 64), (50, 7, 3), (5, 8, 20)]
    for shuffle in (False, True)
]


def batches_of(case: dict) -> np.ndarray:
    plan = make_plan(**case)
    return np.stack([plan[i] for i in range(len(plan))])


@pytest.mark.parametrize("case", CASES)
def test_every_step_is_in_exactly_one_window(case):
    seen = [np.zeros(steps, dtype=int) for steps in case["lengths"]]
    for sequence, start, stop, _ in batches_of(case).reshape(-1, 4):
        if sequence >= 0:
            assert 0 <= start < stop <= len(seen[sequence])
            seen[sequence][start:stop] += 1
    assert all((count == 1).all() for count in seen)


@pytest.mark.parametrize("case", CASES)
def test_the_windows_of_a_row_glued_are_the_pieces_dealt_to_it(case):
    batches = batches_of(case)
    for row in range(case["batch_size"]):
        lane = batches[:, row]
        assert (lane[lane[:, 0] < 0] == EMPTY_ROW).all()
        lane = lane[lane[:, 0] >= 0]
        for before, after in itertools.pairwise(lane):
            goes_on = after[0] == before[0] and after[1] == before[2]
            assert after[3] == (not goes_on)
            if not goes_on and not case["stream"]:
                assert before[2] == case["lengths"][before[0]]
                assert after[1] == 0
        assert len(lane) == 0 or lane[0, 3] == 1


@pytest.mark.parametrize("case", [c for c in CASES if c["window"] or c["stream"]])
def test_a_row_runs_out_only_once(case):
    empty = batches_of(case)[:, :, 0] < 0
    assert (empty[1:] >= empty[:-1]).all()


@pytest.mark.parametrize("case", CASES)
def test_a_plan_depends_on_seed_and_epoch_alone_and_has_as_many_batches_in_each_epoch(case):
    assert (batches_of(case) == batches_of(case)).all()
    counts = {len(make_plan(**{**case, "epoch": epoch})) for epoch in range(5)}
    assert len(counts) == 1


@pytest.mark.parametrize("window", [None, 4])
def test_epochs_and_seeds_shuffle_training_and_leave_evaluation(window):
    base = {"lengths": np.arange(1, 41), "batch_size": 4, "window": window}
    first, later = (batches_of({**base, "shuffle": True, "epoch": e}) for e in (0, 1))
    other = batches_of({**base, "shuffle": True, "seed": 1})
    assert (first != later).any()
    assert first.shape != other.shape or (first != other).any()
    assert (batches_of({**base, "epoch": 0}) == batches_of({**base, "epoch": 1, "seed": 5})).all()


def test_evaluation_of_whole_sequences_keeps_their_order():
    sequences = batches_of({"lengths": np.array([5, 1, 9, 2, 2]), "batch_size": 2})[:, :, 0]
    assert sequences.ravel().tolist() == [0, 1, 2, 3, 4, -1]


def test_training_batches_of_whole_sequences_are_of_similar_length():
    lengths = np.random.default_rng(0).integers(1, 500, 2000)
    rows = batches_of({"lengths": lengths, "batch_size": 20, "shuffle": True})
    steps = rows[:, :, 2]
    assert steps.sum() / (steps.max(axis=1) * 20).sum() > 0.9
    assert np.abs(np.diff(steps.max(axis=1))).mean() > 50, "the batches themselves must come in random order"


def test_rows_of_a_stream_differ_by_one_step_at_most():
    for lengths, rows in [([17], 4), ([5, 1, 30], 6), ([3], 5)]:
        pieces = cut_stream(np.array(lengths), rows)
        steps = np.bincount(pieces[:, 0], pieces[:, 3] - pieces[:, 2], minlength=rows)
        assert steps.max() - steps.min() <= 1


def test_dealt_rows_are_about_equally_long():
    case = {"lengths": np.random.default_rng(0).integers(1, 100, 500), "batch_size": 8, "window": 10, "shuffle": True}
    full = (batches_of(case)[:, :, 0] >= 0).mean()
    assert full > 0.97


def test_random_windows_scatter_about_the_window_and_sometimes_its_half():
    case = {"lengths": np.array([500_000]), "batch_size": 1, "window": 70, "stream": True, "random_window": True}
    steps = np.diff(batches_of(case)[:, 0, 1:3], axis=1).ravel()
    assert steps.min() >= 5 or steps.min() == steps[-1]
    assert abs(np.median(steps) - 70) <= 1
    assert 0.03 < (steps < 50).mean() < 0.07
    epochs = [make_plan(**{**case, "epoch": e})[0].tolist() for e in range(10)]
    assert len({epoch[0][2] for epoch in epochs}) > 3


def test_a_plan_of_a_long_text_is_small():
    tracemalloc.start()
    plan = make_plan(np.array([40_000_000]), batch_size=32, window=64, stream=True)
    size = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(plan) == 19532
    assert size < 1_000_000
    assert plan[19531][0].tolist() == [0, 19531 * 64, 1_250_000, 0]


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ({"lengths": np.array([])}, "there are no sequences"),
        ({"lengths": np.array([3, 0])}, "sequence 1 has 0 steps"),
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"window": 0}, "window must be at least 1, or null for whole sequences, got 0"),
        ({"random_window": True, "stream": True}, "random_window needs a window"),
        ({"random_window": True, "window": 5}, "random_window needs a window and one long stream"),
        ({"random_window": True, "window": 5, "stream": True, "lengths": np.array([4, 4])}, "2 sequences"),
    ],
)
def test_bad_numbers_are_refused(case, message):
    with pytest.raises(ValueError, match=message):
        make_plan(**{"lengths": np.array([9]), "batch_size": 2, **case})
