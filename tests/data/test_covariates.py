"""What is known ahead, static columns, names and the calendar; streams; changes; folds. No input knows its target."""

import numpy as np
import pytest

from seqmodels.data.read.open import read_table
from seqmodels.data.series.covariates import Context
from seqmodels.data.series.rows import SeriesRows
from seqmodels.data.series.splits import split_rows
from seqmodels.data.sources.tables.table import CSVSource

DAYS, SHOPS = 90, ("north", "south", "west")


def write(tmp_path, seed: int = 0, future: int = 0, name: str = "shops.csv", **poison) -> str:
    """Shops with sales, weather, a promotion known ahead, a size and a town; `poison` changes rows from a day on."""
    random = np.random.default_rng(seed)
    lines = ["day,shop,size,town,sold,rain,promo"]
    for s, shop in enumerate(SHOPS):
        sold, rain, promo = random.normal(50, 5, DAYS), random.normal(0, 1, DAYS), random.integers(0, 2, DAYS)
        for column, values in (("sold", sold), ("rain", rain), ("promo", promo)):
            if column in poison:
                values[poison[column] :] += 100 + np.arange(DAYS - poison[column]) % 7
        for t in range(DAYS):
            blank = t >= DAYS - future
            cells = [np.datetime64("2024-01-01") + t, shop, s * 10, "ab"[s % 2]]
            cells += ["" if blank else f"{sold[t]:.4f}", "" if blank else f"{rain[t]:.4f}", promo[t]]
            lines.append(",".join(map(str, cells)))
    (tmp_path / name).write_text("\n".join(lines) + "\n")
    return str(tmp_path / name)


def source(path: str, **options) -> CSVSource:
    usual = {
        "time": "day",
        "series": "shop",
        "features": ["rain"],
        "future_covariates": ["promo"],
        "history": 5,
        "horizon": 3,
    }
    return CSVSource(path, "sold", **{**usual, **options})


def contents(dataset) -> list[tuple[np.ndarray, np.ndarray]]:
    return [dataset.read(i, 0, int(n)) for i, n in enumerate(dataset.lengths)]


def unscaled(dataset, inputs: np.ndarray, name: str) -> np.ndarray:
    spec = dataset.spec
    place = spec.input_names.index(name)
    return inputs[:, place] * spec.input_scale[place] + spec.input_shift[place]


@pytest.mark.parametrize("target_per", ["sequence", "step"])
def test_what_is_known_ahead_is_that_of_the_steps_ahead(tmp_path, target_per):
    made = source(write(tmp_path), target_per=target_per)
    promo = read_table(made.path).numbers("promo").reshape(3, DAYS)
    sold = read_table(made.path).numbers("sold").reshape(3, DAYS)
    for dataset in made.splits().values():
        for (inputs, _), first in zip(contents(dataset), list(dataset.starts), strict=True):
            shop, day = divmod(first, DAYS)
            steps = day + np.arange(len(inputs))
            np.testing.assert_allclose(unscaled(dataset, inputs, "sold"), sold[shop, steps], rtol=1e-4)
            np.testing.assert_allclose(unscaled(dataset, inputs, "promo"), promo[shop, steps], atol=1e-5)
            for ahead in (1, 2, 3):
                got = unscaled(dataset, inputs, f"promo +{ahead}")
                np.testing.assert_allclose(got, promo[shop, steps + ahead], atol=1e-5)


@pytest.mark.parametrize("target_per", ["sequence", "step"])
@pytest.mark.parametrize("relative", [False, True])
@pytest.mark.parametrize("column", ["sold", "rain"])
def test_no_input_knows_what_comes_after_its_origin(tmp_path, column, relative, target_per):
    """Poison: target or weather changed from a day on; no input of a forecast made before that day changes."""
    day = 84  # in the test part, so that scales stay what they are
    options = {
        "target_per": target_per,
        "relative": relative,
        "calendar": ["day_of_week"],
        "static_covariates": ["size", "town"],
    }
    clean, bad = (
        source(write(tmp_path, name=f"{i}.csv", **poison), **options).splits()["test"]
        for i, poison in enumerate(({}, {column: day}))
    )
    assert clean.spec == bad.spec
    changed = 0
    for i, (first, length) in enumerate(zip(list(clean.starts), clean.lengths.tolist(), strict=True)):
        before = max(0, min(length, day - first % DAYS))
        one, two = clean.read(i, 0, length), bad.read(i, 0, length)
        assert (one[0][:before] == two[0][:before]).all()
        changed += int((one[0] != two[0]).sum() + (one[1] != two[1]).sum())
    assert changed > 0


