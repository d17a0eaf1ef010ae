"""Which heads, tasks and models go together."""

from __future__ import annotations

from collections.abc import Iterator

from seqmodels.cli.compose import Plain

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


def shapes(config: Plain) -> Iterator[str]:
    """A head that predicts what the task does not score."""
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


def sees_future(config: Plain) -> Iterator[str]:
    """A language model that has seen what it predicts."""
    if config["task"]["name"] == "language_modelling" and config["model"]["bidirectional"]:
        yield (
            "model.bidirectional: a language model that reads backwards has already seen the token it predicts: "
            "set model.bidirectional=false"
        )
