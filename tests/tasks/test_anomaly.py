"""Breaks: planted where they are said to be, found by the error of forecasts, and counted rightly."""

import numpy as np
import pytest
import torch

from seqmodels.batch import SequenceBatch
from seqmodels.data.batches.collate import collate
from seqmodels.data.series.anomalies import KINDS, inject
from seqmodels.data.sources.anomaly import AnomalySource
from seqmodels.tasks.anomaly import Anomaly
from seqmodels.tasks.metrics.detector import Counts, Detector, runs, span_sums


def write(tmp_path, rows: int = 1500, label: bool = False, name: str = "a.csv") -> str:
    random = np.random.default_rng(0)
    values = 20 + 3 * np.sin(2 * np.pi * np.arange(rows) / 24) + random.normal(0, 0.2, rows)
    odd = np.zeros(rows, int)
    if label:
        values[-40:-30] += 5
        odd[-40:-30] = 1
    times = np.datetime64("2024-01-01T00:00") + np.arange(rows) * np.timedelta64(60, "m")
    lines = ["t,y,odd", *(f"{t},{y:.3f},{o}" for t, y, o in zip(times, values, odd, strict=True))]
    (tmp_path / name).write_text("\n".join(lines) + "\n")
    return str(tmp_path / name)


def source(path: str, **options) -> AnomalySource:
    return AnomalySource(path, "y", **{"time": "t", "period": 24, "injected": 10, **options})


def whole(dataset, index: int = 0) -> SequenceBatch:
    return collate(dataset, np.array([[index, 0, int(dataset.lengths[index]), 1]]))


@pytest.mark.parametrize("seed", range(5))
def test_breaks_are_planted_where_they_are_said_to_be(seed):
    values = np.random.default_rng(seed).normal(size=2000).cumsum()
    rows = np.arange(1200, 2000)
    planted, breaks = inject(values, rows, 8, 1.0, 24, seed)
    again, same = inject(values, rows, 8, 1.0, 24, seed)
    assert same == breaks
    assert (planted == again).all()
    inside = np.zeros(2000, bool)
    for one in breaks:
        assert not inside[one.start : one.stop].any()
        inside[one.start : one.stop] = True
    assert [one.kind for one in breaks] == [KINDS[i % 5] for i in range(8)]
    assert (planted[~inside] == values[~inside]).all()
    assert inside[rows].any()
    for one in breaks:
        own, was = planted[one.start : one.stop], values[one.start : one.stop]
        if one.kind in ("spike", "level_shift"):
            np.testing.assert_allclose(own - was, one.size)
        if one.kind == "flat_line":
            assert (own == values[one.start - 1]).all()
    with pytest.raises(ValueError, match=r"data\.injected=90: the test part has 800 rows.*plant at most 80"):
        inject(values, rows, 90, 1.0, 24, seed)


def test_training_and_calibration_are_as_they_were(tmp_path):
    path = write(tmp_path)
    planted, clean = (source(path, injected=count).splits() for count in (10, 0))
    assert planted["train"].spec.input_scale == clean["train"].spec.input_scale
    for name in ("train", "val"):
        assert (planted[name].read(0, 0, 100)[0] == clean[name].read(0, 0, 100)[0]).all()
        assert not whole(planted[name]).targets[..., 1].any()
    kinds = whole(planted["test"]).targets[0, :, 1].int().numpy()
    said = planted["test"].spec.anomalies.planted
    assert [KINDS[kinds[start] - 1] for start, _ in runs(kinds)] == [one["kind"] for one in said]
    times = planted["test"].origins[0]["time"]
    assert [times[start] for start, _ in runs(kinds)] == [one["time"] for one in said]
    assert not whole(clean["test"]).targets[..., 1].any()


