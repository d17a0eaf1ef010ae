"""Every config error: its exit code and its exact words."""

import pytest

from seqmodels.cli.config.library import Library
from tests.cli.command import said

FORGETFUL = sorted(
    name for name in Library().options("model/cell") if "forget_bias" in Library().read("model/cell", name)
)
CELLS = ", ".join(sorted(Library().options("model/cell")))
DATA = ", ".join(sorted(Library().options("data")))

UNKNOWN = [
    ("model.hiden=3", "model.hiden: there is no such setting; did you mean model.hidden_sizes?"),
    ("+model.hiden=3", "model.hiden: there is no such setting; did you mean model.hidden_sizes?"),
    ("++model.hiden=3", "model.hiden: there is no such setting; did you mean model.hidden_sizes?"),
    ("trainer.max_epoch=3", "trainer.max_epoch: there is no such setting; did you mean trainer.max_epochs?"),
    ("lr=0.1", "lr: there is no such setting; did you mean optimizer.lr?"),
    ("epochs=3", "epochs: there is no such setting; did you mean trainer.max_epochs?"),
    ("model.cell.learning_rate=1", "model.cell.learning_rate: there is no such setting; did you mean optimizer.lr?"),
    ("+zzz.yyy=1", "zzz: there is no such setting"),
    ("cell=gru", "cell: there is no such setting; choose with model/cell=..."),
    (
        "model.cell.reset_gate=before",
        "model.cell.reset_gate: there is no such setting in model/cell=lstm; gru has it",
    ),
    (
        "task.label_smoothing=0.1",
        "task.label_smoothing: there is no such setting in task=language_modelling; "
        "classification, sequence_generation and tagging have it",
    ),
]

CHOICES = [
    ("model/cell=lsmt", f"model/cell: there is no 'lsmt'; did you mean 'lstm'? choose from: {CELLS}"),
    ("data=txet", f"data: there is no 'txet'; did you mean 'text'? choose from: {DATA}"),
    ("optimizer=zzzz", "optimizer: there is no 'zzzz'; choose from: adam, adamw, rmsprop, sgd"),
    ("optimizer=null", "optimizer: cannot be null; choose from: adam, adamw, rmsprop, sgd, or leave it out"),
    ("~optimizer", "~optimizer: cannot be left out; choose from: adam, adamw, rmsprop, sgd"),
    ("+optimizer=sgd", "+optimizer=sgd: optimizer is chosen without a plus: optimizer=sgd"),
    ("optimizer=[sgd,adam]", "optimizer=[sgd,adam]: choose one option by name: adam, adamw, rmsprop, sgd"),
    ("model.cell=gru", "model.cell: is a group of settings, not a single value: choose with model/cell=gru"),
    ("model.cell.name=gru", "model.cell.name: choose with model/cell=gru, so that its settings come too"),
    ("training=3", "training: is a group of settings, not a single value: set training.batch_size=..."),
    ("hydra/launcher=optuna", "hydra/launcher: there is no 'optuna'; choose from: basic"),
]

GRAMMAR = [
    ("model.dropout.rate=0.1", "model.dropout.rate: there is no such setting: model.dropout is a single value"),
    ("hydra.rnu.dir=x", "hydra.rnu.dir: there is no such setting"),
    ("~model.nothing", "model.nothing: there is no such setting"),
    ("gru", "'gru' is not an override: write name=value, such as optimizer.lr=0.001"),
    ("=3", "'=3' is not an override: write name=value, such as optimizer.lr=0.001"),
    (
        "data.path=a(b).txt",
        "'data.path=a(b).txt' cannot be read: close what is open, and quote special characters twice: "
        "\"data.path='a(b).txt'\"",
    ),
    ("seed=1,2", "seed=1,2: several values need -m (a sweep): seqmodels train -m seed=1,2"),
    ("hydra.searchpath=[x]", "hydra.searchpath: give your folder of configs with --config-dir DIR"),
    ("model.dropout=${nowhere}", "model.dropout: Interpolation key 'nowhere' not found"),
    ("--epochs", "--epochs: there is no such flag; settings are written name=value, such as trainer.max_epochs=20"),
    ("--data=text", "--data=text: settings are written without dashes: data=text"),
    ("--multi", "--multi: there is no such flag; did you mean '--multirun'?"),
]

