"""Synthetic data: the answers are right by another road, without memory they cannot be known, errors are clear."""

import math
import pickle

import numpy as np
import pytest

from seqmodels.data.batches.loader import PlanLoader
from seqmodels.data.sources.generated.synthetic import AddingSource, CopyingSource, ReversalSource, RunningSumSource

SOURCES = [RunningSumSource, AddingSource, CopyingSource, ReversalSource]


def read_all(dataset, count=300):
    return [dataset.read(i, 0, int(dataset.lengths[i])) for i in range(min(count, len(dataset)))]


@pytest.mark.parametrize("source", SOURCES)
def test_sequences_are_the_same_at_every_reading_and_no_two_alike(source):
    splits, again, other = source().splits(), source().splits(), source(seed=1).splits()
    assert list(splits) == ["train", "val", "test"]
    for name, dataset in splits.items():
        assert (dataset.lengths == again[name].lengths).all()
        for pair, same in zip(read_all(dataset, 20), read_all(again[name], 20), strict=True):
            assert all((a == b).all() for a, b in zip(pair, same, strict=True))
    parts = [*splits.values(), *other.values()]
    contents = [inputs.tobytes() for dataset in parts for inputs, _ in read_all(dataset)]
    assert len(set(contents)) == len(contents), "also not across splits and seeds"


@pytest.mark.parametrize("source", SOURCES)
def test_a_piece_is_the_piece_of_the_whole(source):
    train = source().splits()["train"]
    inputs, targets = train.read(7, 0, int(train.lengths[7]))
    some, their = train.read(7, 2, 5)
    assert (some == inputs[2:5]).all()
    assert (their == (targets[2:5] if train.spec.target_shape == "step" else targets)).all()


@pytest.mark.parametrize("source", SOURCES)
def test_batches_have_the_shape_the_spec_says_also_from_a_copy(source):
    train = source(train_size=10).splits()["train"]
    spec = train.spec
    for plain, copied in zip(PlanLoader(train, 4), PlanLoader(pickle.loads(pickle.dumps(train)), 4), strict=True):
        assert (plain.inputs == copied.inputs).all()
        assert plain.inputs.dim() == (2 if spec.inputs == "tokens" else 3)
        assert plain.targets.is_floating_point() == (spec.targets == "values")
        assert (plain.target_lengths is None) == (spec.target_shape != "own")


def test_the_task_and_head_that_fit():
    found = [tuple(source().suggest().values()) for source in SOURCES]
    assert found == [
        ("regression", "many_to_many"),
        ("regression", "many_to_one"),
        ("tagging", "many_to_many"),
        ("sequence_generation", "encoder_decoder"),
    ]


def test_sizes_of_zero_leave_a_split_out():
    assert list(AddingSource(val_size=0).splits()) == ["train", "test"]
    assert list(AddingSource(val_size=0, test_size=0).splits()) == ["train"]


def test_running_sums_are_right_scaled_and_not_to_be_known_without_memory():
    train = RunningSumSource(steps=15, largest=4).splits()["train"]
    spec = train.spec
    inputs, targets = (np.stack(parts)[..., 0] for parts in zip(*read_all(train, 3000), strict=True))
    assert abs(inputs.mean()) < 0.02
    assert abs(targets.mean()) < 0.02
    assert abs(inputs.std() - 1) < 0.02
    assert abs(targets.std() - 1) < 0.02
    numbers = (inputs * spec.input_scale[0] + spec.input_shift[0]).round(4)
    sums = targets * spec.scale[0] + spec.shift[0]
    assert set(numbers.ravel()) == {0, 1, 2, 3, 4}
    for row, totals in zip(numbers[:50], sums[:50], strict=True):
        total = 0.0
        for number, expected in zip(row, totals, strict=True):
            total += number
            assert expected == pytest.approx(total, abs=1e-4)
    # The best that can be said of the sum from the last number alone leaves nearly all of its spread.
    residual = sum(((targets[numbers == n] - targets[numbers == n].mean()) ** 2).sum() for n in range(5))
    assert (residual / targets.size) ** 0.5 > 0.98


def test_adding_sums_the_marked_numbers_and_chance_is_a_sixth():
    train = AddingSource(steps=11).splits()["train"]
    targets = []
    for inputs, target in read_all(train, 3000):
        marked = [t for t in range(11) if inputs[t, 1] == 1]
        assert len(marked) == 2
        assert marked[0] < 5 <= marked[1]
        assert set(inputs[:, 1]) == {0, 1}
        assert target[0] == pytest.approx(inputs[marked[0], 0] + inputs[marked[1], 0])
        targets.append(target[0])
    assert np.mean((np.array(targets) - 1) ** 2) == pytest.approx(1 / 6, abs=0.01)
    marks = np.stack([inputs[:, 1] for inputs, _ in read_all(train, 3000)]).mean(axis=0)
    assert marks[:5] == pytest.approx(np.full(5, 1 / 5), abs=0.04)
    assert marks[5:] == pytest.approx(np.full(6, 1 / 6), abs=0.04)


