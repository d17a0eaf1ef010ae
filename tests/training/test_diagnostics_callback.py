"""The callback inside real trainings: what it writes, that it changes nothing, and what it costs."""

import contextlib
import logging

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from matplotlib.figure import Figure
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn
from torch.utils.data import DataLoader

from seqmodels.spec import Spec
from seqmodels.tasks.classification import Classification
from seqmodels.training.diagnostics import Diagnostics
from seqmodels.training.diagnostics.budget import Budget
from seqmodels.training.diagnostics.meter import Meter, total_norm
from seqmodels.training.learner import Learner
from tests.training.diagnostics_parts import HEADS, VOCABULARY, Classify, batch_for, classify, model_for

pytestmark = pytest.mark.filterwarnings("ignore")  # Lightning's, about workers and the like


class Pictured(Classify):
    """A task with a picture and a text, and a random number drawn for each."""

    def plots(self, prediction, batch, metrics=None):
        torch.rand(3)
        figure = Figure()
        figure.add_subplot().plot(prediction[0, 0].tolist())
        return {"first": figure}

    def texts(self, model, batch, generator):
        torch.rand(3)
        return {"sample": f"a *b*\n  c {float(torch.rand(1, generator=generator)):.3f} {model.training}"}


def batches(shape: str, steps: int, count: int = 10) -> list:
    generator = torch.random.get_rng_state()
    torch.manual_seed(1)
    made = [batch_for(shape, steps=steps) for _ in range(count)]
    torch.random.set_rng_state(generator)
    return made


def fit(tmp_path, callbacks, head="many_to_many", steps=30, kind="stack", task=None, window=None, **options):
    """A real training of a small model; the learner afterwards."""
    pl.seed_everything(3, verbose=False)
    model, usual, _ = model_for(head, kind)
    _, shape, time = HEADS[head]
    learner = Learner(model, task or usual, {"name": "adam", "lr": 1e-2}, window=window)
    options = {"logger": TensorBoardLogger(tmp_path, name=None, version=""), **options}
    trainer = pl.Trainer(
        max_steps=steps, callbacks=callbacks, accelerator="cpu", enable_checkpointing=False, enable_model_summary=False,
        enable_progress_bar=False, **options,
    )  # fmt: skip
    data = batches(shape, time)
    trainer.fit(learner, loader(data), loader(data[:2]))
    return learner


def loader(data: list) -> DataLoader:
    return DataLoader(data, batch_size=None, collate_fn=lambda batch: batch)


def events(path) -> EventAccumulator:
    found = EventAccumulator(str(path), size_guidance={"scalars": 0, "images": 0, "histograms": 0, "tensors": 0})
    return found.Reload()


def test_every_tag_is_written(tmp_path):
    watch = Diagnostics(every_n_steps=10, log_every_n_steps=5, budget=None)
    fit(tmp_path, [watch], task=Pictured(classify("step").spec))
    found = events(tmp_path)
    tags = found.Tags()
    gates = {f"gates/layer{n}/{gate}" for n in (0, 1) for gate in "ifgo"}
    states = {f"state/layer{n}/{field}" for n in (0, 1) for field in "hc"}
    assert set(tags["histograms"]) == gates | states
    assert set(tags["images"]) == {
        "model/unrolled", "gradient/norm_against_lag", "memory/loss_against_context", "plots/first",
    }  # fmt: skip
    assert {tag + "/saturated" for tag in gates} <= set(tags["scalars"])
    assert {
        "train/loss", "train/gradient_norm", "train/learning_rate", "train/tokens_per_second",
        "train/updates_per_second", "spectral_radius/layer0/i", "gradient/layer1/h/decay_per_step",
        "memory/effective_steps", "diagnostics/seconds_per_round",
    } <= set(tags["scalars"])  # fmt: skip
    assert [e.step for e in found.Scalars("train/loss")] == [5, 10, 15, 20, 25, 30]
    assert [e.step for e in found.Scalars("memory/effective_steps")] == [10, 20, 30]
    assert [e.step for e in found.Images("model/unrolled")] == [0]
    assert all(e.value > 0 for e in found.Scalars("train/tokens_per_second"))
    words = found.Tensors("texts/sample/text_summary")[-1].tensor_proto.string_val[0].decode()
    assert words.startswith("    a *b*\n      c ")  # as it stands, not as Markdown
    assert words.endswith("False")  # in evaluation mode
    assert not any("notes" in tag for tag in tags["tensors"])


@pytest.mark.parametrize(("head", "window"), [("many_to_many", None), ("many_to_many", 10), ("encoder_decoder", None)])
def test_the_same_seed_gives_the_same_weights_with_and_without(tmp_path, head, window):
    shape = HEADS[head][1]
    task = Pictured(classify(shape).spec)
    watched = fit(
        tmp_path, [Diagnostics(every_n_steps=3, log_every_n_steps=1, budget=None)], head, 12, task=task, window=window,
        val_check_interval=6,
    )  # fmt: skip
    after = torch.get_rng_state()
    alone = fit(tmp_path, [], head, 12, task=task, window=window, logger=False, val_check_interval=6)
    assert torch.equal(torch.get_rng_state(), after)
    for (name, one), other in zip(watched.state_dict().items(), alone.state_dict().values(), strict=True):
        assert torch.equal(one, other), name
    assert len(events(tmp_path).Scalars("spectral_radius/layer0/i")) == 4


