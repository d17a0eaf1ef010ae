"""What a head allows of the rest, and its own options among one another."""

from collections.abc import Iterator

from seqmodels.cli.config.settings import Plain
from seqmodels.cli.rules.fit import predicts
from seqmodels.cli.rules.training import endless
from seqmodels.registry import known


def _shape(head: str, unknown: str) -> str:
    return predicts(known("head")[head]) if head in known("head") else unknown


def window_of_head(config: Plain) -> Iterator[str]:
    """Refuse windows for a head that needs whole sequences."""
    head = config["model"]["head"]["name"]
    if config["training"]["window"] is not None and _shape(head, "step") != "step":
        yield (
            f"training.window: the {head} head needs whole sequences, so they cannot be cut into windows: "
            "set training.window=null"
        )


def skip(config: Plain) -> Iterator[str]:
    """Refuse skipped steps with a head that predicts more than once per sequence."""
    head = config["model"]["head"]["name"]
    if config["model"].get("skip_steps") and _shape(head, "sequence") != "sequence":
        yield f"model.skip_steps: adds to one prediction per sequence, and the {head} head has more: set it to 0"
    if config["model"].get("skip_fit") == "ridge":
        if not config["model"].get("skip_steps"):
            yield "model.skip_fit: ridge needs model.skip_steps, how far back it reads: set model.skip_fit=trained"
        elif config["task"]["name"] != "forecasting" or head not in ("one_to_one", "many_to_one"):
            yield "model.skip_fit: ridge is for task=forecasting, model/head=many_to_one: set model.skip_fit=trained"


def chain(config: Plain) -> Iterator[str]:
    """Refuse what the linear-chain CRF is not for."""
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


def teacher(config: Plain) -> Iterator[str]:
    """Check the schedule of teacher forcing."""
    head = config["model"]["head"]
    schedule, end = head.get("teacher_schedule", "constant"), head.get("teacher_end")
    if schedule == "constant" and end is not None:
        yield "model.head.teacher_end: teacher_schedule=constant has no end: choose another schedule, or leave it null"
    if schedule != "constant" and end is None:
        yield f"model.head.teacher_end: teacher_schedule={schedule} needs the probability at the training's end"
    if schedule != "constant" and endless(config["trainer"]):
        yield (
            f"model.head.teacher_schedule: {schedule} ends with the training: "
            "set trainer.max_epochs or trainer.max_steps"
        )
    if schedule == "exponential" and 0 in (head.get("teacher_start"), end):
        yield "model.head.teacher_end: an exponential schedule never reaches 0: 0.01 will do"


def beam(config: Plain) -> Iterator[str]:
    """Refuse a length penalty without a beam."""
    task = config["task"]
    if task.get("length_penalty") and task.get("beam") == 1:
        yield "task.length_penalty: is read by a beam only: set task.beam=4, or task.length_penalty=0"