def test_copying_asks_for_the_letters_after_the_delay():
    train = CopyingSource(delay=7, length=3, symbols=4).splits()["train"]
    spec, seen = train.spec, set()
    for inputs, targets in read_all(train):
        given = "".join(spec.input_names[i] for i in inputs)
        asked = "".join(spec.target_names[i] for i in targets)
        assert given == given[:3] + "_" * 6 + "!" + "_" * 3
        assert asked == "_" * 10 + given[:3]
        seen |= set(given[:3])
    assert seen == set("abcd")
    assert (spec.input_size, spec.target_size) == (6, 5)
    steps = 7 + 2 * 3
    uniform = np.mean([math.log(4) * (targets > 0).sum() / steps for _, targets in read_all(train)])
    assert uniform == pytest.approx(3 * math.log(4) / steps), "the loss at chance"


def test_reversal_ends_with_the_stop_token():
    train = ReversalSource(symbols=4, shortest=2, longest=6).splits()["train"]
    lengths = set()
    for inputs, targets in read_all(train):
        lengths.add(len(inputs))
        assert targets.tolist() == [*reversed(inputs.tolist()), train.spec.stop]
        assert inputs.max() < 4 == train.spec.stop
    assert lengths == {2, 3, 4, 5, 6}
    batch = next(iter(PlanLoader(train, 8)))
    assert (batch.target_lengths == batch.lengths + 1).all()


def test_a_file_of_sequences_is_read_as_training_was(tmp_path):
    path = tmp_path / "new.txt"
    path.write_text("1 1 1\n\n4 0.5\n")
    source = RunningSumSource()
    data = RunningSumSource.open(str(path), source.spec)
    assert data.lengths.tolist() == [3, 2]
    spec = data.spec
    assert data.inputs[1][:, 0] * spec.input_scale[0] + spec.input_shift[0] == pytest.approx([4, 0.5])
    assert data.targets[0].shape == (3, 1)
    path.write_text("0.5,1 0.25,0\n")
    data = AddingSource.open(str(path), AddingSource.spec)
    assert data.inputs[0].tolist() == [[0.5, 1], [0.25, 0]]
    assert data.targets[0].shape == (1,)
    path.write_text("abc\nja\n")
    data = ReversalSource.open(str(path), ReversalSource().spec)
    assert [x.tolist() for x in data.inputs] == [[0, 1, 2], [9, 0]]
    assert len(next(iter(PlanLoader(data, 2))).target_lengths) == 2


@pytest.mark.parametrize(
    ("source", "text", "message"),
    [
        (RunningSumSource, "1 1\n1 x 1", "new.txt, line 2: could not convert string to float: 'x'"),
        (AddingSource, "0.5,1 0.25", "new.txt, line 1, step 2: expected number,marked; got 1 number"),
        (ReversalSource, "abz", r"new.txt, line 1: the text has 1 character \('z'\) that the vocabulary of 10 lacks"),
    ],
)
def test_bad_files_are_refused(tmp_path, source, text, message):
    (tmp_path / "new.txt").write_text(text)
    with pytest.raises(ValueError, match=message):
        source.open(str(tmp_path / "new.txt"), source().spec)


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        (RunningSumSource, {"steps": 0}, "data.steps must be a whole number of at least 1 and at most 10000, got 0"),
        (
            RunningSumSource,
            {"largest": 0},
            "largest must be a whole number of at least 1 and at most 1000000, got 0",
        ),
        (AddingSource, {"steps": 1}, "data.steps must be a whole number of at least 2 and at most 10000, got 1"),
        (
            AddingSource,
            {"train_size": 0},
            "train_size must be a whole number of at least 1 and at most 1000000, got 0",
        ),
        (
            AddingSource,
            {"val_size": -1},
            "val_size must be a whole number of at least 0 and at most 1000000, got -1",
        ),
        (AddingSource, {"seed": -1}, "data.seed must be a whole number of at least 0, got -1"),
        (CopyingSource, {"delay": 0}, "data.delay must be a whole number of at least 1 and at most 10000, got 0"),
        (CopyingSource, {"symbols": 27}, "data.symbols must be a whole number of at least 2 and at most 26, got 27"),
        (ReversalSource, {"shortest": 9, "longest": 8}, "data.longest must be at least 9, got 8"),
    ],
)
def test_bad_options_are_refused(source, options, message):
    with pytest.raises(ValueError, match=message):
        source(**options)
