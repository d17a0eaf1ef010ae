"""One option, one place: what the source tells of a part is what the class does."""

import sys
import time
import types
import warnings

import pytest
import yaml

from seqmodels import parts, registry
from seqmodels.cells import GRUCell, LSTMCell
from seqmodels.parts import KINDS, MISSING, Part, read_class, shipped
from seqmodels.parts.source import Source, source_of
from seqmodels.registry import find, make
from tests.cli.command import Result, said

PARTS = [part for kind in KINDS for part in shipped(kind).values()]
PLUGIN = '''
"""A data source of a user's own."""
from typing import Annotated, Literal

import numpy as np

from seqmodels.spec import Spec
from seqmodels.data.dataset import ArrayDataset
from seqmodels.data.sources.base import DataSource
from seqmodels.kinds import whole
from seqmodels.registry import register


@register("data", "waves")
class Waves(DataSource):
    """Waves that are made up.

    Args:
        shape: how they go up and down.
        count: how many there are.
        sizes: anything.
    """

    renamed = {"form": "shape"}

    def __init__(
        self, shape: Literal["sine", "saw"] = "sine", count: Annotated[int, whole(1, 99)] = 8, sizes: list = (1, 2)
    ) -> None:
        self.count = count

    def splits(self):
        spec = Spec("features", 1, "labels", 2, "sequence")
        return {"train": ArrayDataset(spec, [np.zeros((2, 1))] * self.count, [0, 1] * (self.count // 2))}

    @classmethod
    def open(cls, path, spec, targets=None):
        raise ValueError("there are no files of this kind")
'''


@pytest.fixture
def waves(tmp_path, monkeypatch):
    """The user's module, in the working folder; nothing else tells of it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_waves.py").write_text(PLUGIN)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    yield
    registry._parts["data"].pop("waves", None)
    sys.modules.pop("my_waves", None)


@pytest.fixture
def seqmodels(capsys):
    from seqmodels.cli.main import main

    return lambda *words: Result(main(list(words)), *capsys.readouterr())


def told(part: Part) -> tuple:
    options = {o.name: (o.default, o.rule and o.rule.words, o.strict) for o in part.options.values()}
    return part.module, part.cls, part.summary, options


@pytest.mark.parametrize("part", PARTS, ids=lambda part: f"{part.kind}-{part.name}")
def test_the_source_tells_what_the_class_is(part):
    read = read_class(part.kind, part.name, find(part.kind, part.name))
    assert told(part) == told(read)
    for name in ("target_shape", "target_shapes", "unaligned", "drawing", "state_type", "keep_gate", "write_gate"):
        assert part.attributes.get(name) == read.attributes.get(name), name


@pytest.mark.parametrize("part", PARTS, ids=lambda part: f"{part.kind}-{part.name}")
def test_every_option_has_a_meaning_and_a_rule_that_its_default_keeps(part):
    for option in part.options.values():
        assert option.meaning, option.name
        if option.name != "cell":
            assert option.default == MISSING or option.rule.holds(option.default), option.name


def test_there_are_many():
    assert len(PARTS) >= 50
    assert sum(len(part.options) for part in PARTS) >= 300


def test_the_scan_takes_no_time():
    least = float("inf")
    for _ in range(3):
        shipped.cache_clear()
        source_of.cache_clear()
        begun = time.process_time()
        for kind in KINDS:
            shipped(kind)
        least = min(least, time.process_time() - begun)
    assert least < 0.2


def test_an_outline_of_a_module_is_as_good_as_the_module(tmp_path):
    file = tmp_path / "odd.py"
    file.write_text('def late():\n    return """\n) what looks like code (\n"""\n\n\nclass A:\n    x = 3\n')
    assert dict(Source(file)["A"].own_attributes()) == {"x": 3}


def test_constructors_check_by_their_annotations():
    with pytest.raises(ValueError, match=r"^init must be one of uniform, orthogonal, chrono, identity, got 'xavier'$"):
        LSTMCell(3, 5, init="xavier")
    with pytest.raises(ValueError, match=r"^heads must be a whole number of at least 1, got 0$"):
        GRUCell(3, 5, "after", True, "uniform", None, None, 0)
    with pytest.raises(ValueError, match=r"^data\.gaps must be one of allow, error, fill, split, got 'skip'$"):
        make("data", "csv", path="x.csv", target="y", gaps="skip")


def test_an_option_is_one_line_of_a_signature(waves, seqmodels):
    """The user's module is the only file there is: show, check and constructor know its options."""
    named = ("data=waves", "plugins=[my_waves]")
    shown = seqmodels("show", *named, "data.count=4")
    assert shown.code == 0, shown.err
    assert "  shape: sine  # how they go up and down [one of sine, saw]\n" in shown.out
    assert "  count: 4  # how many there are [a whole number of at least 1 and at most 99]\n" in shown.out
    assert yaml.safe_load(shown.out)["data"] == {"name": "waves", "shape": "sine", "count": 4, "sizes": [1, 2]}
    problem = "data.count: must be a whole number of at least 1 and at most 99, got 0"
    assert seqmodels("show", *named, "data.count=0")[::2] == (2, said("show", problem))
    problem = "data.shpe: there is no such setting; did you mean data.shape?"
    assert seqmodels("show", *named, "data.shpe=saw")[::2] == (2, said("show", problem))
    with pytest.raises(ValueError, match=r"^data\.shape must be one of sine, saw, got 'square'$"):
        find("data", "waves")("square")


def test_a_former_name_works_and_is_told_once(waves, seqmodels, monkeypatch):
    monkeypatch.setattr(parts, "_told", set())
    shown = seqmodels("show", "data=waves", "plugins=[my_waves]", "data.form=saw")
    assert shown.code == 0, shown.err
    assert "# data.form is called data.shape now\n" in shown.out
    assert yaml.safe_load(shown.out)["data"]["shape"] == "saw"
    with pytest.warns(FutureWarning, match="'form' of my_waves.Waves is called 'shape' now"):
        make("data", "waves", form="saw")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make("data", "waves", form="saw")


def test_a_name_of_ours_cannot_be_taken():
    module = types.ModuleType("somebody")
    cls = type("Mine", (LSTMCell,), {"__module__": module.__name__})
    with pytest.raises(ValueError, match=r"the cell name 'mgu' is already taken by seqmodels.cells.gated.mgu.MGUCell"):
        registry.register("cell", "mgu")(cls)


@pytest.mark.parametrize(
    ("name", "given", "present", "kept"),
    [
        ("csv", {"path": "a.csv", "target": "y", "known": ["price"]}, "future_covariates", "series"),
        ("csv", {"path": "a.csv", "target": "y", "static": ["town"]}, "static_covariates", "series"),
        ("anomaly", {"path": "a.csv", "target": "y", "planted": 3}, "injected", "injected"),
        ("arrays", {"path": "a.npz", "turn": 10.0}, "rotate", "variation"),
        ("arrays", {"path": "a.npz", "slant": 0.1}, "shear", "variation"),
    ],
)
def test_former_names_of_the_data_sources_options_still_work(name, given, present, kept):
    former = list(given)[-1]
    parts._told.clear()
    with pytest.warns(FutureWarning, match=f"'{former}' of .* is called '{present}' now"):
        made = make("data", name, **given)
    given[present] = given.pop(former)
    assert getattr(made, kept) == getattr(make("data", name, **given), kept)
