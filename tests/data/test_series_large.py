"""Series read in pieces: the same windows as read at once, whatever the pieces, and within memory."""

import pickle
import subprocess
import sys

import numpy as np
import pytest

from seqmodels.data.numbers import fit_scale
from seqmodels.data.read import chunks as table_chunks
from seqmodels.data.series import files as series_files
from seqmodels.data.series import gather as series_gather
from seqmodels.data.series import store as series_store
from seqmodels.data.series import sums as series_sums
from seqmodels.data.series.sums import Moments
from seqmodels.data.sources.table import CSVSource
from seqmodels.tasks.baselines.reading import Subset, last_stretch
from tests.data.csv_examples import write


@pytest.fixture
def pieces(monkeypatch, tmp_path):
    """Makes every file large, read in pieces of so many bytes and handled so many rows at a time."""

    def make(size: int, rows: int) -> dict:
        monkeypatch.setattr(table_chunks, "LARGE", 1000)
        monkeypatch.setattr(table_chunks, "PIECE", size)
        for module in (series_store, series_gather, series_sums):
            monkeypatch.setattr(module, "ROWS", rows)
        return {"cache_dir": str(tmp_path / f"cache{size}-{rows}")}

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


ONE, MANY = "day,sales,price", "day,shop,sales,price,kind"
SHOPS = {"target": "sales", "series": "shop", "time": "day", "history": 9, "horizon": 3}
GAPS = [row for i, row in enumerate(one()) if i % 50 not in (7, 8, 31)]
TWICE = [row for row in one() for _ in range(1 + (row[2] == 3))]
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
    "shops by time": (many(), MANY, {**SHOPS, "identity": True, "static": ["kind"]}),
    "shops one by one": (many("shop"), MANY, {**SHOPS, "relative": True, "known": ["price"]}),
    "shops mixed": (many("mixed"), MANY, {**SHOPS, "target_per": "step", "known": ["price"]}),
    "shops without times": ([row[1:] for row in many("shop")], MANY[4:], {**SHOPS, "time": None}),
    "future": (FUTURE, MANY, {**SHOPS, "known": ["price"]}),
    "repeated": (
        [row for row in one() for _ in range(1 + (row[2] == 3))],
        ONE,
        {"target": "sales", "duplicates": "last"},
    ),
}


def assert_same(found: dict, wanted: dict) -> None:
    assert list(found) == list(wanted)
    for name, own in found.items():
        other = wanted[name]
        assert own.lengths.tolist() == other.lengths.tolist()
        assert own.starts.tolist() == other.starts.tolist()
        assert own.stream == other.stream
        for i, steps in enumerate(own.lengths.tolist()):
            for mine, whole in zip(own.read(i, 0, steps), other.read(i, 0, steps), strict=True):
                np.testing.assert_allclose(mine, whole, rtol=1e-5, atol=1e-6)
        plain, expected = own.spec.to_plain(), other.spec.to_plain()
        for key in ("shift", "scale", "input_shift", "input_scale"):
            np.testing.assert_allclose(plain.pop(key), expected.pop(key), rtol=1e-9, atol=1e-12)
        change = [one["options"]["context"].pop("change") for one in (plain, expected)]
        assert change[0] == (change[1] if change[1] is None else pytest.approx(change[1]))
        assert plain == expected


@pytest.mark.parametrize("case", CASES)
def test_series_in_pieces_are_those_read_at_once(tmp_path, pieces, case):
    rows, header, options = CASES[case]
    path = write(tmp_path, rows, header)
    whole = CSVSource(path, **options)
    wanted, said = whole.splits(), whole.describe()
    for size, count in ((700, 37), (10**6, 150)):
        source = CSVSource(path, **options, **pieces(size, count))
        assert_same(source.splits(), wanted)
        assert "read in pieces, for its size" in source.describe()
        assert source.describe().split("; ")[0] == said.split("; ")[0]
        assert source.suggest()["head"] == whole.suggest()["head"]


@pytest.mark.parametrize("case", ["interpolate", "steps", "relative", "shops by time", "future"])
def test_new_files_in_pieces_are_those_read_at_once(tmp_path, monkeypatch, pieces, case):
    rows, header, options = CASES[case]
    path = write(tmp_path, rows, header)
    spec = CSVSource(path, **options).splits()["train"].spec
    wanted = [CSVSource.open(path, spec, targets) for targets in (True, False)]
    ahead = CSVSource.ahead(path, spec)
    cache = pieces(900, 50)["cache_dir"]
    monkeypatch.setenv("XDG_CACHE_HOME", cache)
    for targets, whole in zip((True, False), wanted, strict=True):
        own = CSVSource.open(path, spec, targets, cache_dir=cache)
        assert own.lengths.tolist() == whole.lengths.tolist()
        for i, steps in enumerate(own.lengths.tolist()):
            for mine, other in zip(own.read(i, 0, steps), whole.read(i, 0, steps), strict=True):
                np.testing.assert_allclose(mine, other, rtol=1e-5, atol=1e-6)
    own = CSVSource.ahead(path, spec)
    assert own.names == ahead.names
    assert [own.times(i, 3) for i in range(len(own.names))] == [ahead.times(i, 3) for i in range(len(own.names))]