SIZES = "a list such as [256], each item a whole number of at least 1 and at most 100000"
ROWS = "a whole number of at least 1 and at most 1000000"
RANGES = [
    ("model.hidden_sizes=256", f"model.hidden_sizes: must be {SIZES}, got 256"),
    ("model.hidden_sizes=[]", f"model.hidden_sizes: must be {SIZES}, got []"),
    ("model.hidden_sizes=[0]", f"model.hidden_sizes: must be {SIZES}, got [0]"),
    ("model.dropout=1", "model.dropout: must be a number of at least 0 and below 1, got 1"),
    ("model.dropout=-0.1", "model.dropout: must be a number of at least 0 and below 1, got -0.1"),
    ("model.dropout=nan", "model.dropout: must be a number of at least 0 and below 1, got nan"),
    ("model.bidirectional=2", "model.bidirectional: must be true or false, got 2"),
    ("model.merge=product", "model.merge: must be one of concat, sum, got 'product'"),
    ("model.cell.init=xavier", "model.cell.init: must be one of uniform, orthogonal, chrono, identity, got 'xavier'"),
    ("optimizer.lr=0", "optimizer.lr: must be a number above 0, got 0"),
    ("optimizer.lr=fast", "optimizer.lr: must be a number above 0, got 'fast'"),
    ("optimizer.lr=true", "optimizer.lr: must be a number above 0, got true"),
    ("optimizer.lr=inf", "optimizer.lr: must be a number above 0, got inf"),
    (
        "optimizer.betas=[0.9]",
        "optimizer.betas: must be a list such as [0.9, 0.999], each item a number of at least 0 and below 1, got [0.9]",
    ),
    ("training.batch_size=0", f"training.batch_size: must be {ROWS}, got 0"),
    (
        "training.batch_size=2.5",
        f"training.batch_size: must be {ROWS}, got 2.5",
    ),
    (
        "training.batch_size=null",
        f"training.batch_size: must be {ROWS}, got null",
    ),
    ("training.window=0", "training.window: must be a whole number of at least 1, or null, got 0"),
    ("training.k2=-1", "training.k2: must be a whole number of at least 1, or null, got -1"),
    ("seed=-1", "seed: must be a whole number of at least 0 and at most 4294967295, got -1"),
    ("name=a/b", "name: must be letters, digits, '.', '_' and '-' only, got 'a/b'"),
    ("plugins=mine", "plugins: must be a list of package names, such as [my_cells], got 'mine'"),
    ("data.val_fraction=1", "data.val_fraction: must be a number of at least 0 and below 1, got 1"),
    ("data.level=sentence", "data.level: must be one of character, byte, word, got 'sentence'"),
    (
        "trainer.max_epochs=0",
        "trainer.max_epochs: must be a whole number of at least 1, or -1 for no limit, or auto, got 0",
    ),
    (
        "trainer.max_time=5m",
        "trainer.max_time: must be days:hours:minutes:seconds such as 00:00:05:00, or null, got '5m'",
    ),
    (
        "trainer.precision=8",
        "trainer.precision: must be one of 32-true, 64-true, bf16-mixed, 16-mixed, bf16-true, 16-true, got 8",
    ),
    (
        "trainer.devices=0",
        "trainer.devices: must be a whole number of at least 1, or one of auto, "
        "or a list such as [0, 1], each item a whole number of at least 0, got 0",
    ),
    (
        "trainer.limit_val_batches=1.5",
        "trainer.limit_val_batches: must be a whole number of batches, or a share from 0.0 to 1.0, or null, got 1.5",
    ),
    (
        "trainer.limit_predict_batches=1",
        "trainer.limit_predict_batches: there is no such setting; did you mean trainer.limit_test_batches?",
    ),
    ("trainer.profiler=simple", "trainer.profiler: there is no such setting"),
    ("checkpoint.every_n_steps=0", "checkpoint.every_n_steps: must be a whole number of at least 1, got 0"),
]