@pytest.mark.parametrize("seed", range(5))
def test_the_score_is_the_equation_written_again(seed):
    random = np.random.default_rng(seed)
    clean, errors, spans, rate = random.normal(size=400), random.normal(size=60), (1, 3, 8), 0.05

    def sums(e, w, t):
        return e[max(0, t - w + 1) : t + 1].sum()

    high = [np.quantile([abs(sums(clean, w, t)) for t in range(400)], 1 - rate) for w in spans]
    low = [np.quantile([sums(abs(clean), w, t) if t >= w - 1 else np.inf for t in range(400)], rate) for w in spans]

    def score(e, t):
        large = [abs(sums(e, w, t)) / q for w, q in zip(spans, high, strict=True)]
        small = [p / sums(abs(e), w, t) for w, p in zip(spans, low, strict=True) if w > 1 and t >= w - 1]
        return max(large + small)

    detector = Detector.fit([clean], spans, rate)
    np.testing.assert_allclose(detector.score(errors), [score(errors, t) for t in range(60)])
    np.testing.assert_allclose(detector.threshold, np.quantile([score(clean, t) for t in range(400)], 1 - rate))
    assert (detector.score(clean) > detector.threshold).mean() <= rate
    assert Detector.from_plain(detector.to_plain()) == detector
    np.testing.assert_allclose(span_sums(errors, spans)[:, 1], [sums(errors, 3, t) for t in range(60)])


def test_counting_by_hand():
    kinds = np.array([0, 0, 1, 1, 0, 0, 0, 0, 2, 2, 2, 0, 0, 0])
    flags = np.array([1, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1]) > 0
    counts = Counts({})
    counts.add(flags, kinds, aftermath=1)
    found = counts.summary(["spike", "drift"])
    # Alarms: step 0 (false), 3 (true), 12 to 13 (false); 4 lies just after a break and is not counted.
    assert found["precision"] == pytest.approx(1 / 3)
    assert found["recall"] == 0.5
    assert (found["recall_spike"], found["recall_drift"]) == (1.0, 0.0)
    assert found["delay"] == 1.0
    assert found["false_alarms"] == pytest.approx(3 / 7)
    assert set(Counts({}).summary([])) == {"false_alarms"}


def calibrated(splits) -> Anomaly:
    task = Anomaly(splits["train"].spec)
    task.prepare(splits["train"])
    batch = whole(splits["val"])
    task.calibrate([(torch.zeros(*batch.targets.shape[:2], 1), batch)])
    return task


def test_windows_in_any_cut_give_the_same_metrics(tmp_path):
    splits = source(write(tmp_path)).splits()
    task, batch = calibrated(splits), whole(splits["test"])
    prediction = torch.randn(*batch.targets.shape[:2], 1, generator=torch.Generator().manual_seed(0)) * 0.1
    once, cut = task.metrics(), task.metrics()
    task.update(once, prediction, batch)
    steps = int(batch.lengths[0])
    for start in range(0, steps, 37):
        part = slice(start, min(steps, start + 37))
        lengths = torch.tensor([part.stop - part.start])
        piece = SequenceBatch(batch.inputs[:, part], batch.targets[:, part], lengths, torch.tensor([start == 0]))
        task.update(cut, prediction[:, part], piece)
    one, two = (task.summary(metrics.compute()) for metrics in (once, cut))
    assert one.keys() == two.keys()
    for name, value in one.items():
        assert value == pytest.approx(two[name], rel=1e-4)
    assert one["recall_spike"] == 1.0


def test_threshold_and_spread_lie_in_the_state(tmp_path):
    splits = source(write(tmp_path)).splits()
    task, other = calibrated(splits), Anomaly(splits["train"].spec)
    batch = whole(splits["test"])
    prediction = torch.zeros(*batch.targets.shape[:2], 1)
    with pytest.raises(ValueError, match="this model has no threshold"):
        other.decode(prediction, batch)
    other.load_state(task.state())
    assert other.baseline_detectors == task.baseline_detectors != {}
    decoded = other.decode(prediction, batch)
    assert decoded == task.decode(prediction, batch)
    rows = other.rows({**splits["test"].origins[0], **decoded[0]})
    assert len(rows) == int(batch.lengths[0])
    assert set(rows[0]) == {"time", "value", "expected", "score", "flag"}
    values = np.array([row["value"] for row in rows])
    # No change is forecast, but for the mean change of training.
    np.testing.assert_allclose([row["expected"] for row in rows[1:]], values[:-1], atol=0.1)