def test_what_is_known_ahead_may_be_seen_ahead(tmp_path):
    clean, bad = (
        source(write(tmp_path, name=f"{i}.csv", **poison)).splits()["test"]
        for i, poison in enumerate(({}, {"promo": 84}))
    )
    day = 84 - 5  # of a window whose last step is the day before the change
    window = list(clean.starts).index(day)
    one, two = clean.read(window, 0, 5)[0], bad.read(window, 0, 5)[0]
    names = np.array(clean.spec.input_names)
    assert set(names[(one != two).any(0)]) == {"promo +1", "promo +2", "promo +3"}


def test_scales_names_and_categories_are_the_training_parts(tmp_path):
    options = {"static_covariates": ["size", "town"], "identity": True, "val_fraction": 0.2, "test_fraction": 0.2}
    clean, bad = (
        source(write(tmp_path, name=f"{i}.csv", **poison), **options).splits()["train"]
        for i, poison in enumerate(({}, {"sold": 60, "rain": 60, "promo": 60}))
    )
    assert clean.spec == bad.spec
    assert clean.spec.input_names[3:] == (
        "size",
        "town=a",
        "town=b",
        "series=north",
        "series=south",
        "series=west",
        "promo +1",
        "promo +2",
        "promo +3",
    )
    inputs, _ = clean.read(len(clean) - 1, 0, 5)
    assert inputs[:, 4:9].tolist() == [[1, 0, 0, 0, 1]] * 5


def test_the_calendar_comes_round():
    times = (np.datetime64("2024-01-01") + np.arange(0, 21)).astype("datetime64[ns]").astype(np.int64)
    rows = SeriesRows(np.zeros((21, 1)), np.zeros(21, int), times, ("",), dated=True)
    waves = Context(calendar=("day_of_week", "hour")).columns(rows, strict=True)(slice(0, 21))
    np.testing.assert_allclose(waves[:7], waves[7:14], atol=1e-9)
    np.testing.assert_allclose(waves[0], [0, 1, 0, 1], atol=1e-9)  # a Monday, at midnight
    berlin = Context(calendar=("hour",), timezone="Europe/Berlin").columns(rows, strict=True)(slice(0, 1))
    np.testing.assert_allclose(berlin[0], [np.sin(np.pi / 12), np.cos(np.pi / 12)], atol=1e-9)
    plain = SeriesRows(np.zeros((3, 1)), np.zeros(3, int), np.arange(3), ("",))
    with pytest.raises(ValueError, match=r"data\.calendar=hour needs dates.*plain numbers"):
        Context(calendar=("hour",)).columns(plain, strict=True)(slice(0, 3))


def test_changes_are_from_the_last_value(tmp_path):
    path = write(tmp_path)
    levels, changes = (source(path, relative=relative).splits() for relative in (False, True))
    for name, dataset in changes.items():
        spec = dataset.spec
        for (inputs, change), (_, level) in zip(contents(dataset), contents(levels[name]), strict=True):
            last = unscaled(dataset, inputs, "sold")[-1]
            of_level = level * np.array(levels[name].spec.scale) + np.array(levels[name].spec.shift)
            np.testing.assert_allclose(change * np.array(spec.scale) + np.array(spec.shift) + last, of_level, rtol=1e-4)
    train = np.stack([targets for _, targets in contents(changes["train"])])
    np.testing.assert_allclose(train.std(0), 1, atol=0.1)


def test_streams_hold_every_target_once_and_never_a_missing_one(tmp_path):
    lines = (tmp_path / "shops.csv", write(tmp_path))[0].read_text().splitlines()
    holes = (20, 21, 50)
    for row in holes:
        cells = lines[row].split(",")
        lines[row] = ",".join([*cells[:4], "", *cells[5:]])
    (tmp_path / "holes.csv").write_text("\n".join(lines) + "\n")
    made = source(str(tmp_path / "holes.csv"), target_per="step", missing="interpolate", horizon=1)
    splits = made.splits()
    assert splits["train"].stream
    assert not splits["test"].stream
    rows = np.concatenate(
        [np.arange(a, a + n) for d in splits.values() for a, n in zip(d.starts, d.lengths, strict=True)]
    )
    targets = rows + 1
    assert len(set(targets.tolist())) == len(targets)
    missing = {row - 1 for row in holes}
    assert not missing & set(targets.tolist())
    assert not missing & set(rows.tolist())  # nor is a step scored whose own value was drawn between its neighbours
    assert set(range(3 * DAYS)) - set(targets.tolist()) == missing | {row + 1 for row in missing} - missing | {
        0,
        DAYS,
        2 * DAYS,
    }