NEEDED = (
    "data.path, data.target: need values: data.path=... data.target=... (data.path: .csv, .tsv (or .gz, .zip), "
    ".parquet, .jsonl, .arrow, .feather; or datasets:NAME_OR_FOLDER; data.target: the column to be learned; "
    "of sequences also several, such as [a, b])"
)
COMBINED = [
    (
        "experiment=gene_structure training.window=10",
        "training.window: a bidirectional model reads each sequence from its end too, so no state can be carried "
        "from window to window: set training.window=null or model.bidirectional=false",
    ),
    (
        "experiment=gene_structure training.k2=10",
        "training.k2: a bidirectional model has no past to cut the gradient in: set training.k2=null",
    ),
    (
        "experiment=adding training.window=10",
        "training.window: the many_to_one head needs whole sequences, so they cannot be cut into windows: "
        "set training.window=null",
    ),
    (
        "experiment=reversal training.window=10",
        "training.window: the encoder_decoder head needs whole sequences, so they cannot be cut into windows: "
        "set training.window=null",
    ),
    (
        "data=gene_structure task=tagging model/head=crf training.window=50",
        "training.window: the crf head gives a probability to a whole sequence only, so it cannot be cut into "
        "windows: set training.window=null",
    ),
    (
        "data=gene_structure task=tagging model/head=crf task.class_weights=balanced",
        "task.class_weights: is of single steps, and the crf head's loss is of sequences: set it to none",
    ),
    (
        "data=genome model/head=crf",
        "model/head: crf predicts tags, and task=language_modelling does not score them: choose another head",
    ),
    (
        "training.random_window=true training.window=null",
        "training.random_window: needs training.window, the length to draw around: set training.window=100",
    ),
    (
        "model.bidirectional=true training.window=null",
        "model.bidirectional: a language model that reads backwards has already seen the token it predicts: "
        "set model.bidirectional=false",
    ),
    (
        "experiment=surname_generation model/head=mixture_density",
        "model/head: pen strokes need mixture_density and stroke_generation together, got mixture_density and "
        "sequence_generation: choose model/head=one_to_many or encoder_decoder",
    ),
    (
        "experiment=adding model/head=one_to_many",
        "model/head: one_to_many predicts target sequences, and task=regression scores one target per sequence or "
        "one target per step: choose model/head=many_to_many or many_to_one or one_to_one, or another task",
    ),
    (
        "experiment=adding model/cell=elman model.cell.init=chrono",
        "model.cell.init: chrono sets the bias of a gate that keeps the state; elman has none: choose lstm or gru",
    ),
    (
        "model.cell.init=chrono",
        "model.cell.chrono_steps: init=chrono needs the longest dependency to expect: set model.cell.chrono_steps=100",
    ),
    (
        "model.cell.chrono_steps=100",
        "model.cell.chrono_steps: is read by model.cell.init=chrono only, got init=uniform",
    ),
    (
        "model/cell=elman model.cell.forget_bias=1",
        "model.cell.forget_bias: there is no such setting in model/cell=elman; "
        f"{', '.join(FORGETFUL[:-1])} and {FORGETFUL[-1]} have it",
    ),
    (
        "model.cell.coupled=true model.cell.forget_bias=1",
        "model.cell.coupled: coupled gates have no forget gate, which model.cell.forget_bias is for: leave one out",
    ),
    (
        "model.cell.bias=false model.cell.forget_bias=1",
        "model.cell.bias: model.cell.forget_bias needs biases: set model.cell.bias=true",
    ),
    ("model.cell.proj_size=256", "model.cell.proj_size: must be below every hidden size (256), got 256"),
    ("model.cell.heads=3", "model.cell.heads: must divide every hidden size, got 3 and 256"),
    ("model.cell.heads=0", "model.cell.heads: must be a whole number of at least 1, got 0"),
    (
        "model.cell.heads=2 model.cell.proj_size=8",
        "model.cell.proj_size: mixes the heads: set model.cell.proj_size=0 or model.cell.heads=1",
    ),
    (
        "model/cell=gru model.cell.heads=2 model.cell.reset_gate=before",
        "model.cell.heads: needs model.cell.reset_gate=after",
    ),
    ("model/cell=layer_norm_lstm model.cell.eps=0", "model.cell.eps: must be a number above 0, got 0"),
    (
        "model/cell=indrnn model.cell.longest_dependency=0",
        "model.cell.longest_dependency: must be a whole number of at least 1, or null, got 0",
    ),
    (
        "experiment=reversal model.head.cell.init=chrono",
        "model.head.cell.chrono_steps: init=chrono needs the longest dependency to expect: "
        "set model.head.cell.chrono_steps=100",
    ),
    (
        "experiment=reversal model.head.teacher_schedule=linear",
        "model.head.teacher_end: teacher_schedule=linear needs the probability at the training's end",
    ),
    (
        "experiment=reversal task.length_penalty=0.6",
        "task.length_penalty: is read by a beam only: set task.beam=4, or task.length_penalty=0",
    ),
    (
        "experiment=reversal model.head.teacher_end=0.5",
        "model.head.teacher_end: teacher_schedule=constant has no end: choose another schedule, or leave it null",
    ),
    (
        "experiment=reversal model.head.teacher_schedule=exponential model.head.teacher_end=0.0",
        "model.head.teacher_end: an exponential schedule never reaches 0: 0.01 will do",
    ),
    (
        "data.val_fraction=0.5 data.test_fraction=0.5",
        "data.val_fraction, data.test_fraction: must leave something to train on, got 0.5 and 0.5",
    ),
    (
        "optimizer=sgd optimizer.nesterov=true",
        "optimizer.nesterov: needs optimizer.momentum above 0 and optimizer.dampening=0",
    ),
    (
        "scheduler=cosine trainer.max_epochs=-1 trainer.max_time=00:00:01:00",
        "scheduler: cosine ends with the training: set trainer.max_epochs or trainer.max_steps",
    ),
    (
        "trainer.max_epochs=-1",
        "trainer: would never stop: set trainer.max_epochs, trainer.max_steps or trainer.max_time",
    ),
    (
        "scheduler=plateau trainer.limit_val_batches=0",
        "scheduler: plateau follows the validation metric, and trainer.limit_val_batches=0 leaves none",
    ),
    (
        "early_stopping.patience=2 trainer.limit_val_batches=0",
        "early_stopping.patience: follows the validation metric, and trainer.limit_val_batches=0 leaves none",
    ),
    (
        "scheduler=plateau data.val_fraction=0",
        "scheduler: plateau follows the validation metric, and data.val_fraction=0 leaves none",
    ),
    (
        "early_stopping.patience=2 data.val_fraction=0.0",
        "early_stopping.patience: follows the validation metric, and data.val_fraction=0 leaves none",
    ),
    (
        "experiment=reversal early_stopping.patience=2 data.val_size=0",
        "early_stopping.patience: follows the validation metric, and data.val_size=0 leaves none",
    ),
    (
        "experiment=reversal scheduler=none model.head.teacher_schedule=linear model.head.teacher_end=0.5 "
        "trainer.max_epochs=-1 trainer.max_time=00:00:01:00",
        "model.head.teacher_schedule: linear ends with the training: set trainer.max_epochs or trainer.max_steps",
    ),
    (
        "trainer.precision=16-mixed trainer.accelerator=cpu",
        "trainer.precision: 16-mixed needs a GPU; on the CPU use bf16-mixed or 32-true",
    ),
    (
        "trainer.check_val_every_n_epoch=null trainer.val_check_interval=0.5",
        "trainer.val_check_interval: must be a whole number of batches, such as 500, where "
        "trainer.check_val_every_n_epoch is null, got 0.5",
    ),
    ("trainer.devices=3", "training.batch_size: must divide evenly by the 3 processes, got 32"),
    ("resume=nowhere", "resume: there is no run folder or checkpoint nowhere"),
    ("data=csv", NEEDED),
    (
        "data=csv data.path=a.csv",
        "data.target: needs a value: data.target=... (the column to be learned; of sequences also several, such as "
        "[a, b])",
    ),
]