def test_a_copy_in_another_process_reads_alike_and_carries_no_rows(tmp_path, pieces):
    path = write(tmp_path, one(2000), ONE)
    train = CSVSource(path, target="sales", **pieces(5000, 300)).splits()["train"]
    packed = pickle.dumps(train)
    assert len(packed) < 60_000
    for mine, other in zip(pickle.loads(packed).read(5, 0, 24), train.read(5, 0, 24), strict=True):
        np.testing.assert_array_equal(mine, other)


def test_too_many_windows_are_thinned_evenly_and_it_says_so(tmp_path, monkeypatch, pieces):
    path = write(tmp_path, one(1000), ONE)
    monkeypatch.setattr(series_files, "MOST_WINDOWS", 100)
    source = CSVSource(path, target="sales", **pieces(3000, 70))
    train = source.splits()["train"]
    assert np.unique(np.diff(train.starts)).tolist() == [8]
    assert 50 < len(train) <= 100
    values = last_stretch(train, 60)[:, 0]
    np.testing.assert_array_equal(values[-60:], train.values[0:1000][: train.starts[-1] + 24, 0][-60:])
    assert any("train: 776 windows, of which each 8th is read" in note for note in source.notes)


def test_some_of_many_windows_are_evenly_spread(tmp_path):
    train = CSVSource(write(tmp_path, one(), ONE), target="sales").splits()["train"]
    some = Subset(train, 50)
    assert len(some.lengths) == 50
    assert np.ptp(np.diff(some.indices)) <= 1
    np.testing.assert_array_equal(some.read(49, 0, 24)[0], train.read(len(train) - 1, 0, 24)[0])


MISTAKES = {
    "blank": (one(missing=1), {"target": "sales"}, "got ''"),
    "text": ([*one(), ["2030-01-01", "many", 1]], {"target": "sales"}, "got 'many'"),
    "time": ([*one(), ["soon", 1, 1]], {"target": "sales", "time": "day"}, r"row 401.*got 'soon'"),
    "twice": ([*one(), ["2024-01-03", 1, 1]], {"target": "sales"}, r"row 401.*'2024-01-03' is also on row 3"),
    "gap": (GAPS, {"target": "sales", "gaps": "error"}, "line 9: expected the time 2024-01-08"),
    "constant": ([[row[0], 4.1, row[2]] for row in one()], {"target": "sales"}, "got 4.1 everywhere in the training"),
    "short": (one(), {"target": "sales", "history": 399}, "too few for 399 steps"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_mistakes_in_pieces_name_the_row(tmp_path, pieces, case):
    rows, options, words = MISTAKES[case]
    path = write(tmp_path, rows, ONE)
    with pytest.raises(ValueError, match=words):
        CSVSource(path, **options, **pieces(3000, 70)).splits()
    assert not list((tmp_path / "cache3000-70").glob("*.*"))


def test_moments_in_pieces_are_those_of_all():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(500, 4)) * [1, 1e4, 1e-3, 0] + [0, 7, 1e3, 5]
    rows[rng.random(rows.shape) < 0.1] = np.nan
    moments = Moments(4)
    for part in np.split(rows, [1, 60, 61, 300]):
        moments.add(part)
    np.testing.assert_allclose(moments.scale(), fit_scale(rows), rtol=1e-9)


PEAK = """
import sys, resource, re
from seqmodels.data.series import store as series_store
from seqmodels.data.series import gather as series_gather
from seqmodels.data.series import settle as series_settle
from seqmodels.data.series import sums as series_sums
from seqmodels.data.read import chunks as table_chunks
from seqmodels.data.series import files as series_files
from seqmodels.data.sources.table import CSVSource
for module in (series_store, series_gather, series_settle, series_sums):
    module.ROWS = 1 << 13
table_chunks.LARGE, table_chunks.PIECE, series_files.MOST_WINDOWS = 100_000, 300_000, 1 << 13
options = dict(target="sales", series="shop", time="day", cache_dir=sys.argv[2]) if len(sys.argv) > 3 else dict(
    target="sales", cache_dir=sys.argv[2])
splits = CSVSource(sys.argv[1], **options).splits()
splits["train"].read(0, 0, 24)
print(int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("layout", ["one", "many"])
def test_memory_does_not_grow_with_the_file(tmp_path, layout):
    peaks = []
    for count in (150_000, 600_000):
        path = tmp_path / f"{count}.csv"
        minutes = np.datetime_as_string(np.datetime64("2000-01-01T00:00") + np.arange(count))
        if layout == "one":
            lines = ("day,sales", *(f"{t},{i % 97}.5" for i, t in enumerate(minutes)))
        else:
            lines = ("day,shop,sales", *(f"{minutes[i // 50]},s{i % 50},{i % 97}.5" for i in range(count)))
        path.write_text("\n".join(lines))
        args = [sys.executable, "-c", PEAK, str(path), str(tmp_path / "cache"), *(["many"] * (layout == "many"))]
        peaks.append(float(subprocess.run(args, capture_output=True, text=True, check=True).stdout))
    # Rows held in memory would take 16 bytes each at the least, as text ten times as much.
    assert peaks[1] - peaks[0] < 20
