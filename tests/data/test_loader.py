"""The loader hands out the plan's batches: from anywhere, with any workers, to any number of processes."""

import itertools
import subprocess
import sys

import numpy as np
import pytest
import torch

from seqmodels.data.batches.collate import collate
from seqmodels.data.batches.loader import PlanLoader
from seqmodels.data.dataset import ArrayDataset
from seqmodels.spec import Spec

GENERATOR = np.random.default_rng(0)
TEXT = GENERATOR.integers(0, 50, 1001)
NAMES = [GENERATOR.integers(0, 50, n) for n in GENERATOR.integers(1, 20, 37)]


def stream() -> ArrayDataset:
    return ArrayDataset(Spec("tokens", 50, "tokens", 50, "step"), [TEXT[:-1]], [TEXT[1:]], stream=True)


def names(target_shape: str = "sequence") -> ArrayDataset:
    if target_shape == "step":
        return ArrayDataset(Spec("tokens", 50, "labels", 50, "step"), NAMES, [(n * 3) % 50 for n in NAMES])
    if target_shape == "own":
        return ArrayDataset(Spec("tokens", 50, "tokens", 50, "own"), NAMES, [n[: 1 + len(n) // 2] for n in NAMES])
    return ArrayDataset(Spec("tokens", 50, "labels", 50, "sequence"), NAMES, [n[0] for n in NAMES])


LOADERS = {
    "windows of a stream": (stream, {"batch_size": 4, "window": 9}),
    "random windows": (stream, {"batch_size": 4, "window": 20, "random_window": True}),
    "whole names": (names, {"batch_size": 8, "shuffle": True}),
    "windows of names": (lambda: names("step"), {"batch_size": 4, "window": 3, "shuffle": True}),
    "own targets": (lambda: names("own"), {"batch_size": 6}),
}


def loader_of(kind: str, **options) -> PlanLoader:
    make_data, settings = LOADERS[kind]
    return PlanLoader(make_data(), **settings, **options)


def same(batch, other) -> bool:
    return all(torch.equal(a, b) if a is not None else b is None for a, b in zip(batch, other, strict=True))


def assert_same(batches, others) -> None:
    batches, others = list(batches), list(others)
    assert len(batches) == len(others)
    assert all(itertools.starmap(same, zip(batches, others, strict=True)))


@pytest.mark.parametrize("kind", LOADERS)
def test_it_is_as_long_as_it_says_in_every_epoch(kind):
    loader = loader_of(kind)
    assert [len(list(loader)) for _ in range(4)] == [len(loader)] * 4


@pytest.mark.parametrize("kind", LOADERS)
@pytest.mark.parametrize("stop", [0, 1, 3, -1])
def test_stopped_anywhere_it_goes_on_with_the_remaining_batches(kind, stop):
    whole = loader_of(kind)
    epochs = [list(whole) for _ in range(3)]
    stop %= len(whole) + 1
    first = loader_of(kind)
    list(first)
    assert_same(itertools.islice(iter(first), stop), epochs[1][:stop])
    second = loader_of(kind)
    second.load_state_dict(first.state_dict() if stop else {"epoch": 1, "position": 0})
    assert_same(second, epochs[1][stop:])
    assert_same(second, epochs[2])


@pytest.mark.parametrize("workers", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_workers_change_neither_batches_nor_position(workers):
    whole = list(loader_of("whole names"))
    loader = loader_of("whole names", workers=workers)
    batches = iter(loader)
    handed = [next(batches), next(batches)]
    assert loader.state_dict() == {"epoch": 0, "position": 2}, "batches that were only read ahead must not count"
    assert_same(handed, whole[:2])
    batches.close()
    resumed = loader_of("whole names", workers=workers)
    resumed.load_state_dict(loader.state_dict())
    assert_same(resumed, whole[2:])


def test_an_epoch_that_was_left_early_is_followed_by_the_next():
    loader, whole = loader_of("whole names"), loader_of("whole names")
    epochs = [list(whole) for _ in range(2)]
    next(iter(loader))
    assert_same(loader, epochs[1])


def test_a_set_epoch_counts_also_between_iter_and_the_first_batch():
    loader, whole = loader_of("whole names"), loader_of("whole names")
    epochs = [list(whole) for _ in range(6)]
    batches = iter(loader)
    loader.set_epoch(5)
    assert_same(batches, epochs[5])
    loader.load_state_dict({"epoch": 2, "position": 3})
    loader.set_epoch(2)
    assert_same(loader, epochs[2][3:])
    loader.load_state_dict({"epoch": 2, "position": 3})
    loader.set_epoch(3)
    assert_same(loader, epochs[3])


@pytest.mark.parametrize("kind", LOADERS)
@pytest.mark.parametrize("world", [1, 2])
def test_the_rows_of_all_processes_are_the_global_batch(kind, world):
    rank_batches = [list(loader_of(kind, rank=rank, world=world)) for rank in range(world)]
    assert len({len(batches) for batches in rank_batches}) == 1
    for whole, *parts in zip(loader_of(kind), *rank_batches, strict=True):
        assert torch.equal(torch.cat([p.lengths for p in parts]), whole.lengths)
        assert torch.equal(torch.cat([p.reset for p in parts]), whole.reset)
        rows = [row[:n] for p in parts for row, n in zip(p.inputs, p.lengths, strict=True)]
        for row, expected, n in zip(rows, whole.inputs, whole.lengths, strict=True):
            assert torch.equal(row, expected[:n])


def test_four_processes_share_the_rows_of_a_stream():
    whole = next(iter(loader_of("windows of a stream")))
    parts = [next(iter(loader_of("windows of a stream", rank=r, world=4))) for r in range(4)]
    assert torch.equal(torch.cat([p.inputs for p in parts]), whole.inputs)


def test_targets_of_a_stream_are_the_next_tokens_also_across_window_borders():
    lanes: list[list] = [[] for _ in range(4)]
    for batch in loader_of("windows of a stream"):
        for row, lane in enumerate(lanes):
            n = int(batch.lengths[row])
            lane.append((batch.inputs[row, :n], batch.targets[row, :n]))
    glued = [tuple(torch.cat(parts) for parts in zip(*lane, strict=True)) for lane in lanes]
    inputs, targets = (torch.cat(parts).tolist() for parts in zip(*glued, strict=True))
    assert inputs == TEXT[:-1].tolist()
    assert targets == TEXT[1:].tolist()


def test_every_name_comes_once_with_its_own_target():
    for target_shape in ("sequence", "own", "step"):
        data = names(target_shape)
        found = []
        for batch in PlanLoader(data, batch_size=5, shuffle=True):
            for row in range(5):
                n = int(batch.lengths[row])
                if n == 0:
                    continue
                size = {"sequence": None, "step": n}.get(target_shape)
                if target_shape == "own":
                    size = int(batch.target_lengths[row])
                target = batch.targets[row] if size is None else batch.targets[row, :size]
                found.append((batch.inputs[row, :n].tolist(), target.tolist()))
        expected = [(x.tolist(), y.tolist()) for x, y in zip(data.inputs, data.targets, strict=True)]
        assert sorted(found) == sorted(expected)


def test_padding_is_zero_and_shapes_follow_the_spec():
    spec = Spec("features", 3, "values", 2, "step")
    data = ArrayDataset(spec, [np.ones((t, 3)) for t in (2, 4)], [np.ones((t, 2)) for t in (2, 4)])
    batch = collate(data, np.array([[0, 0, 2, 1], [-1, 0, 0, 1], [1, 1, 4, 0]]))
    assert batch.inputs.shape == (3, 3, 3)
    assert batch.targets.shape == (3, 3, 2)
    assert batch.inputs.dtype == batch.targets.dtype == torch.float32
    assert batch.inputs.sum(dim=(1, 2)).tolist() == [6, 0, 9]
    assert batch.lengths.tolist() == [2, 0, 3]
    assert batch.reset.tolist() == [True, True, False]
    assert batch.target_lengths is None


def test_a_batch_of_empty_rows_has_one_step_of_padding():
    batch = collate(names("own"), np.array([[-1, 0, 0, 1]] * 2))
    assert batch.inputs.shape == batch.targets.shape == (2, 1)
    assert batch.lengths.tolist() == batch.target_lengths.tolist() == [0, 0]


def test_rows_must_divide_over_the_processes():
    with pytest.raises(ValueError, match=r"batch_size must be a multiple of .* batch_size=4 over 3"):
        loader_of("windows of a stream", world=3)
    with pytest.raises(ValueError, match="workers must be at least 0, got -1"):
        loader_of("windows of a stream", workers=-1)


def test_arrays_must_fit_together():
    spec = Spec("tokens", 50, "labels", 2, "step")
    with pytest.raises(ValueError, match="2 inputs and 1 targets"):
        ArrayDataset(spec, [TEXT, TEXT], [TEXT])
    with pytest.raises(ValueError, match="sequence 1 has no steps"):
        ArrayDataset(spec, [TEXT, TEXT[:0]], [TEXT, TEXT[:0]])
    with pytest.raises(ValueError, match="sequence 0 has 1001 steps but 1000 targets"):
        ArrayDataset(spec, [TEXT], [TEXT[1:]])


@pytest.mark.slow
def test_a_worker_that_cannot_hand_over_its_batch_is_not_waited_for(tmp_path) -> None:
    """As where /dev/shm is full: here no file may be longer than a page."""
    program = tmp_path / "program.py"
    program.write_text(
        """
import resource
import numpy as np
from seqmodels.spec import Spec
from seqmodels.data.dataset import ArrayDataset
from seqmodels.data.batches.loader import PlanLoader
if __name__ == "__main__":
    spec = Spec("features", 1, "labels", 2, "sequence")
    data = ArrayDataset(spec, [np.ones((5000, 1), np.float32)] * 4, [np.array(1)] * 4)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
    list(PlanLoader(data, batch_size=2, workers=1))
"""
    )
    done = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, timeout=120, check=False)
    assert "DataLoader worker (pid(s)" in done.stderr
    assert "exited unexpectedly" in done.stderr
    assert "shared memory(shm)" not in done.stderr