@pytest.mark.parametrize("gaps", ["fill", "split"])
@pytest.mark.parametrize("target_per", ["sequence", "step"])
def test_no_window_reaches_over_a_gap(tmp_path, gaps, target_per):
    lines = (tmp_path / "shops.csv", write(tmp_path))[0].read_text().splitlines()
    del lines[40:45]
    (tmp_path / "gap.csv").write_text("\n".join(lines) + "\n")
    made = source(str(tmp_path / "gap.csv"), gaps=gaps, future_covariates=[], target_per=target_per)
    table = made.series_table()
    for dataset in made.splits().values():
        for first, length in zip(list(dataset.starts), dataset.lengths.tolist(), strict=True):
            steps = np.arange(first, first + length + 3)
            assert (np.diff(table.rows.times[steps]) == 86_400_000_000_000).all()
            assert np.isfinite(table.rows.values[steps[length:], 0]).all()


def test_folds_walk_forward_over_the_test_part(tmp_path):
    path = write(tmp_path)
    whole = source(path, test_fraction=0.4).series_table()
    tested = []
    for k in range(1, 5):
        masks = source(path, test_fraction=0.4, fold=f"{k}/4").series_table().masks
        rows = whole.rows
        assert rows.times[masks["train"]].max() < rows.times[masks["val"]].min()
        assert rows.times[masks["val"]].max() < rows.times[masks["test"]].min()
        tested.append(masks["test"])
        sliding = source(path, test_fraction=0.4, fold=f"{k}/4", train_steps=20).series_table().masks
        assert int(sliding["train"].sum()) == 20 * 3
        assert rows.times[sliding["train"]].max() == rows.times[masks["train"]].max()
    assert (np.sum(tested, axis=0) == whole.masks["test"]).all()


def test_without_times_each_series_is_cut_for_itself():
    rows = SeriesRows(np.zeros((60, 1)), np.repeat([0, 1], [40, 20]), None, ("a", "b"))
    masks = split_rows(rows, 0.1, 0.2, fold=(2, 2), train_steps=10)
    assert [int(masks[name].sum()) for name in ("train", "val", "test")] == [20, 4 + 2, 4 + 2]


def test_a_new_file_carries_what_is_known_in_rows_without_targets(tmp_path):
    train = source(write(tmp_path), static_covariates=["town"]).splits()["train"]
    new = write(tmp_path, seed=1, future=4, name="new.csv")
    ahead = CSVSource.ahead(new, train.spec)
    windows = ahead.windows()
    promo = read_table(new).numbers("promo").reshape(3, DAYS)
    assert [origin["series"] for origin in windows.origins] == list(SHOPS)
    for shop in range(3):
        inputs, _ = windows.read(shop, 0, 5)
        for k in (1, 2, 3):
            assert unscaled(train, inputs, f"promo +{k}")[-1] == pytest.approx(promo[shop, DAYS - 4 - 1 + k], abs=1e-5)
        assert ahead.times(shop, 3) == ["2024-03-27", "2024-03-28", "2024-03-29"]
    with pytest.raises(ValueError, match=r"needs what is known of them \(promo\): expected 3 rows .*'north', got 2"):
        CSVSource.ahead(write(tmp_path, future=2, name="short.csv"), train.spec).windows()
    with pytest.raises(ValueError, match=r"reads rain too, which it does not forecast: ask for at most 3 steps"):
        ahead.extended([[1.0] * 3] * 3)


