"""What a cell can be told, and what a regulariser can act on."""

from collections.abc import Iterator

from seqmodels.cli.config.settings import Plain
from seqmodels.parts import Part
from seqmodels.registry import known


def cell(config: Plain) -> Iterator[str]:
    """Check the options of the layers' cell."""
    yield from _one_cell("model.cell", config["model"]["cell"], config["model"]["hidden_sizes"])


def own_cell(config: Plain) -> Iterator[str]:
    """Check the cell that a head has for itself."""
    head = config["model"]["head"]
    if isinstance(head.get("cell"), dict) and "name" in head["cell"]:
        yield from _one_cell("model.head.cell", head["cell"], head.get("hidden_sizes", []))


def _one_cell(path: str, cell: Plain, hidden_sizes: list[int]) -> Iterator[str]:
    init, name = cell.get("init"), cell["name"]
    wants_gate = [f"{path}.init=chrono"] * (init == "chrono")
    wants_gate += [f"{path}.forget_bias"] * (cell.get("forget_bias") is not None)
    if init == "chrono" and not is_gated(known("cell").get(name)):
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


def regularisers(config: Plain) -> Iterator[str]:
    """Refuse regularisers that would change nothing."""
    cell = config["model"]["cell"]["name"]
    for option, value in config["model"].get("regularisers", {}).items():
        if value and cell in known("cell") and not can_have(known("cell")[cell], option):
            yield f"model.regularisers.{option}: finds nothing in the {cell} cell to act on: leave it out"


def is_gated(cell: Part | None) -> bool:
    """Return whether a gate keeps the cell's state, which chrono is for; of an unknown cell nothing is said."""
    return cell is None or any(cell.attributes.get(gate) for gate in ("keep_gate", "write_gate"))


def can_have(cell: Part, regulariser: str) -> bool:
    """Return whether a cell has what a regulariser acts on: a recurrent matrix, a field of the state, a state."""
    fields = cell.attributes.get("state_type", ())
    if regulariser in ("recurrent_dropout", "weight_drop"):
        return "GatedCell" in cell.bases
    if regulariser.startswith("zoneout_"):
        return regulariser.removeprefix("zoneout_") in fields
    return regulariser != "clip_gradient" or bool(fields)
