"""A layer over one of torch's cells costs as much processor time as torch's own layer."""

import statistics
import time
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import nn

import seqmodels

T, B, F, H = 100, 32, 64, 128


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def medians(runs: list[Callable[[], object]], repeats: int = 60) -> list[float]:
    """Processor time, interleaved, so that what else the machine does falls on all alike."""
    seconds: list[list[float]] = [[] for _ in runs]
    for _ in range(repeats):
        for run, taken in zip(runs, seconds, strict=True):
            start = time.process_time()
            run()
            taken.append(time.process_time() - start)
    return [statistics.median(taken[3:]) for taken in seconds]


@pytest.mark.slow
@pytest.mark.parametrize("form", ["Recurrent", "drop-in", "full lengths"])
def test_forward_and_backward_are_as_fast_as_torch(form: str) -> None:
    x = torch.randn(B, T, F)
    theirs = nn.LSTM(F, H, batch_first=True)
    ours = (
        seqmodels.LSTM(F, H, batch_first=True) if form == "drop-in" else seqmodels.Recurrent(seqmodels.LSTMCell(F, H))
    )
    options = {"lengths": torch.full((B,), T)} if form == "full lengths" else {}
    base, own = medians([lambda: theirs(x)[0].sum().backward(), lambda: ours(x, **options)[0].sum().backward()])
    assert own <= 1.05 * base
