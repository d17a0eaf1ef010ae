"""Which heads, tasks and models go together."""

from collections.abc import Iterator

from seqmodels.cli.config.settings import Plain
from seqmodels.parts import Part, shipped
from seqmodels.registry import known

WORDS = {"step": "one target per step", "sequence": "one target per sequence", "own": "target sequences"}


def shapes(config: Plain) -> Iterator[str]:
    """Refuse a head that predicts what the task does not score."""
    head, task = known("head").get(config["model"]["head"]["name"]), known("task").get(config["task"]["name"])
    if head is None or task is None:
        return
    if predicts(head) in scores(task):
        yield from _alignment(head, task)
        return
    fitting = [other.name for other in shipped("head").values() if _fits(other, task)]
    yield (
        f"model/head: {head.name} predicts {WORDS[predicts(head)]}, and task={task.name} scores "
        f"{' or '.join(WORDS[target] for target in scores(task))}: choose model/head="
        f"{' or '.join(fitting)}, or another task"
    )


def predicts(head: Part) -> str:
    """Return which targets a head predicts: one per "step", one per "sequence", or a sequence of their "own"."""
    return str(head.attributes["target_shape"])


def scores(task: Part) -> tuple[str, ...]:
    """Return which targets a task scores."""
    return tuple(task.attributes["target_shapes"])


def _fits(head: Part, task: Part) -> bool:
    own = predicts(head) == "own"
    chain = head.name == "crf"  # whose potentials only tagging reads
    return (
        predicts(head) in scores(task)
        and (not own or _family(head) == _family(task))
        and (not chain or task.name == "tagging")
    )


def _family(part: Part) -> str:
    """Return the kind of target sequences that a head predicts or a task scores."""
    families = ("unaligned", "drawing")
    return next((family for family in families if part.attributes.get(family)), "unrolled")


def _alignment(head: Part, task: Part) -> Iterator[str]:
    families = (_family(head), _family(task))
    if families[0] == families[1] or predicts(head) != "own":
        return
    if "drawing" in families:
        pair = [one.name for kind in ("head", "task") for one in shipped(kind).values() if _family(one) == "drawing"]
        cure = f"model/head={pair[0]}" if families[1] == "drawing" else "model/head=one_to_many or encoder_decoder"
        got = f"got {head.name} and {task.name}: choose {cure}"
        yield f"model/head: pen strokes need {' and '.join(pair)} together, {got}"
    elif families[0] == "unaligned":
        yield (
            f"model/head: {head.name} says at each step which token is heard there, and task={task.name} wants whole "
            "sequences unrolled token by token: choose task=transcription, or model/head=encoder_decoder"
        )
    else:
        yield (
            f"model/head: {head.name} unrolls a sequence token by token, and task={task.name} aligns one with the "
            "steps of the input (CTC): choose model/head=ctc, or task=sequence_generation"
        )


def sees_future(config: Plain) -> Iterator[str]:
    """Refuse a language model that has seen what it predicts."""
    if config["task"]["name"] == "language_modelling" and config["model"]["bidirectional"]:
        yield (
            "model.bidirectional: a language model that reads backwards has already seen the token it predicts: "
            "set model.bidirectional=false"
        )