def test_gradients_modes_and_carried_state_stay_as_they_are(tmp_path):
    class Look(Diagnostics):
        def on_train_batch_end(self, trainer, learner, outputs, batch, batch_idx):
            learner.model.encoder.eval()
            before = self.picture_of(learner)
            super().on_train_batch_end(trainer, learner, outputs, batch, batch_idx)
            after = self.picture_of(learner)
            torch.testing.assert_close(after, before, rtol=0, atol=0)
            self.looks = getattr(self, "looks", 0) + 1

        def picture_of(self, learner):
            gradients = [None if p.grad is None else p.grad.clone() for p in learner.parameters()]
            modes = torch.tensor([m.training for m in learner.modules()])
            state = [leaf.clone() for layer in learner.carried["train"].state for leaf in layer]
            return [g for g in gradients if g is not None], modes, state, torch.get_rng_state()

    look = Look(every_n_steps=2, budget=None)
    fit(tmp_path, [look], window=10, steps=6)
    assert look.looks == 6


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("kind", ["stack", "bidirectional"])
def test_every_head_and_direction_is_watched_without_a_note_of_failure(tmp_path, head, kind, caplog):
    with caplog.at_level(logging.INFO, "seqmodels"):
        fit(tmp_path, [Diagnostics(every_n_steps=4, budget=None)], head, steps=4, kind=kind)
    assert [r for r in caplog.records if r.levelno >= logging.WARNING and r.name.startswith("seqmodels")] == []
    tags = events(tmp_path).Tags()
    assert "model/unrolled" in tags["images"]
    assert ("gradient/norm_against_lag" in tags["images"]) == (head != "one_to_one")
    assert ("memory/loss_against_context" in tags["images"]) == (HEADS[head][2] > 1)
    notes = {tag for tag in tags["tensors"] if "notes" in tag}
    assert len(notes) == {"one_to_one": 2, "one_to_many": 1}.get(head, 0)


def test_a_failure_is_noted_once_and_stops_nothing(tmp_path, caplog):
    class Odd(Classify):
        def loss(self, prediction, batch):
            if not torch.is_grad_enabled() and len(batch.lengths) > 4:  # the effective memory only
                raise ZeroDivisionError("odd")
            return super().loss(prediction, batch)

        def plots(self, prediction, batch, metrics=None):
            raise OSError("no canvas")

    with caplog.at_level(logging.WARNING, "seqmodels"):
        learner = fit(tmp_path, [Diagnostics(every_n_steps=5, budget=None)], task=Odd(classify("step").spec))
    assert learner.trainer.global_step == 30
    said = [r.getMessage() for r in caplog.records if r.name.startswith("seqmodels")]
    assert said == [
        "diagnostics: memory is left out: ZeroDivisionError: odd",
        "diagnostics: plots is left out: OSError: no canvas",
    ]
    tags = events(tmp_path).Tags()
    assert "diagnostics/notes/memory/text_summary" in tags["tensors"]
    assert "gradient/norm_against_lag" in tags["images"]


def test_gradient_norm_is_the_one_before_clipping_and_the_loss_is_the_whole_one(tmp_path):
    class Norms(pl.Callback):
        found = ()

        def on_after_backward(self, trainer, learner):
            self.norm = float(nn.utils.get_total_norm([p.grad for p in learner.parameters()]))

        def on_train_batch_end(self, trainer, learner, outputs, batch, batch_idx):
            self.found = (*self.found, self.norm)
            self.losses = (*getattr(self, "losses", ()), float(learner.last_loss))

    norms = Norms()
    watch = Diagnostics(enabled=False, log_every_n_steps=2)
    fit(tmp_path, [norms, watch], steps=4, gradient_clip_val=1e-3, accumulate_grad_batches=2)
    found = events(tmp_path)
    assert [e.step for e in found.Scalars("train/gradient_norm")] == [2, 4]
    assert [e.value for e in found.Scalars("train/gradient_norm")] == pytest.approx(norms.found[3::4], rel=1e-5)
    expected = [np.mean(norms.losses[:4]), np.mean(norms.losses[4:])]
    assert [e.value for e in found.Scalars("train/loss")] == pytest.approx(expected, rel=1e-5)
    assert found.Scalars("train/learning_rate")[0].value == pytest.approx(1e-2)


def test_pictures_see_the_metrics_of_the_whole_validation(tmp_path, monkeypatch):
    seen = []

    def confusion_figure(confusion, names):
        seen.append(int(confusion.sum()))
        return Figure()

    monkeypatch.setattr("seqmodels.tasks.plots.confusion.confusion_figure", confusion_figure)
    labels = Spec("tokens", VOCABULARY, "labels", VOCABULARY, "sequence")
    fit(
        tmp_path,
        [Diagnostics(enabled=False)],
        "many_to_one",
        steps=5,
        task=Classification(labels),
        val_check_interval=5,
    )
    assert seen == [2 * 4]  # two batches of four rows
    assert events(tmp_path).Tags()["images"] == ["plots/confusion matrix"]


