"""`seqmodels train`: what reaches the training, and what comes of how it ends."""

import datetime
import os
import signal
import sys
import types
from pathlib import Path

import hydra.core.utils
import pytest
import yaml

from tests.cli.command import said

SMALL = ["experiment=running_sum", "name=run", "model.hidden_sizes=[3]"]
METRICS = {"val": {"loss": 0.5}, "test": {"loss": 0.25}}


class Trainings(list):
    """The trainings that were asked for; each leaves a config behind, as a real one does."""

    def train(self, config, run_dir, console=None, source=None):
        assert sys.argv == ["seqmodels", "train"]  # the command's own, not what Hydra was given
        self.append((config, run_dir))
        run_dir.mkdir(parents=True, exist_ok=True)
        (run_dir / "config.yaml").write_text(yaml.safe_dump(config))
        if config["seed"] == 66:
            raise ValueError("the data is empty")
        if config["seed"] == 67:
            raise OSError(28, "No space left on device", "last.ckpt")
        if config["seed"] == 68:
            raise RuntimeError("a bug\nwith details")
        if config["seed"] == 69:
            os.kill(os.getpid(), signal.SIGTERM)
        return METRICS


@pytest.fixture
def trainings(monkeypatch):
    made = Trainings()
    module = types.ModuleType("seqmodels.training.run")
    module.train = made.train
    monkeypatch.setitem(sys.modules, "seqmodels.training.run", module)
    monkeypatch.setattr(sys, "argv", ["seqmodels", "train"])
    return made


def test_single_run(seqmodels, trainings):
    assert seqmodels("train", *SMALL[:1], *SMALL[2:], "name=sums", "seed=3").code == 0
    ((config, run_dir),) = trainings
    assert config["seed"] == 3
    assert config["model"]["hidden_sizes"] == [3]
    assert type(config["model"]) is dict
    assert not {"hydra", "run_dir"} & set(config)
    assert run_dir.parts[:2] == ("runs", "sums")
    assert len(run_dir.parts) == 3
    assert not (run_dir / ".hydra").exists()


def test_run_dir_and_its_second_use(seqmodels, trainings):
    assert seqmodels("train", *SMALL, "run_dir=my run").code == 0
    assert trainings[0][1] == Path("my run")
    assert seqmodels("train", *SMALL, "run_dir=my run").code == 0  # the first ended before it had a checkpoint
    Path("my run/checkpoints").mkdir()
    Path("my run/checkpoints/last.ckpt").touch()
    problem = "run_dir: my run holds a run already: choose another, or go on with resume=my run"
    assert seqmodels("train", *SMALL, "run_dir=my run") == (2, "", said("train", problem))
    assert len(trainings) == 2


def test_plugins_are_found_in_the_working_folder(seqmodels, trainings, monkeypatch):
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    Path("a_users_module.py").write_text("")
    assert seqmodels("train", "data=pen_digits", "plugins=[a_users_module]").code == 0
    assert "a_users_module" in sys.modules
    problem = "plugins names 'another_module', which cannot be imported: No module named 'another_module'"
    result = seqmodels("train", "data=pen_digits", "plugins=[another_module]")
    assert (result.code, result.err) == (1, said("train", problem))


