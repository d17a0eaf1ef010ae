"""Series of any size are read, split and scaled alike: arrays in memory or in files, whatever the blocks."""

import pickle
from functools import partial

import numpy as np
import pytest

from seqmodels.data.columns import grouped
from seqmodels.data.files import arrays
from seqmodels.data.files.arrays import Mapped
from seqmodels.data.numbers import fit_scale
from seqmodels.data.read.delimited import large
from seqmodels.data.series import forecasting
from seqmodels.data.sources.tables.table import CSVSource
from seqmodels.dataset import some_sequences
from seqmodels.tasks.baselines.reading import last_stretch
from tests.data.csv_examples import write


@pytest.fixture
def small_blocks(monkeypatch):
    """Makes blocks of so few rows that small files have many."""

    def make(rows: int) -> None:
        for module in (arrays, large):
            monkeypatch.setattr(module, "BLOCK", rows)
        monkeypatch.setattr(grouped, "AT_ONCE", 2)

    return make


def days(count: int, start: str = "2024-01-01") -> list[str]:
    return [str(np.datetime64(start) + i) for i in range(count)]


def one(count: int = 400, missing: int = 0) -> list[list]:
    rng = np.random.default_rng(3)
    rows = [[day, round(float(rng.normal()) + 5, 3), i % 7] for i, day in enumerate(days(count))]
    for i in rng.choice(np.arange(1, count - 1), missing, replace=False).tolist():
        rows[i][1 + i % 2] = ""
    return rows


def many(order: str = "time") -> list[list]:
    rng = np.random.default_rng(4)
    lengths = {"a": 150, "b": 90, "c": 201}
    rows = [[d, name, round(float(rng.normal()), 3), i % 5, {"a": "x", "b": "y", "c": "x"}[name]]
            for name, n in lengths.items() for i, d in enumerate(days(n))]  # fmt: skip
    if order == "time":
        rows.sort(key=lambda row: row[0])
    elif order == "mixed":
        rows = [rows[i] for i in rng.permutation(len(rows)).tolist()]
    return rows


def wide_panel() -> list[list]:
    """Forty series that lie mixed, some rows twice and some not there."""
    rng = np.random.default_rng(5)
    rows = [[d, f"s{n}", round(float(rng.normal()), 3), i % 5, "x"] for n in range(40) for i, d in enumerate(days(60))]
    rows = [row for row in rows if rng.random() > 0.1]
    rows += [[*rows[i][:2], 9.5, *rows[i][3:]] for i in rng.integers(0, len(rows), 100).tolist()]
    return [rows[i] for i in rng.permutation(len(rows)).tolist()]


ONE, MANY = "day,sales,price", "day,shop,sales,price,kind"
SHOPS = {"target": "sales", "series": "shop", "time": "day", "history": 9, "horizon": 3}
GAPS = [row for i, row in enumerate(one()) if i % 50 not in (7, 8, 31)]
FUTURE = [[d, s, "" if d > "2024-05-20" else v, p, k] for d, s, v, p, k in many() if s != "b"]
CASES = {
    "one": (one(), ONE, {"target": "sales"}),
    "no times": ([row[1:] for row in one()], "sales,price", {"target": "sales", "history": 5, "horizon": 2}),
    "backwards": (one()[::-1], ONE, {"target": "sales", "horizon": 4}),
    "interpolate": (one(missing=60), ONE, {"target": "sales", "missing": "interpolate", "horizon": 2}),
    "drop": (one(missing=60), ONE, {"target": "sales", "missing": "drop", "transform": "difference"}),
    "fill": (GAPS, ONE, {"target": "sales", "gaps": "fill", "missing": "interpolate"}),
    "split": (GAPS, ONE, {"target": "sales", "gaps": "split", "history": 6, "transform": "log_return"}),
    "steps": (GAPS, ONE, {"target": "sales", "gaps": "split", "target_per": "step", "horizon": 3}),
    "relative": (one(), ONE, {"target": "sales", "relative": True, "horizon": 5, "calendar": ["month", "day_of_week"]}),
    "fold": (one(), ONE, {"target": "sales", "fold": "2/3", "train_steps": 100}),
    "shops by time": (many(), MANY, {**SHOPS, "identity": True, "static_covariates": ["kind"]}),
    "shops one by one": (many("shop"), MANY, {**SHOPS, "relative": True, "future_covariates": ["price"]}),
    "shops mixed": (many("mixed"), MANY, {**SHOPS, "target_per": "step", "future_covariates": ["price"]}),
    "shops without times": ([row[1:] for row in many("shop")], MANY[4:], {**SHOPS, "time": None}),
    "future": (FUTURE, MANY, {**SHOPS, "future_covariates": ["price"]}),
    "repeated": (
        [row for row in one() for _ in range(1 + (row[2] == 3))],
        ONE,
        {"target": "sales", "duplicates": "last"},
    ),
    "panel": (wide_panel(), MANY, {**SHOPS, "duplicates": "last", "gaps": "split", "relative": True}),
    "panel filled": (wide_panel(), MANY, {**SHOPS, "duplicates": "first", "gaps": "fill", "missing": "interpolate"}),
}