def test_disabled_leaves_the_scalars_and_the_tasks_own(tmp_path):
    fit(tmp_path, [Diagnostics(enabled=False, log_every_n_steps=5)], steps=10, task=Pictured(classify("step").spec))
    tags = events(tmp_path).Tags()
    assert tags["images"] == ["plots/first"]
    assert tags["histograms"] == []
    assert all(tag.startswith(("train/", "val/", "epoch", "hp")) for tag in tags["scalars"])


def test_a_short_run_gets_one_round_at_its_end(tmp_path):
    fit(tmp_path, [Diagnostics()], steps=7, task=Pictured(classify("step").spec), val_check_interval=3)
    found = events(tmp_path)
    assert [e.step for e in found.Images("gradient/norm_against_lag")] == [7]
    assert [e.step for e in found.Scalars("train/loss")] == [7]
    # The first validation is shown at once; the next waits for its share of the time, and gets it at the end.
    assert [e.step for e in found.Images("plots/first")] == [3, 7]
    texts = [e.tensor_proto.string_val[0].decode() for e in found.Tensors("texts/sample/text_summary")]
    assert [text[-5:] for text in texts] == ["False", "False"]  # in evaluation mode, also at the end of the training


def test_without_tensorboard_nothing_is_done(tmp_path):
    for logger in (False, CSVLogger(tmp_path)):
        watch = Diagnostics(every_n_steps=1, budget=None)
        fit(tmp_path, [watch], steps=2, logger=logger)
        assert watch._round_budget.spent == 0


def test_rounds_stretch_to_the_budget_and_it_is_said_once(tmp_path, caplog, monkeypatch):
    now = [0.0]
    made = []

    class Slow(Budget):
        def __init__(self, share, guess):
            super().__init__(share, guess, clock=lambda: now[0])

    def write_round(board, *_):
        made.append(board.update)
        now[0] += 2.0

    class Tick(pl.Callback):
        def on_train_batch_start(self, *_):
            now[0] += 1.0

    monkeypatch.setattr("seqmodels.training.diagnostics.callback.Budget", Slow)
    monkeypatch.setattr("seqmodels.training.diagnostics.writing.write_round", write_round)
    with caplog.at_level(logging.INFO, "seqmodels"):
        fit(tmp_path, [Tick(), Diagnostics(every_n_steps=5, budget=0.2)], steps=200)
    # A tenth of the time for rounds of 2 s, with 1 s per update: every 20 s of time, or 18 updates.
    assert made[0] == 5
    assert 8 <= len(made) <= 12
    assert 2.0 * len(made) <= 0.1 * now[0]
    assert set(np.diff(made)) <= {15, 20, 35}
    said = [r.getMessage() for r in caplog.records if "updates instead of 5" in r.getMessage()]
    assert len(said) == 1
    assert "about every 20 updates" in said[0]


def test_budget_pays_for_what_was_spent():
    now = [0.0]
    budget = Budget(0.1, guess=0.0, clock=lambda: now[0])
    assert budget.affordable()
    with contextlib.suppress(OSError), budget.spending():
        now[0] += 3.0
        raise OSError
    assert (budget.spent, budget.expected, budget.wait()) == (3.0, 3.0, pytest.approx(30.0))
    now[0] = 59.0
    assert not budget.affordable()
    now[0] = 60.0
    assert budget.affordable()
    with budget.spending(typical=False):
        now[0] += 1.0
    assert (budget.spent, budget.expected) == (4.0, 3.0)
    assert Budget(None, guess=1e9).affordable()


def test_meter_leaves_out_pauses():
    now = [0.0]
    meter = Meter(10, clock=lambda: now[0])
    assert meter.read(10, "speed") == {}
    batch = batch_for("step", rows=4, steps=10)  # 35 real steps
    for _ in range(4):
        now[0] += 1.0
        meter.add(batch, torch.tensor(2.0))
    now[0] += 6.0
    meter.pause(6.0)
    found = meter.read(12, "speed", processes=2)
    assert found == {"loss": 2.0, "speed": pytest.approx(2 * 4 * 35 / 4), "updates_per_second": pytest.approx(0.5)}
    assert meter.read(12, "speed") == {}


def test_total_norm_is_torchs():
    gradients = [torch.randn(3, 4), torch.randn(5), torch.randn(2, 2).bfloat16()]
    expected = torch.cat([g.float().flatten() for g in gradients]).norm()
    torch.testing.assert_close(total_norm(gradients), expected)
    assert float(total_norm([])) == 0


@pytest.mark.parametrize(
    ("option", "value"),
    [("every_n_steps", 0), ("log_every_n_steps", 0), ("budget", 0), ("budget", 3), ("rows", 0), ("steps", 1.5),
     ("lags", True), ("samples", -1)],
)  # fmt: skip
def test_options_out_of_range_are_refused(option, value):
    with pytest.raises(ValueError, match=rf"{option} must be .* got {value!r}"):
        Diagnostics(**{option: value})