@pytest.mark.parametrize(("command", "problem"), [*CHOICES, *GRAMMAR])
def test_one_override(seqmodels, command, problem):
    assert seqmodels("train", command) == (2, "", said("train", problem))


@pytest.mark.parametrize("number", range(4))
def test_unknown_settings_and_ranges(seqmodels, number):
    """All settings at once, each with the first, second, ... of its mistakes."""
    bad: dict[str, list[tuple[str, str]]] = {}
    for command, problem in [*UNKNOWN, *RANGES]:
        bad.setdefault(problem.split(":")[0], []).append((command, problem))
    chosen = [cases[number] for cases in bad.values() if len(cases) > number]
    result = seqmodels("train", *(command for command, _ in chosen))
    assert result.code == 2
    told = result.err.splitlines()[1:] if len(chosen) > 1 else [result.err.removeprefix("seqmodels train:").rstrip()]
    assert sorted(line.strip() for line in told) == sorted(problem for _, problem in chosen)


@pytest.mark.parametrize(("command", "problem"), COMBINED)
def test_combination(seqmodels, command, problem):
    assert seqmodels("train", *command.split()) == (2, "", said("train", problem))


def test_all_problems_are_told_together(seqmodels):
    result = seqmodels(
        "train",
        "gru",
        "data=csv",
        "model/cell=lsmt",
        "+model.hiden=3",
        "model.dropout=2",
        "model.cell.init=chrono",
        "trainer.precision=16-mixed",
        "trainer.accelerator=cpu",
    )
    assert result.code == 2
    assert result.err == said(
        "train",
        "'gru' is not an override: write name=value, such as optimizer.lr=0.001",
        f"model/cell: there is no 'lsmt'; did you mean 'lstm'? choose from: {CELLS}",
        "model.dropout: must be a number of at least 0 and below 1, got 2",
        "model.hiden: there is no such setting; did you mean model.hidden_sizes?",
        "trainer.precision: 16-mixed needs a GPU; on the CPU use bf16-mixed or 32-true",
        NEEDED,
    )