MISTAKES = {
    "an unknown name": (
        lambda text: text.replace(",a,", ",c,"),
        {"static_covariates": ["town"]},
        r"town 'c' of series 'north' was not there in training, which knew a, b",
    ),
    "an unknown series": (
        lambda text: text.replace("west", "east"),
        {"identity": True},
        r"series 'east' was not there in training, which knew north, south, west.*data\.identity=false",
    ),
    "a static column that changes": (
        lambda text: text.replace("2024-01-09,north,0,", "2024-01-09,north,7,"),
        {"static_covariates": ["size"]},
        r"new\.csv, line 10, column 'size': a column of data\.static_covariates has one value per series, but "
        "'north' has '7'",
    ),
    "a blank promotion": (
        lambda text: text.replace("\n2024-01-09,north", "\n2024-01-09,north").replace(",1\n", ",\n", 1),
        {},
        r"column 'promo': expected a number, got ''",
    ),
    "no promotion": (
        lambda text: text.replace("promo", "offer"),
        {},
        r"data\.future_covariates: .*has no column 'promo'",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_in_a_new_file_are_told(tmp_path, name):
    change, options, words = MISTAKES[name]
    train = source(write(tmp_path), **options).splits()["train"]
    text = (tmp_path / "new.csv", write(tmp_path, future=3, name="new.csv"))[0].read_text()
    (tmp_path / "new.csv").write_text(change(text))
    with pytest.raises(ValueError, match=words):
        CSVSource.ahead(str(tmp_path / "new.csv"), train.spec).windows()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"future_covariates": ["rain"]},
            r"data\.future_covariates names the column 'rain', which has another meaning",
        ),
        (
            {"future_covariates": ["promo"], "static_covariates": ["promo"]},
            r"data\.static_covariates names the column 'promo', which has another meaning",
        ),
        ({"future_covariates": ["prom"]}, r"data\.future_covariates: .*has no column 'prom'; did you mean 'promo'"),
        ({"calendar": ["fortnight"]}, r"data\.calendar must be a list such as .*got .'fortnight'"),
        ({"fold": "3/2"}, r"data\.fold must be such as 2/5, .*got '3/2'"),
        ({"fold": "1/50"}, r"data\.fold=1/50: the test part has 9 time steps, too few for 50 folds"),
        ({"gaps": "jump"}, r"data\.gaps must be one of allow, error, fill, split, got 'jump'"),
        ({"layout": "wide", "future_covariates": []}, r"data\."),
    ],
)
def test_options_that_cannot_be_are_refused(tmp_path, options, words):
    with pytest.raises(ValueError, match=words):
        source(write(tmp_path), **options).splits()


def test_a_series_that_begins_after_the_training_part_has_no_name_in_it(tmp_path):
    lines = (tmp_path / "shops.csv", write(tmp_path))[0].read_text().splitlines()
    late = [line for line in lines if ",west," not in line or line >= "2024-03-10"]
    (tmp_path / "late.csv").write_text("\n".join(late) + "\n")
    options = {"identity": True, "static_covariates": ["town"], "val_fraction": 0.1, "test_fraction": 0.3}
    splits = source(str(tmp_path / "late.csv"), **options).splits()
    names = splits["train"].spec.input_names
    assert [name for name in names if "=" in name] == ["town=a", "town=b", "series=north", "series=south"]
    last, _ = splits["test"].read(len(splits["test"]) - 1, 0, 5)
    assert last[:, [names.index("series=north"), names.index("series=south")]].tolist() == [[0, 0]] * 5


def test_going_on_from_a_forecast_keeps_what_is_known(tmp_path):
    train = source(write(tmp_path), features=[]).splits()["train"]
    new = write(tmp_path, seed=1, future=6, name="new.csv")
    ahead = CSVSource.ahead(new, train.spec)
    rolled = ahead.extended([[50.0, 51.0, 52.0]] * 3)
    lines = (tmp_path / "new.csv").read_text().splitlines()
    for i, line in enumerate(lines):
        cells = line.split(",")
        for k, day in enumerate(ahead.times(0, 3)):
            if cells[0] == day:
                lines[i] = ",".join([*cells[:4], f"{50 + k}", "0", cells[6]])
    (tmp_path / "by_hand.csv").write_text("\n".join(lines) + "\n")
    by_hand = CSVSource.ahead(str(tmp_path / "by_hand.csv"), train.spec)
    for shop in range(3):
        np.testing.assert_allclose(
            rolled.windows().read(shop, 0, 5)[0], by_hand.windows().read(shop, 0, 5)[0], rtol=1e-5
        )
        assert rolled.times(shop, 4) == by_hand.times(shop, 4)
