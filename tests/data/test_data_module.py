"""The data module under Lightning: epochs, resuming, processes; and the fingerprint."""

import copy
import subprocess
import sys

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint

from seqmodels.data.batches.module import SequenceDataModule
from seqmodels.data.dataset import ArrayDataset
from seqmodels.spec import Spec

# Lightning itself uses what torch has deprecated; the checkpoints lie in one folder.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning"),
    pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty"),
]

SPEC = Spec("tokens", 50, "labels", 50, "sequence")


def names(count: int = 22, seed: int = 0, spec: Spec = SPEC) -> ArrayDataset:
    generator = np.random.default_rng(seed)
    inputs = [generator.integers(1, 50, n) for n in generator.integers(1, 20, count)]
    return ArrayDataset(spec, inputs, [x[0] for x in inputs])


def module(**options) -> SequenceDataModule:
    return SequenceDataModule({"train": names(), "val": names(9, seed=1)}, batch_size=4, **options)


class Recorder(pl.LightningModule):
    """Learns nothing and remembers which batches it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.train_seen, self.val_seen = [], []

    def training_step(self, batch, index):
        self.train_seen.append(batch.inputs.tolist())
        return self.weight * 0

    def validation_step(self, batch, index):
        self.val_seen.append(batch.inputs.tolist())

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def trainer(folder, **options) -> pl.Trainer:
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}
    return pl.Trainer(default_root_dir=folder, **{**quiet, "enable_checkpointing": False, **options})


@pytest.fixture(scope="module")
def epochs():
    """The training batches of four epochs, as the loader itself gives them."""
    loader = module().train_dataloader()
    return [[batch.inputs.tolist() for batch in loader] for _ in range(4)]


def test_each_epoch_has_its_own_plan_and_validation_is_always_whole(tmp_path, epochs):
    assert epochs[0] != epochs[1] != epochs[2]
    recorder = Recorder()
    trainer(tmp_path, max_epochs=3).fit(recorder, datamodule=module())
    assert recorder.train_seen == [batch for epoch in epochs[:3] for batch in epoch]
    whole = [batch.inputs.tolist() for batch in module().val_dataloader()]
    assert recorder.val_seen == whole[:2] + whole * 3  # two for Lightning's sanity check


@pytest.mark.parametrize(
    ("step", "workers"), [*((step, 0) for step in range(1, 14)), pytest.param(8, 1, marks=pytest.mark.slow)]
)
def test_resumed_after_any_step_training_gets_the_remaining_batches(tmp_path, epochs, step, workers):
    save = ModelCheckpoint(tmp_path, filename="{step}", every_n_train_steps=1, save_top_k=-1)
    options = {"callbacks": [save], "enable_checkpointing": True}
    trainer(tmp_path, max_steps=step, **options).fit(Recorder(), datamodule=module())
    recorder = Recorder()
    path = str(tmp_path / f"step={step}.ckpt")
    trainer(tmp_path, max_epochs=3, **options).fit(recorder, datamodule=module(workers=workers), ckpt_path=path)
    assert recorder.train_seen == [batch for epoch in epochs[:3] for batch in epoch][step:]


@pytest.mark.parametrize("after", [1, 2])
def test_resumed_after_an_epoch_training_gets_the_next(tmp_path, epochs, after):
    save = ModelCheckpoint(tmp_path, filename="{epoch}", save_top_k=-1)
    options = {"callbacks": [save], "enable_checkpointing": True}
    trainer(tmp_path, max_epochs=3, **options).fit(Recorder(), datamodule=module())
    recorder = Recorder()
    path = str(tmp_path / f"epoch={after - 1}.ckpt")
    trainer(tmp_path, max_epochs=4, **options).fit(recorder, datamodule=module(), ckpt_path=path)
    assert recorder.train_seen == [batch for epoch in epochs[after:] for batch in epoch]


def test_epochs_that_are_cut_short_are_followed_by_the_next(tmp_path, epochs):
    recorder = Recorder()
    trainer(tmp_path, max_epochs=3, limit_train_batches=2).fit(recorder, datamodule=module())
    assert recorder.train_seen == [batch for epoch in epochs[:3] for batch in epoch[:2]]


@pytest.mark.filterwarnings("ignore:Total length of `list`")
def test_without_validation_data_training_runs(tmp_path):
    recorder = Recorder()
    trainer(tmp_path, max_epochs=1).fit(recorder, datamodule=SequenceDataModule({"train": names()}, batch_size=4))
    assert len(recorder.train_seen) == 6
    assert recorder.val_seen == []


def test_loaders_give_each_process_its_rows():
    data = module()
    whole = list(data.val_dataloader())
    data.trainer = type("Trainer", (), {"global_rank": 1, "world_size": 2})()
    for part, batch in zip(data.val_dataloader(), whole, strict=True):
        assert part.lengths.tolist() == batch.lengths[2:].tolist()


def test_the_fingerprint_follows_the_contents_alone():
    first = module().fingerprint
    assert first == module(workers=1, seed=5).fingerprint == SequenceDataModule(module().splits, 2).fingerprint
    changed = copy.deepcopy(module().splits)
    changed["val"].inputs[4][0] += 1
    other_spec = Spec("tokens", 50, "labels", 50, "sequence", target_names=("a", "b"))
    others = [
        changed,
        {"train": names()},
        {"train": names(21), "val": names(9, seed=1)},
        {"train": names(spec=other_spec), "val": names(9, 1, other_spec)},
    ]
    assert len({first, *(SequenceDataModule(splits, 4).fingerprint for splits in others)}) == 5


def test_the_fingerprint_follows_the_lengths_where_the_sample_does_not(monkeypatch):
    monkeypatch.setattr("seqmodels.data.batches.module._sample", lambda split: [])
    splits = [ArrayDataset(SPEC, [[1] * a, [1] * b], [0, 0]) for a, b in ((2, 4), (4, 2))]
    assert len({SequenceDataModule({"train": split}, 2).fingerprint for split in splits}) == 2


def test_the_fingerprint_reads_little():
    text = np.zeros(3_000_000, dtype=np.int64)
    data = ArrayDataset(Spec("tokens", 5, "tokens", 5, "step"), [text], [text], stream=True)
    read, steps = data.read, []
    data.read = lambda i, a, b: steps.append(b - a) or read(i, a, b)
    assert SequenceDataModule({"train": data}, batch_size=4, window=8).fingerprint
    assert sum(steps) < 20_000


@pytest.mark.parametrize(
    ("splits", "options", "message"),
    [
        ({}, {}, "splits must be 'train' and perhaps 'val' and 'test'; got none"),
        ({"train": names(), "valid": names()}, {}, "got train, valid"),
        (
            {"train": names(), "val": names(spec=Spec("tokens", 50, "labels", 40, "sequence"))},
            {},
            "'train' and 'val' must have one spec; they differ in target_size",
        ),
        ({"train": names()}, {"window": 5}, "set window=null"),
        ({"train": names()}, {"random_window": True}, "set training.random_window=false"),
        (
            {"train": ArrayDataset(Spec("tokens", 5, "tokens", 5, "step"), [[1, 2]] * 9, [[2, 3]] * 9)},
            {"window": 2, "random_window": True},
            "one long stream, such as a text; got window=2 and 9 sequences",
        ),
        (
            {"train": ArrayDataset(Spec("tokens", 5, "tokens", 5, "step"), [[1, 2]], [[2, 3]], stream=True)},
            {"window": 5},
            "the training data has 2 steps, fewer than the 4 rows of a batch",
        ),
    ],
)
def test_unfit_splits_are_refused(splits, options, message):
    with pytest.raises(ValueError, match=message):
        SequenceDataModule(splits, batch_size=4, **options)


def test_only_the_data_module_brings_lightning():
    parts = "seqmodels.data.batches.loader, seqmodels.data.sources.text"
    code = f"import sys, {parts}; sys.exit('pytorch_lightning' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
