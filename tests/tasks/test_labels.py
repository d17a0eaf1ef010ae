"""Classification and tagging: metrics against scikit-learn, baselines on data whose answer is known."""

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, f1_score, recall_score
from torch.nn import functional

from seqmodels.data.dataset import ArrayDataset
from seqmodels.spec import Spec
from seqmodels.tasks import Classification, Tagging
from seqmodels.tasks.baselines.counts import Counts
from seqmodels.tasks.baselines.labels import as_text, stretch, stretched_neighbour
from seqmodels.tasks.baselines.reading import labels
from seqmodels.tasks.labels import accuracy, confusion_of, macro_f1
from tests.tasks.task_parts import make_batch, make_prediction

NAMES = Spec("tokens", 26, "labels", 2, "sequence", target_names=("ends in a", "ends in b"))


def names_dataset(count: int, seed: int) -> ArrayDataset:
    """Words whose last letter is their label."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, count)
    words = [np.append(rng.integers(0, 26, rng.integers(2, 7)), label) for label in labels]
    return ArrayDataset(NAMES, words, labels)


@pytest.mark.parametrize("missing", [(), (2,), (0, 2)])
def test_metrics_are_those_of_scikit_learn_also_without_some_classes(missing):
    rng = np.random.default_rng(1)
    truth = rng.choice([c for c in range(5) if c not in missing], 300)
    predicted = np.where(rng.random(300) < 0.6, truth, rng.integers(0, 4, 300))  # 4 is never predicted wrongly
    task = Classification(Spec("tokens", 9, "labels", 5, "sequence"))
    recalls = recall_score(truth, predicted, average=None, labels=range(5), zero_division=0.0)
    assert task.score(predicted, truth) == pytest.approx(
        {
            "accuracy": accuracy_score(truth, predicted),
            "macro_f1": f1_score(truth, predicted, average="macro"),
            **{f"recall {label}": recall for label, recall in enumerate(recalls)},
        }
    )


def test_recalls_are_shown_of_few_classes_only():
    truth = np.arange(6)
    many = Classification(Spec("tokens", 9, "labels", 6, "sequence")).score(truth, truth)
    assert many == {"accuracy": 1.0, "macro_f1": 1.0}


def test_a_class_only_predicted_has_f1_of_zero_and_one_in_neither_is_left_out():
    confusion = torch.tensor([[4, 0, 0, 0], [0, 2, 2, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
    assert macro_f1(confusion).item() == pytest.approx((1 + 2 / 3 + 0) / 3)
    assert accuracy(confusion).item() == pytest.approx(6 / 8)


def test_metrics_are_of_the_whole_stage_not_the_mean_of_batches():
    task = Classification(Spec("tokens", 3, "labels", 3, "sequence"))
    metrics = task.metrics()
    truth, predicted = np.array([0, 0, 0, 1, 2]), np.array([0, 0, 0, 2, 2])
    metrics.update(torch.from_numpy(predicted[:4]), torch.from_numpy(truth[:4]))
    metrics.update(torch.from_numpy(predicted[4:]), torch.from_numpy(truth[4:]))
    assert metrics.compute()["accuracy"].item() == pytest.approx(0.8)
    assert confusion_of(metrics).tolist() == [[3, 0, 0], [0, 0, 1], [0, 0, 1]]


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_loss_is_torchs_cross_entropy(smoothing):
    spec = Spec("tokens", 3, "labels", 3, "sequence")
    batch, task = make_batch(spec), Classification(spec, label_smoothing=smoothing)
    prediction, real = make_prediction(spec, batch), batch.lengths > 0
    total, count = task.loss(prediction, batch)
    expected = functional.cross_entropy(prediction[real], batch.targets[real], label_smoothing=smoothing)
    assert (total / count).item() == pytest.approx(expected.item(), rel=1e-9)


def test_balanced_weights_make_every_class_count_the_same_and_are_one_on_average():
    spec = Spec("features", 1, "labels", 4, "sequence")
    labels = np.array([0] * 6 + [1] * 3 + [3])
    train = ArrayDataset(spec, [np.ones((2, 1))] * 10, labels)
    task = Classification(spec, class_weights="balanced")
    batch = make_batch(spec)._replace(
        targets=torch.from_numpy(labels), lengths=torch.ones(10, dtype=torch.long), inputs=torch.zeros(10, 1, 1)
    )
    with pytest.raises(ValueError, match="prepare"):
        task.loss(torch.zeros(10, 4), batch)
    task.prepare(train)
    losses = task.item_loss(torch.zeros(10, 4), batch.targets)
    sums = [losses[batch.targets == label].sum().item() for label in (0, 1, 3)]
    assert sums == pytest.approx([sums[0]] * 3)
    total, count = task.loss(torch.zeros(10, 4), batch)
    assert (total / count).item() == pytest.approx(np.log(4), rel=1e-6)


def test_classification_baselines_of_tokens_find_what_the_last_letter_says():
    found = Classification(NAMES).baselines(names_dataset(400, 0), names_dataset(200, 1))
    assert found["n-grams with logistic regression"]["accuracy"] > 0.98
    truth = names_dataset(200, 1).targets
    assert found["majority class"]["accuracy"] == pytest.approx(max(np.mean(truth), 1 - np.mean(truth)))


def test_ngram_baseline_is_left_out_where_it_cannot_be_fitted():
    one_label = ArrayDataset(NAMES, [np.array([1, 2])] * 4, [0] * 4)
    no_run_twice = ArrayDataset(NAMES, [np.array([i]) for i in range(2)], [0, 1])
    assert list(Classification(NAMES).baselines(one_label, one_label)) == ["majority class"]
    assert "majority class" in Classification(NAMES).baselines(no_run_twice, one_label)


def test_every_token_is_one_letter_of_the_text_for_counting():
    tokens = np.arange(0, 70000, 7)
    text = as_text(tokens)
    assert len(text) == len(tokens) + 2
    assert len(set(text)) == len(text)
    text.encode("utf-8")  # no surrogates


@pytest.mark.parametrize("same_length", [True, False])
def test_nearest_neighbour_finds_curves_that_lie_apart(same_length):
    spec, rng = Spec("features", 2, "labels", 2, "sequence"), np.random.default_rng(0)

    def curves(count: int) -> ArrayDataset:
        labels = rng.integers(0, 2, count)
        steps = np.full(count, 8) if same_length else rng.integers(6, 12, count)
        inputs = [
            np.stack([np.cos(t), (1 - 2 * label) * np.sin(t)], 1) + 0.1 * rng.normal(size=(n, 2))
            for n, label in zip(steps, labels, strict=True)
            for t in [np.linspace(0, 3, n)]
        ]
        return ArrayDataset(spec, inputs, labels)

    assert Classification(spec).baselines(curves(80), curves(40))["nearest neighbour"]["accuracy"] == 1.0


def test_tags_by_context_see_neighbours_and_fall_back_on_the_token_alone():
    spec, rng = Spec("tokens", 4, "labels", 4, "step"), np.random.default_rng(0)

    def tagged(tokens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return tokens, np.append(0, tokens[:-1])  # the tag is the token before

    pairs = [tagged(rng.integers(0, 3, 50)) for _ in range(20)]
    train = ArrayDataset(spec, *zip(*pairs, strict=True))
    # Token 3 was never seen: its tag is the majority's, and its neighbours fall back on theirs alone.
    test = ArrayDataset(spec, *zip(*[tagged(np.array([0, 1, 2, 1, 0, 0, 1]))], strict=True))
    found = Tagging(spec).baselines(train, test)
    assert found["per token and neighbours"]["accuracy"] == 1.0
    assert found["most frequent tag per token"]["accuracy"] < 0.9
    new = ArrayDataset(spec, *zip(*[tagged(np.array([3, 3]))], strict=True))
    majority = np.bincount(np.concatenate([tags for _, tags in pairs])).argmax()
    expected = np.mean(np.array([0, 3]) == majority)
    assert Tagging(spec).baselines(train, new)["per token and neighbours"]["accuracy"] == expected


def test_step_regression_separates_steps_by_their_features():
    spec, rng = Spec("features", 2, "labels", 2, "step"), np.random.default_rng(0)
    inputs = [rng.normal(size=(30, 2)) for _ in range(20)]
    data = ArrayDataset(spec, inputs, [(x[:, 0] > x[:, 1]).astype(int) for x in inputs])
    assert Tagging(spec).baselines(data, data)["logistic regression per step"]["accuracy"] > 0.97


def test_counts_are_those_of_a_plain_counter():
    rng, counts = np.random.default_rng(0), Counts()
    added = [rng.integers(0, 50, 200) for _ in range(3)]
    for part in added:
        counts.add(part)
    every = np.concatenate(added)
    asked = np.arange(60)
    assert counts.of(asked).tolist() == [int((every == key).sum()) for key in asked]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"label_smoothing": 1.0}, "label_smoothing must be a number of at least 0 and below 1, got 1.0"),
        ({"class_weights": "balance"}, "class_weights must be one of none, balanced, got 'balance'"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Classification(NAMES, **options)


def test_too_many_classes_for_a_confusion_matrix_are_refused():
    with pytest.raises(ValueError, match="language_modelling"):
        Tagging(Spec("tokens", 20000, "tokens", 20000, "step"))


def test_decode_names_the_label_and_all_probabilities():
    batch = make_batch(NAMES, rows=2)
    decoded = Classification(NAMES).decode(torch.tensor([[0.0, 0.0], [0.0, 2.0]]), batch)
    assert decoded[0] == {"label": None, "probabilities": {}}
    assert decoded[1]["label"] == "ends in b"
    assert decoded[1]["probabilities"]["ends in a"] == pytest.approx(1 / (1 + np.exp(2)), rel=1e-5)


CURVES = Spec("features", 1, "labels", 2, "sequence")


def humps(seed: int, count: int = 60) -> ArrayDataset:
    """One hump or two in each sequence, at any pace, under noise: means and deviations do not tell them apart."""
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, 2, count)
    paces = [np.linspace(0, 2 * np.pi, n) for n in rng.integers(20, 60, count)]
    inputs = [
        np.cos((y + 1) * t)[:, None] + rng.normal(0, 0.1, (len(t), 1)) for t, y in zip(paces, targets, strict=True)
    ]
    return ArrayDataset(CURVES, inputs, targets)


def test_the_pace_does_not_matter():
    train, test = humps(0), humps(1)
    assert (stretched_neighbour(train, labels(train), test) == labels(test)).all()
    found = Classification(CURVES).baselines(train, test)
    assert found["nearest neighbour, stretched"]["accuracy"] == 1
    assert found["nearest neighbour"]["accuracy"] < 1


def test_sequences_of_one_length_are_left_to_the_plain_neighbour():
    data = ArrayDataset(CURVES, [np.ones((4, 1)), np.zeros((4, 1))], [0, 1])
    assert stretched_neighbour(data, labels(data), data) is None
    assert "nearest neighbour, stretched" not in Classification(CURVES).baselines(data, data)


def test_stretching_is_between_steps_in_proportion():
    line = np.stack([np.arange(7.0), -np.arange(7.0)], axis=1)
    for steps in (2, 5, 20):
        wanted = np.linspace(0, 6, steps)
        assert np.allclose(stretch(line, steps).reshape(steps, 2), np.stack([wanted, -wanted], axis=1))
    assert stretch(np.ones((1, 2)), 3).tolist() == [1.0] * 6
