"""`seqmodels forecast` and `backtest`, from a file to a table and a picture."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from seqmodels.cli.main import main
from seqmodels.inference import Model
from seqmodels.training.run import train
from tests.training.runs import compose_config

DAYS, HORIZON = 150, 4
SHOPS = ("north", "south")


def write(folder: Path, future: int = HORIZON, name: str = "shops.csv") -> Path:
    """Sales with a week's rhythm, 25 more on days of a promotion, which is known ahead."""
    random, lines = np.random.default_rng(0), ["day,shop,sold,promo"]
    for s, shop in enumerate(SHOPS):
        promo = random.integers(0, 2, DAYS + future)
        sold = 50 + 20 * s + 5 * np.sin(2 * np.pi * np.arange(DAYS + future) / 7) + 25 * promo
        sold += random.normal(0, 1, len(sold))
        for t in range(DAYS + future):
            day = np.datetime64("2024-01-01") + t
            lines.append(f"{day},{shop},{f'{sold[t]:.3f}' if t < DAYS else ''},{promo[t]}")
    (folder / name).write_text("\n".join(lines) + "\n")
    return folder / name


def read(path: Path) -> list[dict]:
    return list(csv.DictReader(path.read_text().splitlines()))


def config(path: Path, *overrides: str) -> dict:
    return compose_config(
        "data=csv data.target=sold data.time=day data.series=shop data.features=[] data.history=8 data.period=7 "
        "data.calendar=[day_of_week] data.test_fraction=0.2 task=forecasting model/head=many_to_one "
        "model.hidden_sizes=[16] optimizer.lr=0.02 trainer.max_epochs=6 trainer.enable_progress_bar=false "
        f"trainer.accelerator=cpu diagnostics.enabled=false data.horizon={HORIZON}",
        f"data.path={path}",
        *overrides,
    )


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> dict:
    """A run that knows of the promotions, and one that does not."""
    folder = tmp_path_factory.mktemp("shops")
    known = config(write(folder), "data.future_covariates=[promo]", "task.output=quantiles")
    blind = config(write(folder, future=0, name="past.csv"), "data.future_covariates=null", "task.output=quantiles")
    return {name: (folder / name, train(one, folder / name)) for name, one in (("known", known), ("blind", blind))}


def test_what_is_known_ahead_helps(runs):
    known, blind = (runs[name][1]["test"]["mae"] for name in ("known", "blind"))
    assert known < 0.7 * blind
    ridge = {name: runs[name][1]["baseline"]["test"]["ridge regression"]["mae"] for name in runs}
    assert ridge["known"] < 0.3 * ridge["blind"]


def test_the_verb_writes_a_row_for_each_series_and_step_and_a_picture(runs, tmp_path, capsys):
    run, output, plot = runs["known"][0], tmp_path / "f.csv", tmp_path / "f.png"
    assert main(["forecast", str(run), "--output", str(output), "--plot", str(plot)]) == 0
    rows = read(output)
    assert [(row["series"], row["step"]) for row in rows] == [(s, str(k)) for s in SHOPS for k in range(1, HORIZON + 1)]
    assert [row["time"] for row in rows[:HORIZON]] == [
        str(np.datetime64("2024-01-01") + DAYS + k) for k in range(HORIZON)
    ]
    for row in rows:
        low, middle, high = (float(row[f"quantile_{level}"]) for level in ("0.1", "0.5", "0.9"))
        assert low <= middle == float(row["forecast"]) <= high
    assert plot.read_bytes()[1:4] == b"PNG"
    assert main(["forecast", str(run), "--steps", "2"]) == 0
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["step"] for row in printed] == [1, 2, 1, 2]
    np.testing.assert_allclose(
        [row["forecast"] for row in printed[:2]], [float(r["forecast"]) for r in rows[:2]], rtol=1e-5
    )
    assert list(Model.load(run).forecast()) == [*Model.load(run).forecast(steps=HORIZON)]