def test_runs_within_a_second_do_not_share_a_folder(seqmodels, trainings, monkeypatch):
    class StoppedClock(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return cls(2026, 1, 31, 12, 0, 0)

    monkeypatch.setattr(hydra.core.utils, "datetime", StoppedClock)
    for _ in range(3):
        assert seqmodels("train", *SMALL).code == 0
    assert [folder.name for _, folder in trainings] == [
        "2026-01-31_12-00-00",
        "2026-01-31_12-00-00_2",
        "2026-01-31_12-00-00_3",
    ]


@pytest.mark.parametrize(
    ("seed", "code", "message"),
    [
        (66, 1, "the data is empty"),
        (67, 1, "No space left on device: last.ckpt"),
        (68, 1, "RuntimeError: a bug (--debug shows the traceback)"),
    ],
)
def test_failure_is_one_line(seqmodels, trainings, seed, code, message):
    assert seqmodels("train", *SMALL, f"seed={seed}") == (code, "", said("train", message))


def test_debug_shows_the_traceback(seqmodels, trainings, monkeypatch):
    monkeypatch.setenv("SEQMODELS_DEBUG", "1")
    with pytest.raises(RuntimeError, match="a bug"):
        seqmodels("train", *SMALL, "seed=68")


def test_debug_flag_is_the_same(seqmodels, trainings, monkeypatch):
    monkeypatch.setenv("SEQMODELS_DEBUG", "0")
    with pytest.raises(RuntimeError, match="a bug"):
        seqmodels("train", "--debug", *SMALL, "seed=68")


def test_stopped_by_a_signal(seqmodels, trainings):
    words = "stopped by SIGTERM before the first step, with nothing to save; the same command begins again"
    assert seqmodels("train", *SMALL, "seed=69") == (143, "", said("train", words))
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_text_is_cut_in_windows_unless_chosen(seqmodels, trainings):
    assert seqmodels("train").out.startswith("data=text: taking training.window=100 recipe=continue\n")
    assert seqmodels("train", "training.window=null").out == "data=text: taking recipe=continue\n"
    assert seqmodels("train", "training.window=null", "recipe=none").out == ""
    assert seqmodels("train", "data.level=word", "recipe=none").out == (
        "data=text: taking training.window=100 data.min_count=2\n"
    )
    assert "min_count" not in seqmodels("train", "data.level=word", "data.max_size=500").out
    assert [config["training"]["window"] for config, _ in trainings] == [100, None, None, 100, 100]
    assert [config["data"]["min_count"] for config, _ in trainings] == [1, 1, 1, 2, 1]


def test_data_suggests_task_and_head_and_a_recipe_for_them(seqmodels, trainings):
    assert seqmodels("train", "data=pen_digits").out == (
        "data=pen_digits: taking task=classification model/head=many_to_one recipe=classify\n"
    )
    assert seqmodels("train", "data=pen_digits", "model/head=one_to_one").out == (
        "data=pen_digits: taking task=classification\n"
    )
    heads = [config["model"]["head"]["name"] for config, _ in trainings]
    assert heads == ["many_to_one", "one_to_one"]
    assert [config["model"]["bidirectional"] for config, _ in trainings] == [True, False]


def test_a_recipe_gives_way_to_what_the_user_says(seqmodels, trainings):
    seqmodels("train", "data=pen_digits", "model.head.pooling=mean", "model/cell=gru", "trainer.max_epochs=2")
    seqmodels("train", "data=pen_digits", "optimizer=sgd")  # whose learning rate is another
    seqmodels("train", "data=pen_digits", "training.k2=3")  # which a model that reads from both ends cannot have
    seqmodels("train", "data=pen_digits", "recipe=none")
    seqmodels("train", "data=pen_digits", "trainer.max_time=00:00:01:00")  # which a planned schedule knows nothing of
    (first, _), (second, _), (third, _), (fourth, _), (timed, _) = trainings
    assert (timed["scheduler"]["name"], timed["optimizer"]["lr"]) == ("none", 0.004)
    assert (first["model"]["head"]["pooling"], first["model"]["cell"]["name"]) == ("mean", "gru")
    assert (first["trainer"]["max_epochs"], first["scheduler"]["name"]) == (2, "one_cycle")
    assert (second["optimizer"]["name"], second["optimizer"]["lr"], second["scheduler"]["name"]) == (
        "sgd",
        1.0,
        "one_cycle",
    )
    assert [config["scheduler"]["name"] for config in (third, fourth)] == ["none", "none"]


def test_sweep(seqmodels, trainings):
    result = seqmodels("train", "-m", *SMALL, "name=sweep", "seed=1", "model.cell.bias=true,false")
    assert result.code == 0
    assert [config["model"]["cell"]["bias"] for config, _ in trainings] == [True, False]
    folders = [folder for _, folder in trainings]
    assert [folder.name for folder in folders] == ["0", "1"]
    assert folders[0].parts[:3] == ("runs", "multirun", "sweep")
    assert "  [0] model.cell.bias=True: loss 0.5\n  [1] model.cell.bias=False: loss 0.5\n" in result.out


def test_a_failed_job_does_not_stop_the_sweep(seqmodels, trainings):
    result = seqmodels("train", "-m", *SMALL, "seed=66,1")
    assert result.code == 1
    assert len(trainings) == 2
    assert result.err == "[0] seed=66: the data is empty\n"
    assert "  [0] seed=66: failed\n  [1] seed=1: loss 0.5\n" in result.out


def test_a_signal_stops_the_sweep(seqmodels, trainings):
    result = seqmodels("train", "-m", *SMALL, "seed=69,1")
    assert result.code == 143
    assert result.err.count("\n") == 1
    assert len(trainings) == 1


def test_resume_takes_the_runs_own_config_and_folder(seqmodels, trainings):
    assert seqmodels("train", *SMALL, "model/cell=gru", "name=old", "optimizer=sgd").code == 0
    folder = trainings[0][1]
    (folder / "checkpoints").mkdir()
    checkpoint = folder / "checkpoints" / "last.ckpt"
    checkpoint.touch()
    for resume in (folder, checkpoint):
        assert seqmodels("train", f"resume={resume}", "trainer.max_epochs=77").code == 0
        config, again = trainings[-1]
        assert again == folder
        assert config["trainer"]["max_epochs"] == 77
        assert config["resume"] == str(resume)
        before = {**trainings[0][0], "resume": None, "trainer": None}
        assert {**config, "resume": None, "trainer": None} == before


def test_resume_refuses_another_model(seqmodels, trainings):
    seqmodels("train", *SMALL, "run_dir=old")
    problem = "model.hidden_sizes: cannot change in a run that is resumed: it was [3], is [4]"
    assert seqmodels("train", "resume=old", "model.hidden_sizes=[4]") == (2, "", said("train", problem))
    unknown = "model.hidden: there is no such setting; did you mean model.hidden_sizes?"
    assert seqmodels("train", "resume=old", "model.hidden=4") == (2, "", said("train", unknown))


def test_resume_of_a_damaged_config(seqmodels, trainings):
    Path("old").mkdir()
    Path("old/config.yaml").write_text("[")
    reason = "old/config.yaml is no YAML of plain values: while parsing a flow node"
    problem = f"{reason}: it is damaged, or not the config of a run"
    assert seqmodels("train", "resume=old") == (2, "", said("train", problem))


def test_hydras_own_flags(seqmodels, trainings):
    result = seqmodels("train", "--cfg", "job", "--package", "optimizer", "optimizer=sgd")
    assert result.code == 0
    assert "name: sgd" in result.out
    assert trainings == []