def assert_same(found: dict, wanted: dict) -> None:
    assert list(found) == list(wanted)
    for name, own in found.items():
        other = wanted[name]
        assert own.lengths.tolist() == other.lengths.tolist()
        assert list(own.starts) == list(other.starts)
        assert (own.stream, own.known) == (other.stream, other.known)
        assert own.spec == other.spec
        for i, steps in enumerate(own.lengths.tolist()):
            for mine, whole in zip(own.read(i, 0, steps), other.read(i, 0, steps), strict=True):
                np.testing.assert_array_equal(mine, whole)


@pytest.mark.parametrize("case", CASES)
def test_series_in_files_are_those_in_memory(tmp_path, small_blocks, case):
    rows, header, options = CASES[case]
    path = write(tmp_path, rows, header)
    for count in (37, 150):
        small_blocks(count)
        whole = CSVSource(path, **options)
        wanted, said = whole.splits(), whole.describe()
        for _ in range(2):  # made, and from the cache
            source = CSVSource(path, **options, memory_limit=0, cache_dir=str(tmp_path / f"cache{count}"))
            found = source.splits()
            assert isinstance(found["train"].values, Mapped)
            assert_same(found, wanted)
            assert source.notes == whole.notes
            assert source.describe() == said
            assert source.suggest() == whole.suggest()