def test_baselines_are_calibrated_as_the_model_is(tmp_path):
    splits = source(write(tmp_path)).splits()
    clean, broken = (calibrated(splits).baselines(splits["train"], splits[name]) for name in ("val", "test"))
    assert {"no change", "seasonal naive", "ridge regression"} == set(clean) == set(broken)
    assert max(clean[name]["mae"] for name in ("ridge regression", "seasonal naive")) < clean["no change"]["mae"]
    assert "f1" not in clean["ridge regression"]
    for values in clean.values():
        assert values["false_alarms"] <= 1 / 140
    bare = Anomaly(splits["train"].spec).baselines(splits["train"], splits["test"])
    assert "f1" not in bare["no change"]
    assert 0 < broken["ridge regression"]["f1"] <= 1


@pytest.mark.parametrize(("share", "count"), [(0.2, 20), (0.05, 7)])
def test_as_many_breaks_are_planted_as_the_test_part_has_room_for(tmp_path, share, count):
    found = source(write(tmp_path), injected=None, test_fraction=share).splits()["test"]
    assert len(found.spec.anomalies.planted) == count


def test_breaks_that_the_file_names(tmp_path):
    both = source(write(tmp_path, label=True), label="odd")
    assert both.describe().endswith("; 10 breaks planted into the test part, those to be found are named by 'odd'")
    alone = source(write(tmp_path, label=True), injected=None, label="odd")
    assert alone.describe().endswith("; no breaks planted, those to be found are named by 'odd'")
    named = alone.splits()
    kinds = whole(named["test"]).targets[0, :, 1]
    assert int((kinds == len(KINDS) + 1).sum()) == 10
    spec = named["train"].spec
    new = AnomalySource.open(write(tmp_path, label=True, name="new.csv"), spec, targets=True)
    assert int((whole(new).targets[..., 1] > 0).sum()) == 10
    (tmp_path / "bare.csv").write_text("t,y\n" + "".join(f"{i},{i % 7}\n" for i in range(60)))
    with pytest.raises(ValueError, match=r"no column 'odd'"):
        AnomalySource.open(str(tmp_path / "bare.csv"), spec, targets=True)
    plain = source(write(tmp_path)).splits()["train"].spec
    with pytest.raises(ValueError, match=r"nothing says which of its rows are breaks"):
        AnomalySource.open(write(tmp_path, name="new.csv"), plain, targets=True)
    with pytest.raises(ValueError, match=r"data\.label=odd is among data\.features"):
        source(write(tmp_path), features=None, label="odd").splits()


def test_garbage_in_padding_and_the_break_reach_neither_loss_nor_gradient_nor_metrics(tmp_path):
    splits = source(write(tmp_path)).splits()
    task, batch = calibrated(splits), whole(splits["test"])
    generator, steps = torch.Generator().manual_seed(0), batch.inputs.shape[1]
    padded = SequenceBatch(
        torch.cat((batch.inputs, torch.full_like(batch.inputs, torch.nan)), 1),
        torch.cat((batch.targets, torch.full_like(batch.targets, torch.nan)), 1),
        batch.lengths,
        batch.reset,
    )
    prediction = torch.randn(1, 2 * steps, 1, generator=generator).requires_grad_()
    total, count = task.loss(prediction, padded)
    assert count.item() == steps
    assert total.item() == pytest.approx(task.loss(prediction[:, :steps], batch)[0].item(), rel=1e-5)
    gradient = torch.autograd.grad(total, prediction)[0]
    assert not gradient[:, steps:].any()
    unnamed = padded._replace(targets=padded.targets * torch.tensor([1.0, 0.0]))
    assert task.loss(prediction, unnamed)[0].item() == total.item()
    one, two = task.metrics(), task.metrics()
    task.update(one, prediction, padded)
    task.update(two, prediction[:, :steps], batch)
    for name, value in one.compute().items():
        assert value.item() == pytest.approx(two.compute()[name].item(), rel=1e-4), name
