"""Tasks stand beside the data, not on it; what is heavy waits until it is used. Metrics add up over processes."""

import subprocess
import sys

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from seqmodels.batch import SequenceBatch
from seqmodels.spec import Spec
from seqmodels.tasks import Classification, Regression
from seqmodels.tasks.labels import confusion_of

HEAVY = ("torchmetrics", "sklearn", "scipy", "matplotlib", "pandas", "pytorch_lightning", "hydra", "seqmodels.data")


def test_finding_every_task_imports_nothing_heavy_and_no_data():
    code = f"""
import sys
from seqmodels.registry import names
before = set(sys.modules)
assert len(names("task")) >= 6
print([name for name in sys.modules if name.startswith({HEAVY!r})])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def classified(rows: slice) -> tuple[Classification, torch.Tensor, SequenceBatch]:
    generator = torch.Generator().manual_seed(0)
    truth, logits = torch.randint(3, (9,), generator=generator), torch.randn(9, 3, generator=generator)
    lengths = torch.ones(9, dtype=torch.long)
    batch = SequenceBatch(torch.zeros(9, 1, dtype=torch.long), truth, lengths, lengths.bool())
    part = SequenceBatch(*(None if field is None else field[rows] for field in batch))
    return Classification(Spec("tokens", 2, "labels", 3, "sequence")), logits[rows], part


def regressed(rows: slice) -> tuple[Regression, torch.Tensor, SequenceBatch]:
    values, lengths = torch.linspace(-3, 4, 9).unsqueeze(1), torch.ones(9, dtype=torch.long)
    batch = SequenceBatch(torch.zeros(9, 1, 1), values, lengths, lengths.bool())
    part = SequenceBatch(*(None if field is None else field[rows] for field in batch))
    return Regression(Spec("features", 1, "values", 1, "sequence")), values[rows] ** 2, part


def measured(make, rows: slice) -> dict[str, float]:
    task, prediction, batch = make(rows)
    metrics = task.metrics()
    task.update(metrics, prediction, batch)
    return metrics, task.summary({"loss": 0.0, **metrics.compute()})


def one_process(rank: int, file: str) -> None:
    dist.init_process_group("gloo", init_method=f"file://{file}", rank=rank, world_size=2)
    rows = (slice(0, 2), slice(2, 9))[rank]
    metrics, found = measured(classified, rows)
    torch.save((found, measured(regressed, rows)[1], confusion_of(metrics)), f"{file}.{rank}")
    dist.destroy_process_group()


@pytest.mark.skipif(not dist.is_available(), reason="torch was built without torch.distributed")
def test_metrics_of_two_processes_are_those_of_one(tmp_path):
    file = str(tmp_path / "meet")
    mp.spawn(one_process, args=(file,), nprocs=2)
    metrics, labels = measured(classified, slice(0, 9))
    values = measured(regressed, slice(0, 9))[1]
    for rank in range(2):
        found_labels, found_values, confusion = torch.load(f"{file}.{rank}", weights_only=True)
        assert found_labels == pytest.approx(labels)
        assert found_values == pytest.approx(values)
        assert torch.equal(confusion, confusion_of(metrics))
