"""Somebody else's run or folder runs no code: plugins are named and asked for, the working folder is not searched."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

import seqmodels as package
from seqmodels.cli.config.compose import compose
from seqmodels.cli.config.library import Library
from seqmodels.spec import Spec

CANARY = "from pathlib import Path\nPath({!r}).touch()\n"
ROOT = Path(package.__file__).parents[1]

VERBS = {
    "train": ["train", "resume=run"],
    "train, a checkpoint": ["train", "resume=run/checkpoints/last.ckpt"],
    "train, a sweep": ["train", "-m", "resume=run", "seed=1,2"],
    "train, a copy": ["train", "resume=run", "run_dir=other"],
    "show": ["show", "resume=run"],
    "doctor": ["doctor", "resume=run"],
    "data inspect": ["data", "inspect", "resume=run"],
    "backtest": ["backtest", "run"],
    "evaluate": ["evaluate", "run"],
    "predict": ["predict", "run", "--input", "table.csv"],
    "generate": ["generate", "run"],
    "forecast": ["forecast", "run"],
    "transcribe": ["transcribe", "run", "table.csv"],
    "translate": ["translate", "run", "--text", "a"],
    "report": ["report", "run"],
}


@pytest.fixture
def hostile(seqmodels, tmp_path, monkeypatch):
    """A run whose config and checkpoint name a plugin that could be imported, and leaves a file when it is."""
    (tmp_path / "hostile_plugin.py").write_text(CANARY.format(str(tmp_path / "ran")))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "hostile_plugin", raising=False)
    (tmp_path / "table.csv").write_text("a,b\n" + "1,2\n3,4\n" * 20)
    made = compose(
        Library(), ["data=csv", "data.path=table.csv", "data.target=b", "task=forecasting", "model/head=many_to_one"]
    )
    config = {**made.config, "plugins": ["hostile_plugin"]}
    spec = Spec("features", 1, "values", 1, "sequence").to_plain()
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    (tmp_path / "run" / "config.yaml").write_text(yaml.safe_dump(config))
    (tmp_path / "run" / "metrics.json").write_text('{"seconds": 1, "steps": 1, "parameters": 1}')
    stored = {"state_dict": {}, "seqmodels": {"config": config, "spec": spec}}
    for name in ("best", "last"):
        torch.save(stored, tmp_path / "run" / "checkpoints" / f"{name}.ckpt")
    monkeypatch.setattr(sys, "argv", ["seqmodels", "train"])
    return seqmodels


@pytest.mark.parametrize("verb", VERBS)
def test_plugins_of_a_run_are_asked_for_and_not_imported(hostile, verb):
    result = hostile(*VERBS[verb])
    assert not Path("ran").exists()
    assert result.code in (1, 2)
    assert "is made of parts from hostile_plugin; if you trust them" in result.err


ORDERS = {
    "hydra": {"callbacks": {"a": {"_target_": "hostile_plugin.Callback"}}},
    "hydra of no code": {"run": {"dir": "elsewhere"}},
    "defaults": ["hydra/job_logging: hostile"],
    "searchpath": ["file://."],
    "model": {"head": {"_target_": "hostile_plugin.Head"}},
}


@pytest.mark.parametrize("verb", ["train", "data inspect", "backtest", "evaluate", "report"])
@pytest.mark.parametrize("order", ORDERS)
def test_what_a_run_tells_hydra_is_refused(hostile, verb, order):
    config = yaml.safe_load(Path("run/config.yaml").read_text())
    config |= {order.split()[0]: ORDERS[order], "plugins": []}
    Path("run/config.yaml").write_text(yaml.safe_dump(config))
    result = hostile(*VERBS[verb])
    assert result.code == 2
    assert "run/config.yaml" in result.err
    assert not Path("ran").exists()


@pytest.mark.parametrize("verb", ["train", "data inspect", "backtest", "evaluate"])
def test_plugins_that_the_user_names_are_imported(hostile, verb):
    hostile(*VERBS[verb], "plugins=[hostile_plugin]", *(["--folds", "1"] if verb == "backtest" else []))
    assert Path("ran").exists()


NAMES = (
    *("org", "pyarrow", "datasets", "sentencepiece", "soundfile", "Bio", "statsmodels", "fsspec", "numba"),
    *("numpy", "torch", "yaml", "rich", "hydra", "omegaconf", "pandas", "scipy", "matplotlib", "triton"),
    *("tensorboard", "pytorch_lightning", "lightning", "numexpr", "bottleneck", "IPython", "cv2", "moviepy"),
    *(
        "cupy",
        "xarray",
        "tensorflow",
        "google",
        "litlogger",
        "psutil",
        "_distutils_hack",
        "colorama",
        "resource_tracker",
    ),
    *("multiprocessing", "socket", "tempfile", "random", "pickle", "hydra_plugins"),
)


@pytest.mark.parametrize("command", ["inspect", pytest.param("train", marks=pytest.mark.slow)])
def test_modules_in_the_working_folder_are_not_imported(tmp_path, command):
    folder = tmp_path / "downloads"
    folder.mkdir()
    for name in NAMES:
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text(CANARY.format(str(tmp_path / f"ran {name}")))
    (folder / "table.csv").write_text("x1,x2,x3,kind\n" + "".join(f"{i},2,3,a\n3,{i},1,b\n" for i in range(40)))
    words = {
        "inspect": ["data", "inspect"],
        # Two processes by spawning, and workers: each is a Python of its own.
        "train": [
            "train", "trainer.max_steps=1", "training.workers=1", "trainer.devices=2", "trainer.accelerator=cpu",
            "model.hidden_sizes=[3]", "diagnostics.enabled=false", "trainer.enable_progress_bar=false",
        ],
    }  # fmt: skip
    start = [
        sys.executable,
        "-m",
        "seqmodels",
        *words[command],
        "data=csv",
        "data.path=table.csv",
        "data.target=kind",
        "data.layout=wide",
    ]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "SEQMODELS_DEBUG": "0"}
    done = subprocess.run(start, cwd=folder, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in tmp_path.glob("ran *")) == []


def test_a_checkout_and_a_named_plugin_are_found(tmp_path):
    (tmp_path / "seqmodels").symlink_to(ROOT / "seqmodels")
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    (tmp_path / "my_plugin.py").write_text(CANARY.format(str(tmp_path / "ran")))
    command = [sys.executable, "-m", "seqmodels", "data", "inspect", "experiment=running_sum", "plugins=[my_plugin]"]
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "ran").exists()
