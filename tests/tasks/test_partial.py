"""Decisions after the first steps, and what each step counted."""

import numpy as np
import pytest
import torch

from seqmodels.batch import SequenceBatch
from seqmodels.build import build_layers
from seqmodels.data.dataset import ArrayDataset
from seqmodels.dataset import first_steps
from seqmodels.heads.many_to_one import ManyToOne
from seqmodels.model import SequenceModel, TokenEncoder
from seqmodels.spec import Spec
from seqmodels.tasks.classification import Classification
from seqmodels.tasks.decoding.partial import predict_partial

SPEC = Spec("tokens", 5, "labels", 3, "sequence", tuple("abcde"), ("x", "y", "z"))
LAYERS = {
    "hidden_sizes": [4],
    "cell": {"name": "gru"},
    "merge": "concat",
    "initial_state": "zero",
    "engine": "reference",
    "dropout": 0.0,
    "residual": False,
}


def make_model(pooling: str, bidirectional: bool) -> SequenceModel:
    torch.manual_seed(0)
    layers = build_layers({**LAYERS, "bidirectional": bidirectional}, 6)
    return SequenceModel(TokenEncoder(5, 6), layers, ManyToOne(layers.output_size, 3, pooling)).eval()


def make_batch(seed: int = 0) -> SequenceBatch:
    draw = torch.Generator().manual_seed(seed)
    lengths = torch.tensor([7, 3, 5, 0])
    tokens = torch.randint(5, (4, 7), generator=draw)
    return SequenceBatch(tokens, torch.tensor([0, 1, 2, 0]), lengths, torch.ones(4, dtype=torch.bool))


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("pooling", ["last", "mean", "max", "attention"])
def test_a_decision_after_some_steps_is_that_on_them_alone(pooling, bidirectional):
    model, batch = make_model(pooling, bidirectional), make_batch()
    with torch.no_grad():
        reading = predict_partial(model, batch.inputs, batch.lengths, (2, 4, 9))
        torch.testing.assert_close(reading.prediction, model(batch.inputs, None, batch.lengths)[0])
        torch.testing.assert_close(reading.after[9], reading.prediction)
        for steps in (2, 4):
            for row in range(3):
                n = min(steps, int(batch.lengths[row]))
                torch.testing.assert_close(
                    reading.after[steps][row : row + 1], model(batch.inputs[row : row + 1, :n])[0]
                )


def test_early_accuracy_is_counted_and_shown():
    task = Classification(SPEC, lengths=[2, 4])
    model, batch = make_model("last", False), make_batch()
    with torch.no_grad():
        made = task.generate(model, batch)
    metrics = task.metrics()
    task.update(metrics, made.prediction, batch)
    task.update_generated(metrics, made, batch)
    values = {name: float(value) for name, value in metrics.compute().items()}
    assert {"accuracy", "macro_f1", "accuracy_at_2", "accuracy_at_4"} <= set(values)
    right = (made.after[2].argmax(-1) == batch.targets)[:3].float().mean()
    assert values["accuracy_at_2"] == pytest.approx(float(right))
    row = task.decode(made, batch)[0]
    assert row["label_at_4"] == SPEC.target_names[int(made.after[4][0].argmax())]
    assert set(task.plots(made.prediction, batch, metrics)) == {"confusion matrix", "accuracy after the first steps"}


def test_nothing_is_read_twice_where_nothing_is_asked_for():
    with torch.no_grad():
        assert Classification(SPEC).generate(make_model("last", False), make_batch()) is None


def test_attention_stands_beside_the_words():
    task, model, batch = Classification(SPEC), make_model("attention", True), make_batch()
    with torch.no_grad():
        rows = task.decode(task.generate(model, batch), batch)
    for row, tokens, length in zip(rows, batch.inputs.tolist(), batch.lengths.tolist(), strict=True):
        assert [name for name, _ in row["attention"]] == ["abcde"[token] for token in tokens[:length]]
        assert sum(weight for _, weight in row["attention"]) == pytest.approx(1.0 if length else 0.0, abs=1e-3)
    assert list(task.sample_plots(model, batch, torch.Generator())) == ["attention"]
    assert task.sample_plots(make_model("mean", True), batch, torch.Generator()) == {}


@pytest.mark.parametrize("kind", ["tokens", "features"])
def test_baselines_decide_at_the_same_places(kind):
    random = np.random.default_rng(0)
    labels = np.arange(60) % 3
    if kind == "tokens":  # the class shows in the third step only
        inputs = [np.array([4, 4, label, *random.integers(5, size=3)]) for label in labels]
        spec = SPEC
    else:
        inputs = [np.array([[0.0], [0.0], [float(label)], *random.normal(size=(3, 1)) * 0.1]) for label in labels]
        spec = Spec("features", 1, "labels", 3, "sequence")
    data = ArrayDataset(spec, inputs, list(labels))
    found = Classification(spec, lengths=[2, 3]).baselines(data, data)
    best = found["n-grams with logistic regression" if kind == "tokens" else "nearest neighbour"]
    assert best["accuracy_at_2"] < 0.5
    assert best["accuracy_at_3"] == best["accuracy"] == 1.0
    assert not {"accuracy_at_2", "accuracy_at_3"} & set(Classification(spec, lengths=[2]).score(labels, labels))
    assert found["majority class"]["accuracy_at_2"] == pytest.approx(1 / 3)


def test_views_read_what_they_should():
    data = ArrayDataset(SPEC, [np.arange(n) % 5 for n in (4, 2, 5)], [0, 1, 2])
    first = first_steps(data, 3)
    assert first.lengths.tolist() == [3, 2, 3]
    for index, steps in enumerate(first.lengths.tolist()):
        inputs, target = first.read(index, 0, steps)
        assert (len(inputs), int(target)) == (steps, index)


@pytest.mark.parametrize("lengths", [[0], [2.5], [True]])
def test_places_that_are_none_are_refused(lengths):
    with pytest.raises(ValueError, match=r"lengths must be a list such as .* each item a whole number of at least 1"):
        Classification(SPEC, lengths=lengths)
