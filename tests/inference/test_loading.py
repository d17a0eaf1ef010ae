"""From a checkpoint to a model: what is refused, and what is not imported."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import seqmodels
from seqmodels import checkpoint
from seqmodels.inference import load
from tests.inference.small_runs import write_table

CHANGES: dict[str, dict[str, Any]] = {
    "a group is missing": {"model": None},
    "a setting is missing": {"model.hidden_sizes": None},
    "a group is a number": {"model.head": 3},
    "no task": {"task": None},
}


def rewrite(run: Path, folder: Path, change) -> Path:
    """A copy of a run's checkpoint with its content changed."""
    content = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    change(content)
    file = folder / "changed.ckpt"
    torch.save(content, file)
    return file


def test_code_in_a_checkpoint_is_refused(classifier, tmp_path):
    def change(content):
        content[checkpoint.KEY]["config"]["model"]["cell"]["_target_"] = "os.system"

    with pytest.raises(ValueError, match=r"asks to run code \(_target_: 'os\.system'\): refused"):
        load(rewrite(classifier, tmp_path, change))


def test_plugins_must_be_named(classifier, tmp_path, monkeypatch):
    (tmp_path / "some_plugin.py").write_text("IMPORTED = True\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    file = rewrite(
        classifier, tmp_path, lambda content: content[checkpoint.KEY]["config"].update(plugins=["some_plugin"])
    )
    with pytest.raises(ValueError, match=r"load it with plugins=\['some_plugin'\]"):
        load(file)
    assert "some_plugin" not in sys.modules
    load(file, plugins=["some_plugin"])
    assert "some_plugin" in sys.modules


@pytest.mark.parametrize("case", CHANGES)
def test_a_damaged_config_is_told_in_words(classifier, tmp_path, case):
    def change(content):
        for name, value in CHANGES[case].items():
            *groups, last = name.split(".")
            holder = content[checkpoint.KEY]["config"]
            for group in groups:
                holder = holder[group]
            if value is None:
                del holder[last]
            else:
                holder[last] = value

    with pytest.raises(ValueError, match=r"changed\.ckpt is damaged or of another version"):
        load(rewrite(classifier, tmp_path, change))


@pytest.mark.parametrize("key", ["config", "spec"])
def test_a_checkpoint_without_its_config_or_spec(classifier, tmp_path, key):
    with pytest.raises(ValueError, match=f"lacks '?{key}"):
        load(rewrite(classifier, tmp_path, lambda content: content[checkpoint.KEY].pop(key)))


def test_weights_that_do_not_fit(classifier):
    with pytest.raises(ValueError, match="do not fit the model"):
        load(classifier, changes={"model.hidden_sizes": [7]})


def test_neither_lightning_nor_hydra_is_imported(characters, classifier, tmp_path):
    file = write_table(tmp_path / "new.csv", ["x1", "x2", "x3", "x4"], [[0.1, 0.2, 0.3, 0.4]])
    program = f"""
import sys
sys.path.insert(0, {str(Path(seqmodels.__file__).parents[1])!r})
import seqmodels
print(seqmodels.load({str(characters)!r}).generate("to", length=3, seed=1))
print(len(list(seqmodels.load({str(classifier)!r}).predict({str(file)!r}))))
heavy = ("lightning", "pytorch_lightning", "hydra", "omegaconf", "torchmetrics", "tensorboard")
print([name for name in heavy if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[1:] == ["1", "[]"]


def test_a_model_is_shown_in_one_line(classifier):
    shown = repr(load(classifier))
    assert shown.startswith("Model(data=csv, task=classification, head=many_to_one, ")
    assert len(shown) < 120  # and not all its weights, words and settings