@pytest.mark.parametrize("case", CASES)
def test_the_blocks_do_not_matter(tmp_path, small_blocks, case):
    rows, header, options = CASES[case]
    path = write(tmp_path, rows, header)
    wanted = CSVSource(path, **options).splits()
    small_blocks(41)
    for name, own in CSVSource(path, **options).splits().items():
        other = wanted[name]
        assert list(own.starts) == list(other.starts)
        assert own.lengths.tolist() == other.lengths.tolist()
        np.testing.assert_allclose(own.values, other.values, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(own.spec.scale, other.spec.scale, rtol=1e-12)


@pytest.mark.parametrize("case", ["interpolate", "steps", "relative", "shops by time", "future", "panel filled"])
def test_new_files_in_files_are_those_in_memory(tmp_path, monkeypatch, small_blocks, case):
    rows, header, options = CASES[case]
    path = write(tmp_path, rows, header)
    spec = CSVSource(path, **options).splits()["train"].spec
    small_blocks(50)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    limited = partial(CSVSource.open, path, spec, memory_limit=0)
    for targets in (True, False):
        whole = CSVSource.open(path, spec, targets)
        for _ in range(2):
            own = limited(targets=targets)
            assert own.lengths.tolist() == whole.lengths.tolist()
            for i, steps in enumerate(own.lengths.tolist()):
                for mine, other in zip(own.read(i, 0, steps), whole.read(i, 0, steps), strict=True):
                    np.testing.assert_array_equal(mine, other)
    own, ahead = CSVSource.ahead(path, spec, memory_limit=0), CSVSource.ahead(path, spec)
    assert own.names == ahead.names
    assert [own.times(i, 3) for i in range(len(own.names))] == [ahead.times(i, 3) for i in range(len(own.names))]


def test_a_copy_in_another_process_reads_alike_and_carries_no_rows(tmp_path, small_blocks):
    path = write(tmp_path, one(2000), ONE)
    small_blocks(300)
    train = CSVSource(path, target="sales", memory_limit=0, cache_dir=str(tmp_path / "cache")).splits()["train"]
    packed = pickle.dumps(train)
    assert len(packed) < 20_000
    for mine, other in zip(pickle.loads(packed).read(5, 0, 24), train.read(5, 0, 24), strict=True):
        np.testing.assert_array_equal(mine, other)


def test_too_many_windows_are_thinned_evenly_and_it_says_so(tmp_path, monkeypatch):
    path = write(tmp_path, one(1000), ONE)
    monkeypatch.setattr(forecasting, "MOST_WINDOWS", 100)
    source = CSVSource(path, target="sales")
    train = source.splits()["train"]
    assert np.unique(np.diff(list(train.starts))).tolist() == [8]
    assert 50 < len(train) <= 100
    values = last_stretch(train, 60)[:, 0]
    np.testing.assert_array_equal(values[-60:], train.values[0:1000][: train.starts[-1] + 24, 0][-60:])
    assert any("train: 776 windows, of which one in 8 is read" in note for note in source.notes)


def test_some_of_many_windows_are_evenly_spread(tmp_path):
    train = CSVSource(write(tmp_path, one(), ONE), target="sales").splits()["train"]
    some = some_sequences(train, 50)
    assert len(some.lengths) == 50
    assert np.ptp(np.diff(some.indices)) <= 1
    np.testing.assert_array_equal(some.read(49, 0, 24)[0], train.read(len(train) - 1, 0, 24)[0])


MISTAKES = {
    "blank": (one(missing=1), {"target": "sales"}, "got ''"),
    "text": ([*one(), ["2030-01-01", "many", 1]], {"target": "sales"}, "got 'many'"),
    "time": ([*one(), ["soon", 1, 1]], {"target": "sales", "time": "day"}, r"line 402.*got 'soon'"),
    "twice": ([*one(), ["2024-01-03", 1, 1]], {"target": "sales"}, r"line 402.*'2024-01-03' is also on line 4"),
    "gap": (GAPS, {"target": "sales", "gaps": "error"}, "line 9: expected the time 2024-01-08"),
    "constant": ([[row[0], 4.1, row[2]] for row in one()], {"target": "sales"}, "got 4.1 everywhere in the training"),
    "short": (one(), {"target": "sales", "history": 399}, "too few for 399 steps"),
}


@pytest.mark.parametrize("memory_limit", [0, arrays.MEMORY_LIMIT])
@pytest.mark.parametrize("case", MISTAKES)
def test_mistakes_name_the_row(tmp_path, small_blocks, case, memory_limit):
    rows, options, words = MISTAKES[case]
    path = write(tmp_path, rows, ONE)
    small_blocks(70)
    with pytest.raises(ValueError, match=words):
        CSVSource(path, **options, memory_limit=memory_limit, cache_dir=str(tmp_path / "cache")).splits()
    assert not list((tmp_path / "cache").glob(".*.tmp"))


@pytest.mark.parametrize("block", [1, 60, 1000])
def test_a_scale_does_not_depend_on_blocks_and_a_large_level_leaves_the_spread(monkeypatch, block):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(500, 5)) * [1, 1e4, 1e-3, 0, 3] + [0, 7, 1e3, 5, 123456789]
    rows[rng.random(rows.shape) < 0.1] = np.nan
    keep = rng.random(500) < 0.5
    monkeypatch.setattr(arrays, "BLOCK", block)
    shift, scale = fit_scale(rows, keep)
    np.testing.assert_allclose(shift, np.nanmean(rows[keep], axis=0), rtol=1e-12)
    spread = np.nanstd(rows[keep], axis=0)
    np.testing.assert_allclose(scale, np.where(spread > 0, spread, 1.0), rtol=1e-9)
    assert (shift, scale) == fit_scale(rows[keep]) or block != 1000
