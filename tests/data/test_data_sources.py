"""What every data source has, and how little one of the user's own needs."""

import inspect

import numpy as np
import pytest

from seqmodels import registry
from seqmodels.build import build_data, build_evaluation, build_source, open_data, suggestions
from seqmodels.data.dataset import ArrayDataset
from seqmodels.data.sources.base import DataSource
from seqmodels.spec import Spec

SPEC = Spec("tokens", 3, "labels", 2, "sequence")
CONFIG = {
    "data": {"name": "mine", "size": 6, "mark": 2},
    "training": {"batch_size": 2, "window": None, "random_window": False, "workers": 0},
    "seed": 0,
}


class Mine(DataSource):
    """Data of a user's own: the least there is to write, and an option of `open`."""

    def __init__(self, size: int = 4, mark: int = 1) -> None:
        self.size, self.mark = size, mark

    def splits(self):
        make = [np.array([i % 2, self.mark]) for i in range(self.size)]
        return {"train": ArrayDataset(SPEC, make, [i % 2 for i in range(self.size)])}

    @classmethod
    def open(cls, path, spec, targets=None, mark=1):
        return ArrayDataset(spec, [np.array([len(path), mark])], [int(bool(targets))])


@pytest.fixture
def mine(monkeypatch):
    registry.names("data")
    monkeypatch.setitem(registry._parts["data"], "mine", Mine)


@pytest.mark.parametrize("name", registry.names("data"))
def test_every_source_is_one(name):
    source = registry.find("data", name)
    assert issubclass(source, DataSource)
    assert list(inspect.signature(source.open).parameters)[:3] == ["path", "spec", "targets"]


def test_a_source_of_ones_own(mine):
    assert suggestions(build_source(CONFIG)) == {"task": "classification", "model/head": "many_to_one"}
    assert build_source(CONFIG).describe() == "6 train sequences"
    assert len(build_data(CONFIG).train_dataloader()) == 3
    opened = open_data(CONFIG, SPEC, "ab")
    assert opened.read(0, 0, 2)[0].tolist() == [2, 2]  # the option as the run had it
    scored = build_evaluation(CONFIG, SPEC, "ab")
    assert int(scored.splits["test"].read(0, 0, 2)[1]) == 1  # with targets
    assert len(scored.splits["train"]) == 6


def test_a_class_of_another_kind_is_refused(monkeypatch):
    registry.names("data")
    monkeypatch.setitem(registry._parts["data"], "mine", type("Other", (), {"__init__": lambda self: None}))
    with pytest.raises(ValueError, match="data=mine: Other must derive from"):
        build_source({"data": {"name": "mine"}})
