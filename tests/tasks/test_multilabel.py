"""Several labels at once: against scikit-learn, equations written again, and weights."""

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, average_precision_score, f1_score

from seqmodels.data.dataset import ArrayDataset
from seqmodels.spec import Spec
from seqmodels.tasks.base import real_items
from seqmodels.tasks.multilabel import Multilabel
from tests.tasks.task_parts import make_batch, make_dataset, make_prediction

SPEC = Spec("tokens", 3, "sets", 3, "sequence", target_names=("sun", "wind", "rain"))
PER_STEP = Spec("features", 3, "sets", 3, "step", target_names=("sun", "wind", "rain"))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("size", [2, 5])
def test_metrics_are_scikit_learn_s(seed, size):
    random = np.random.default_rng(seed)
    truth = random.integers(0, 2, (80, size))
    probabilities = (0.3 * truth + 0.7 * random.random((80, size))).clip(0.01, 0.99)
    found = Multilabel(Spec("tokens", 3, "sets", size, "sequence"), threshold=0.6).score(probabilities, truth)
    said = probabilities >= 0.6
    assert found["micro_f1"] == pytest.approx(f1_score(truth, said, average="micro"), abs=1e-6)
    assert found["macro_f1"] == pytest.approx(f1_score(truth, said, average="macro"), abs=1e-6)
    assert found["exact"] == pytest.approx(accuracy_score(truth, said), abs=1e-6)
    precision = average_precision_score(truth, probabilities, average="macro")
    assert found["mean_average_precision"] == pytest.approx(precision, abs=0.03)  # at fixed thresholds


def test_one_label_alone_is_as_good_as_many():
    found = Multilabel(Spec("tokens", 3, "sets", 1, "sequence")).score(np.array([[0.9], [0.2]]), np.ones((2, 1)))
    assert found == {
        "micro_f1": pytest.approx(2 / 3),
        "macro_f1": pytest.approx(2 / 3),
        "exact": 0.5,
        "mean_average_precision": 1.0,
    }


def test_a_class_that_never_occurs_counts_in_no_mean():
    truth = np.array([[1, 0], [0, 0]])
    found = Multilabel(Spec("tokens", 3, "sets", 2, "sequence")).score(np.array([[0.9, 0.1], [0.1, 0.1]]), truth)
    assert (found["macro_f1"], found["mean_average_precision"]) == (1.0, 1.0)


@pytest.mark.parametrize("spec", [SPEC, PER_STEP])
def test_the_loss_is_the_cross_entropy_of_each_label(spec):
    batch = make_batch(spec)
    prediction = make_prediction(spec, batch)
    total, count = Multilabel(spec).loss(prediction, batch)
    real = real_items(batch, spec)
    p, y = 1 / (1 + np.exp(-prediction[real].numpy())), batch.targets[real].numpy()
    assert total.item() == pytest.approx(-(y * np.log(p) + (1 - y) * np.log(1 - p)).mean(1).sum(), rel=1e-9)
    assert count.item() == real.sum().item()


def test_balanced_weights_make_a_rare_label_count_as_much_as_its_absence():
    train = ArrayDataset(SPEC, [np.array([0])] * 10, [[i < 2, i < 5, 0] for i in range(10)])
    task = Multilabel(SPEC, class_weights="balanced")
    one = torch.ones(1, dtype=torch.long)
    batch = make_batch(SPEC, rows=1)._replace(lengths=one, targets=torch.tensor([[1.0, 1.0, 1.0]]))
    with pytest.raises(ValueError, match=r"needs the labels' counts: call task.prepare\(train\) first"):
        task.loss(torch.zeros(1, 3), batch)
    task.prepare(train)
    total, _ = task.loss(torch.zeros(1, 3), batch)
    assert total.item() == pytest.approx(np.log(2) * (4 + 1 + 1) / 3, rel=1e-6)  # 8/2, 5/5, and 1 for what never holds


def test_rows_weigh_in_the_loss():
    batch = make_batch(SPEC)
    prediction, weights = make_prediction(SPEC, batch), torch.tensor([1.0, 2.0, 0.0, 0.0, 0.0, 0.0])
    total, count = Multilabel(SPEC).loss(prediction, batch._replace(weights=weights))
    alone = Multilabel(SPEC).loss(
        prediction[1:2],
        batch._replace(**{name: getattr(batch, name)[1:2] for name in ("inputs", "targets", "lengths", "reset")}),
    )[0]
    assert (total.item(), count.item()) == (pytest.approx(2 * alone.item()), 2.0)


def test_decoding_names_what_is_above_the_threshold():
    batch = make_batch(SPEC, rows=2)
    logits = torch.tensor([[9.0, 9.0, 9.0], [0.4, 2.0, -3.0]])
    empty, found = Multilabel(SPEC, threshold=0.7).decode(logits, batch)
    assert empty == {"labels": [], "probabilities": {}}
    assert found["labels"] == ["wind"]
    assert found["probabilities"]["rain"] == pytest.approx(1 / (1 + np.exp(3)), abs=1e-6)
    steps = Multilabel(PER_STEP).decode(torch.ones(2, 5, 3), make_batch(PER_STEP, rows=2))
    assert [len(row["labels"]) for row in steps] == [0, 5]
    assert steps[1]["labels"][0] == ["sun", "wind", "rain"]


@pytest.mark.parametrize("spec", [SPEC, PER_STEP])
def test_the_baseline_learns_what_can_be_told_from_the_inputs(spec):
    """Each label says whether a token occurs, or whether the feature of a step is above 0."""

    def told(seed: int) -> ArrayDataset:
        data = make_dataset(spec, seed, sequences=150)
        targets = [(x > 0) if spec.target_shape == "step" else np.isin(np.arange(3), x) for x in data.inputs]
        return ArrayDataset(spec, data.inputs, targets)

    found = Multilabel(spec).baselines(told(0), told(1))
    assert found["logistic regression"]["micro_f1"] > 0.9
    assert found["label frequencies"]["mean_average_precision"] < 0.75


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"class_weights": "equal"}, "class_weights must be one of none, balanced, got 'equal'"),
        ({"threshold": 1.0}, "threshold must be a number between 0 and 1, got 1.0"),
        ({"threshold": 0.0}, "threshold must be"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Multilabel(SPEC, **options)
