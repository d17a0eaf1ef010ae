"""Rules across settings: combinations that cannot work, each with its reason and a cure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Plain = dict[str, Any]

# Which targets a head predicts, and which a task scores: one per step, one per sequence, or a
# sequence of their own. Torch-free copies of the classes' own words; a test holds them equal.
HEAD_TARGETS = {
    "one_to_one": "sequence",
    "many_to_one": "sequence",
    "many_to_many": "step",
    "crf": "step",
    "one_to_many": "own",
    "encoder_decoder": "own",
    "mixture_density": "own",
    "ctc": "own",
}
TASK_TARGETS = {
    "language_modelling": ("step",),
    "tagging": ("step",),
    "classification": ("sequence",),
    "multilabel": ("sequence", "step"),
    "regression": ("sequence", "step"),
    "forecasting": ("sequence", "step"),
    "anomaly": ("step",),
    "sequence_generation": ("own",),
    "stroke_generation": ("own",),
    "transcription": ("own",),
}
# Of the heads and tasks with target sequences those that align them with the steps; the others unroll them.
UNALIGNED = ("ctc", "transcription")
# Those that are about movements of a pen, and not about tokens or plain values.
DRAWING = ("mixture_density", "stroke_generation")
# Cells without a gate that keeps the state, which chrono is for.
UNGATED = ("elman", "feedforward", "indrnn", "lru", "rglru")
# Cells that a regulariser finds nothing in to act on: a recurrent matrix, a field c of the state, a state.
_NO_MATRIX = ("feedforward", "lru", "mingru", "minlstm", "rglru")
_NO_C = ("diagonal_gru", "elman", "gru", "indrnn", "layer_norm_gru", "mgu", *_NO_MATRIX)
UNREGULARISED = {
    "recurrent_dropout": _NO_MATRIX,
    "weight_drop": _NO_MATRIX,
    "zoneout_h": ("feedforward",),
    "zoneout_c": _NO_C,
    "clip_gradient": ("feedforward",),
}


def combinations(config: Plain, decided: bool = True) -> Iterator[str]:
    """Every combination in a config that cannot work.

    Args:
        config: a config whose single values are good.
        decided: whether task and head are known yet.
    """
    of_parts = (
        (_sees_future, _run_of_tokens, _shapes, _skip, _window_of_head, _chain, _own_cell, _teacher, _beam)
        if decided
        else ()
    )
    for rule in (_windows, _fractions, _cell, _regularisers, _optimizer, _schedule, _trainer, *of_parts):
        yield from rule(config)


def _windows(config: Plain) -> Iterator[str]:
    training, model = config["training"], config["model"]
    window, k2 = training["window"], training["k2"]
    if window is not None and model["bidirectional"]:
        yield (
            "training.window: a bidirectional model reads each sequence from its end too, so no state can be carried "
            "from window to window: set training.window=null or model.bidirectional=false"
        )
    if window is not None and model.get("ngrams", 1) > 1:
        yield (
            "training.window: the tokens before a window are not known in it, which model.ngrams reads: "
            "set training.window=null or model.ngrams=1"
        )
    if k2 is not None and model.get("ngrams", 1) > 1:
        yield "training.k2: sequences are cut for it, and model.ngrams reads over the cut: set training.k2=null"
    if k2 is not None and model["bidirectional"]:
        yield "training.k2: a bidirectional model has no past to cut the gradient in: set training.k2=null"
    if training["random_window"] and window is None:
        yield "training.random_window: needs training.window, the length to draw around: set training.window=100"


def _fractions(config: Plain) -> Iterator[str]:
    val, test = (config["data"].get(f"{split}_fraction", 0) for split in ("val", "test"))
    if val + test >= 1:
        yield f"data.val_fraction, data.test_fraction: must leave something to train on, got {val} and {test}"


def _window_of_head(config: Plain) -> Iterator[str]:
    head = config["model"]["head"]["name"]
    if config["training"]["window"] is not None and HEAD_TARGETS.get(head, "step") != "step":
        yield (
            f"training.window: the {head} head needs whole sequences, so they cannot be cut into windows: "
            "set training.window=null"
        )


def _chain(config: Plain) -> Iterator[str]:
    if config["model"]["head"]["name"] != "crf":
        return
    task = config["task"]
    if task["name"] != "tagging":
        yield f"model/head: crf predicts tags, and task={task['name']} does not score them: choose another head"
        return
    if config["training"]["window"] is not None and not config["model"]["bidirectional"]:
        yield (
            "training.window: the crf head gives a probability to a whole sequence only, so it cannot be cut into "
            "windows: set training.window=null"
        )
    for option, neutral in (("class_weights", "none"), ("label_smoothing", 0)):
        if task.get(option, neutral) != neutral:
            yield f"task.{option}: is of single steps, and the crf head's loss is of sequences: set it to {neutral}"


def _sees_future(config: Plain) -> Iterator[str]:
    if config["task"]["name"] == "language_modelling" and config["model"]["bidirectional"]:
        yield (
            "model.bidirectional: a language model that reads backwards has already seen the token it predicts: "
            "set model.bidirectional=false"
        )


def _run_of_tokens(config: Plain) -> Iterator[str]:
    if config["task"]["name"] == "language_modelling" and config["model"].get("ngrams", 1) > 1:
        yield "model.ngrams: a language model writes token by token, each from the state alone: set model.ngrams=1"


def _shapes(config: Plain) -> Iterator[str]:
    head, task = config["model"]["head"]["name"], config["task"]["name"]
    if head not in HEAD_TARGETS or task not in TASK_TARGETS:
        return
    if HEAD_TARGETS[head] in TASK_TARGETS[task]:
        yield from _alignment(head, task)
        return
    fitting = [
        name
        for name, target in HEAD_TARGETS.items()
        if target in TASK_TARGETS[task]
        and (target != "own" or _family(name) == _family(task))
        and (name != "crf" or task == "tagging")
    ]
    words = {"step": "one target per step", "sequence": "one target per sequence", "own": "target sequences"}
    yield (
        f"model/head: {head} predicts {words[HEAD_TARGETS[head]]}, and task={task} scores "
        f"{' or '.join(words[target] for target in TASK_TARGETS[task])}: choose model/head="
        f"{' or '.join(fitting)}, or another task"
    )


def _family(name: str) -> str:
    """What kind of target sequences a head predicts or a task scores."""
    return "unaligned" if name in UNALIGNED else "drawing" if name in DRAWING else "unrolled"


def _alignment(head: str, task: str) -> Iterator[str]:
    if "drawing" in (_family(head), _family(task)) and _family(head) != _family(task):
        cure = "model/head=mixture_density" if task in DRAWING else "model/head=one_to_many or encoder_decoder"
        yield f"model/head: pen strokes need {' and '.join(DRAWING)} together, got {head} and {task}: choose {cure}"
        return
    if head in UNALIGNED and task not in UNALIGNED:
        yield (
            f"model/head: {head} says at each step which token is heard there, and task={task} wants whole sequences "
            "unrolled token by token: choose task=transcription, or model/head=encoder_decoder"
        )
    if task in UNALIGNED and head not in UNALIGNED:
        yield (
            f"model/head: {head} unrolls a sequence token by token, and task={task} aligns one with the steps of the "
            "input (CTC): choose model/head=ctc, or task=sequence_generation"
        )


def _cell(config: Plain) -> Iterator[str]:
    yield from _one_cell("model.cell", config["model"]["cell"], config["model"]["hidden_sizes"])


def _regularisers(config: Plain) -> Iterator[str]:
    cell = config["model"]["cell"]["name"]
    for option, value in config["model"].get("regularisers", {}).items():
        if value and cell in UNREGULARISED.get(option, ()):
            yield f"model.regularisers.{option}: finds nothing in the {cell} cell to act on: leave it out"


def _skip(config: Plain) -> Iterator[str]:
    head = config["model"]["head"]["name"]
    if config["model"].get("skip_steps") and HEAD_TARGETS.get(head, "sequence") != "sequence":
        yield f"model.skip_steps: adds to one prediction per sequence, and the {head} head has more: set it to 0"


def _own_cell(config: Plain) -> Iterator[str]:
    head = config["model"]["head"]
    if isinstance(head.get("cell"), dict) and "name" in head["cell"]:
        yield from _one_cell("model.head.cell", head["cell"], head.get("hidden_sizes", []))


def _one_cell(path: str, cell: Plain, hidden_sizes: list[int]) -> Iterator[str]:
    init, name = cell.get("init"), cell["name"]
    wants_gate = [f"{path}.init=chrono"] * (init == "chrono")
    wants_gate += [f"{path}.forget_bias"] * (cell.get("forget_bias") is not None)
    if init == "chrono" and name in UNGATED:
        yield f"{path}.init: chrono sets the bias of a gate that keeps the state; {name} has none: choose lstm or gru"
    elif init == "chrono" and cell.get("chrono_steps") is None:
        yield f"{path}.chrono_steps: init=chrono needs the longest dependency to expect: set {path}.chrono_steps=100"
    if init != "chrono" and cell.get("chrono_steps") is not None:
        yield f"{path}.chrono_steps: is read by {path}.init=chrono only, got init={init}"
    if wants_gate and cell.get("coupled"):
        yield f"{path}.coupled: coupled gates have no forget gate, which {wants_gate[0]} is for: leave one out"
    if wants_gate and not cell.get("bias", True):
        yield f"{path}.bias: {wants_gate[0]} needs biases: set {path}.bias=true"
    projection = cell.get("proj_size") or 0
    if projection and projection >= min(hidden_sizes, default=projection + 1):
        yield f"{path}.proj_size: must be below every hidden size ({min(hidden_sizes)}), got {projection}"
    yield from _heads(path, cell, hidden_sizes)
    if cell.get("r_min", 0) >= cell.get("r_max", 1):
        yield f"{path}.r_min: must be below {path}.r_max={cell['r_max']}, got {cell['r_min']}"


def _heads(path: str, cell: Plain, hidden_sizes: list[int]) -> Iterator[str]:
    heads = cell.get("heads") or 1
    uneven = [size for size in hidden_sizes if size % heads]
    if uneven:
        yield f"{path}.heads: must divide every hidden size, got {heads} and {uneven[0]}"
    if heads != 1 and cell.get("proj_size"):
        yield f"{path}.proj_size: mixes the heads: set {path}.proj_size=0 or {path}.heads=1"
    if heads != 1 and cell.get("reset_gate") == "before":
        yield f"{path}.heads: needs {path}.reset_gate=after"


def _teacher(config: Plain) -> Iterator[str]:
    head = config["model"]["head"]
    schedule, end = head.get("teacher_schedule", "constant"), head.get("teacher_end")
    if schedule == "constant" and end is not None:
        yield "model.head.teacher_end: teacher_schedule=constant has no end: choose another schedule, or leave it null"
    if schedule != "constant" and end is None:
        yield f"model.head.teacher_end: teacher_schedule={schedule} needs the probability at the training's end"
    if schedule != "constant" and _endless(config["trainer"]):
        yield (
            f"model.head.teacher_schedule: {schedule} ends with the training: "
            "set trainer.max_epochs or trainer.max_steps"
        )
    if schedule == "exponential" and 0 in (head.get("teacher_start"), end):
        yield "model.head.teacher_end: an exponential schedule never reaches 0: 0.01 will do"


def _beam(config: Plain) -> Iterator[str]:
    task = config["task"]
    if task.get("length_penalty") and task.get("beam") == 1:
        yield "task.length_penalty: is read by a beam only: set task.beam=4, or task.length_penalty=0"


def _optimizer(config: Plain) -> Iterator[str]:
    optimizer = config["optimizer"]
    if optimizer.get("nesterov") and (optimizer.get("momentum") == 0 or optimizer.get("dampening") != 0):
        yield "optimizer.nesterov: needs optimizer.momentum above 0 and optimizer.dampening=0"


def _schedule(config: Plain) -> Iterator[str]:
    name, trainer = config["scheduler"]["name"], config["trainer"]
    unlimited = _endless(trainer)
    if name in ("one_cycle", "cosine") and unlimited:
        yield f"scheduler: {name} ends with the training: set trainer.max_epochs or trainer.max_steps"
    unwatched = _unwatched(config)
    if name == "plateau" and unwatched:
        yield f"scheduler: plateau follows the validation metric, and {unwatched} leaves none"
    if config["early_stopping"]["patience"] is not None and unwatched:
        yield f"early_stopping.patience: follows the validation metric, and {unwatched} leaves none"
    if config["task"].get("conformal") and unwatched:
        yield f"task.conformal: corrects the interval on the validation split, and {unwatched} leaves none"
    if unlimited and trainer["max_time"] is None and config["early_stopping"]["patience"] is None:
        yield "trainer: would never stop: set trainer.max_epochs, trainer.max_steps or trainer.max_time"


def _endless(trainer: Plain) -> bool:
    """Whether the training has no end that is known before."""
    return bool(trainer["max_epochs"] == -1 and trainer["max_steps"] == -1)


def _unwatched(config: Plain) -> str | None:
    """The setting by which there is no validation, if one does."""
    found = {
        "data.val_fraction": config["data"].get("val_fraction"),
        "data.val_size": config["data"].get("val_size"),
        "trainer.limit_val_batches": config["trainer"]["limit_val_batches"],
    }
    return next((f"{name}=0" for name, value in found.items() if value is not None and value == 0), None)


def _trainer(config: Plain) -> Iterator[str]:
    trainer, training = config["trainer"], config["training"]
    if trainer["precision"].startswith("16") and trainer["accelerator"] == "cpu":
        yield f"trainer.precision: {trainer['precision']} needs a GPU; on the CPU use bf16-mixed or 32-true"
    every = trainer["val_check_interval"]
    if trainer["check_val_every_n_epoch"] is None and not isinstance(every, int):
        yield (
            "trainer.val_check_interval: must be a whole number of batches, such as 500, where "
            f"trainer.check_val_every_n_epoch is null, got {'null' if every is None else every}"
        )
    devices = trainer["devices"]
    ranks = (len(devices) if isinstance(devices, list) else devices) if devices != "auto" else 1
    ranks *= trainer["num_nodes"]
    if training["batch_size"] % ranks:
        yield f"training.batch_size: must divide evenly by the {ranks} processes, got {training['batch_size']}"