def test_beyond_the_horizon_it_reads_its_own_forecast(runs, tmp_path, capsys):
    run, path = runs["blind"][0], tmp_path / "past.csv"
    assert main(["forecast", str(run), "--steps", str(HORIZON + 3)]) == 0
    said = capsys.readouterr()
    assert f"--steps {HORIZON + 3} is beyond the model's horizon of {HORIZON}" in said.err
    rolled = [json.loads(line) for line in said.out.splitlines()]
    first = [row for row in rolled if row["step"] <= HORIZON]
    # The same by hand: write the forecast into the file, and forecast from there.
    lines = write(tmp_path, future=0, name="past.csv").read_text().splitlines()
    lines += [f"{row['time']},{row['series']},{row['forecast']!r},0" for row in first]
    path.write_text("\n".join(lines) + "\n")
    by_hand = [row["forecast"] for row in Model.load(run).forecast(path, steps=3)]
    np.testing.assert_allclose(by_hand, [row["forecast"] for row in rolled if row["step"] > HORIZON], rtol=1e-4)


def test_what_is_wrong_with_a_new_file_may_be_settled_anew(runs, tmp_path, capsys):
    run = str(runs["blind"][0])
    lines = write(tmp_path, future=0, name="twice.csv").read_text().splitlines()
    (tmp_path / "twice.csv").write_text("\n".join([*lines, lines[-1]]) + "\n")
    assert main(["forecast", run, "--input", str(tmp_path / "twice.csv")]) == 1
    assert "keep one with data.duplicates=first or last" in capsys.readouterr().err
    assert main(["forecast", run, "--input", str(tmp_path / "twice.csv"), "data.duplicates=last"]) == 0
    settled = capsys.readouterr().out
    assert main(["forecast", run]) == 0
    assert capsys.readouterr().out == settled


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--steps", "0"], "--steps: must be a whole number of at least 1 and at most 1000000, got 0"),
        (["--output", "f.txt"], "--output: must end in .csv or .jsonl, got f.txt"),
        (["--plot", "f.csv"], "--plot: must end in .png, .svg or .pdf, got f.csv"),
        (["--input", "no.csv"], "--input: there is no file 'no.csv'"),
        (["--steps", "5"], "a forecast of 8 steps needs what is known of them (promo): expected 8 rows"),
    ],
)
def test_what_cannot_be_is_told(runs, arguments, words, capsys):
    assert main(["forecast", str(runs["known"][0]), *arguments]) != 0
    assert words in capsys.readouterr().err


def test_a_backtest_trains_each_fold_on_what_came_before(runs, tmp_path, capsys):
    folder = tmp_path / "folds"
    arguments = ["backtest", str(runs["known"][0]), "--folds", "2", "trainer.max_epochs=1", f"run_dir={folder}"]
    assert main(arguments) == 0
    rows = read(folder / "backtest.csv")
    methods = {"model", "mean of train", "ridge regression", "last value", "seasonal naive"}
    assert {(row["fold"], row["method"]) for row in rows} >= {(fold, name) for fold in "12" for name in methods}
    said = " ".join(capsys.readouterr().out.split())
    assert "Mean crps over 2 folds" in said
    assert "does NOT beat ridge regression" in said
    assert main(arguments) == 0  # finished folds are not run again
    assert "fold 2 of 2: done before" in capsys.readouterr().out
    assert main([*arguments, "data.horizon=2"]) == 1
    assert "holds a fold of a backtest with other settings" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["experiment=copying"], "data=copying: a backtest walks forward through time series: choose data=csv"),
        (
            ["experiment=sunspots", "--folds", "0"],
            "--folds: must be a whole number of at least 1 and at most 10000, got 0",
        ),
        (["experiment=sunspots", "data.fold=1/2"], "data.fold: is set by the backtest itself: leave it null"),
        (["experiment=sunspots", "data.test_fraction=0"], "data.test_fraction: must be above 0"),
    ],
)
def test_a_backtest_that_cannot_be_is_refused(arguments, words, capsys):
    assert main(["backtest", *arguments]) == 2
    assert words in capsys.readouterr().err