def test_a_file_without_a_setting(seqmodels, tmp_path):
    file = tmp_path / "my.csv"
    file.touch()
    cure = f"name it, as data.path={file}, or --input {file} for a trained model"
    assert seqmodels("train", str(file)).err == said("train", f"'{file}' is no setting: {cure}")
    assert "is not an override" in seqmodels("train", "x" * 5000).err  # no name of a file can be so long


def test_a_sweep_is_checked_in_every_value_before_its_first_run(seqmodels):
    result = seqmodels("train", "-m", "model.dropout=0.1,2", "model/cell=gru,lsmt", "seed=1,2,x")
    assert result.code == 2
    assert result.err == said(
        "train",
        f"model/cell: there is no 'lsmt'; did you mean 'lstm'? choose from: {CELLS}",
        "seed: must be a whole number of at least 0 and at most 4294967295, got 'x'",
        "model.dropout: must be a number of at least 0 and below 1, got 2",
    )


def test_a_sweep_has_no_single_folder(seqmodels):
    problem = "run_dir: is the folder of a single run; for a sweep set hydra.sweep.dir=FOLDER"
    assert seqmodels("train", "-m", "seed=1,2", "run_dir=x") == (2, "", said("train", problem))


def test_show_prints_the_config_and_then_its_problems(seqmodels):
    result = seqmodels("show", "model.hiden=3")
    assert result.code == 2
    assert "\n  hiden: 3\n" in result.out
    assert result.err == said("show", "model.hiden: there is no such setting; did you mean model.hidden_sizes?")


def test_deleting_a_setting_gives_its_default(seqmodels):
    result = seqmodels("show", "~model.dropout")
    assert result.code == 0
    assert "\n  dropout: 0.0  # between layers\n" in result.out


def test_unknown_verb(seqmodels):
    verbs = "train, evaluate, predict, generate, forecast, backtest, data, report, transcribe, translate, list, show, "
    verbs += "doctor, benchmark"
    assert seqmodels("trian").err == f"seqmodels: there is no verb 'trian'; did you mean 'train'? verbs: {verbs}\n"
    assert seqmodels("trian").code == 2


def test_unknown_list(seqmodels):
    lists = "cells, heads, tasks, data, experiments, recipes, optimizers, schedulers"
    problem = f"there is no list of 'cell'; did you mean 'cells'? lists: {lists}"
    assert seqmodels("list", "cell") == (2, "", said("list", problem))
