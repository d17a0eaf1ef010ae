"""Write down what every source makes of its data: ``python -m tests.golden.freeze [CASE ...]`` freezes it anew.

What is frozen is a promise: freeze again only where the answer changes on purpose, and look at what git shows.
"""

import hashlib
import inspect
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import seqmodels
from seqmodels.build import build_source, open_data
from seqmodels.cli.config.library import Library
from seqmodels.dataset import SequenceDataset
from seqmodels.registry import find
from tests.golden.files import FILES, STAND_INS
from tests.training.runs import compose_config

FROZEN = Path(__file__).parent / "frozen"
BLOCKS, SEQUENCES, STEPS, SHOWN, LISTED, LONG = 16, 2000, 200_000, 20, 40, 1000
WEIGHTS = np.random.RandomState(0).uniform(-1, 1, 100_003)  # a stream that no version of numpy changes


def cases() -> list[str]:
    """The names of all cases: experiments, data sets that no experiment takes as they are, and small files."""
    library = Library()
    experiments = sorted(library.options("experiment"))
    unchanged = {name for name in experiments if not library.read("experiment", name).get("data")}
    sets = [name for name in library.options("data") if "???" not in map(str, library.read("data", name).values())]
    names = [f"experiment {name}" for name in experiments]
    return [*names, *(f"data {name}" for name in sorted(set(sets) - unchanged)), *(f"file {name}" for name in FILES)]


def config_of(case: str) -> dict[str, Any]:
    """The config of a case, whose files are written into the working folder."""
    kind, name = case.split(" ", 1)
    if kind == "file":
        files, data = FILES[name]
        config: dict[str, Any] = {"data": {"path": next(iter(files)), **data}}
    else:
        files = STAND_INS.get(name, {}) if kind == "experiment" else {}
        path = "." if name == "spoken_digits_wav" else next(iter(files), None)
        config = compose_config(f"{kind}={name}", *([f"data.path={path}"] if path else []))
    for file, content in files.items():
        Path(file).parent.mkdir(exist_ok=True)
        Path(file).write_bytes(content)
    if "cache_dir" in inspect.signature(find("data", config["data"]["name"])).parameters:
        config["data"]["cache_dir"] = "../cache"
    return config


def answer(case: str) -> dict[str, Any]:
    """What the source of a case says and gives, as plain values, in the working folder."""
    config = config_of(case)
    source = build_source(config)
    described, splits = source.describe(), source.splits()
    notes, spec = list(source.notes), splits["train"].spec
    made = {name: frozen(split) for name, split in splits.items()}
    if case.startswith("file"):
        made["opened"] = opened(config, spec)
    found = {"describe": described, "notes": notes, "suggest": source.suggest(), "spec": spec.to_plain()}
    for name, value in found.items():
        found[name] = short(value)
    text = json.dumps({**found, "splits": made})
    for place, word in ((Path.cwd(), "FOLDER"), (Path(seqmodels.__file__).parent, "PACKAGE")):
        text = text.replace(str(place), word)
    plain: dict[str, Any] = json.loads(text)
    return plain


def opened(config: dict[str, Any], spec: Any) -> Any:
    """The first file, encoded as a new one is; or why it is refused."""
    try:
        return frozen(open_data(config, spec, config["data"]["path"]))
    except ValueError as error:
        return str(error)


def frozen(split: SequenceDataset) -> dict[str, Any]:
    """Amounts, prints of membership and order, and three sequences of a split."""
    lengths = np.asarray(split.lengths)
    count = min(len(lengths), SEQUENCES, max(BLOCKS, STEPS // max(1, int(lengths.mean()))))
    chosen = np.unique(np.linspace(0, len(lengths) - 1, count).round().astype(int)).tolist()
    inputs, targets = zip(*(split.read(i, 0, int(lengths[i])) for i in chosen), strict=True)
    return {
        "sequences": len(lengths),
        "steps": int(lengths.sum()),
        "stream": bool(split.stream),
        "lengths": prints([np.asarray(n) for n in lengths]),
        "inputs": prints(list(inputs)),
        "targets": prints(list(targets)),
        "weights": None if split.weights is None else prints([np.asarray(split.weights)]),
        "groups": None if split.groups is None else digest([str(group) for group in split.groups]),
        "shown": [one(split, int(i)) for i in sorted({0, len(lengths) // 2, len(lengths) - 1})],
    }


def prints(arrays: list[np.ndarray]) -> list[Any]:
    """A digest of each of at most 16 stretches of arrays: of whole numbers a hash, of others a weighted mean.

    Numbers that differ by a rounding error have nearly the same weighted mean, while rounded ones may differ by a
    digit and have another hash. It is divided by the root of their count: a change in one of them is seen.
    """
    found: list[Any] = []
    for block in np.array_split(np.arange(len(arrays)), min(BLOCKS, len(arrays))):
        parts = [np.ravel(arrays[i]) for i in block.tolist()]
        flat = np.concatenate(parts)
        if np.issubdtype(flat.dtype, np.floating):
            weights = np.resize(WEIGHTS, len(flat))
            found.append(float((flat.astype(np.float64) * weights).sum() / max(1, len(flat)) ** 0.5))
        else:
            content = flat.astype("<i8").tobytes() + str([len(part) for part in parts]).encode()
            found.append(hashlib.sha256(content).hexdigest()[:12])
    return found


def one(split: SequenceDataset, index: int) -> dict[str, Any]:
    """A sequence: its first 20 steps, or fewer where a step is wide, and what it says of where it is from."""
    inputs, targets = split.read(index, 0, int(split.lengths[index]))
    aims = np.atleast_1d(targets)
    rows = min(SHOWN, max(4, 160 // max(inputs.size // len(inputs), aims.size // len(aims))))
    origin = None if split.origins is None else {k: short(str(value)) for k, value in split.origins[index].items()}
    shown = rounded(inputs[:rows]), rounded(aims[:rows])
    return {"at": index, "inputs": shown[0], "targets": shown[1], "origin": origin}


def rounded(values: np.ndarray) -> Any:
    if not np.issubdtype(values.dtype, np.floating):
        return values.tolist()
    return [rounded(row) for row in values] if values.ndim else float(f"{float(values):.8g}")


def short(value: Any) -> Any:
    """The value, with long lists and texts as their length and a digest."""
    if isinstance(value, dict):
        return {str(key): short(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        plain = [short(inner) for inner in value]
        whole = len(plain) > LISTED and not any(isinstance(inner, float) for inner in plain)
        return {"first": plain[:5], "length": len(plain), "digest": digest(plain)} if whole else plain
    if isinstance(value, str) and len(value) > LONG:
        return {"first": value[:50], "length": len(value), "digest": digest(value)}
    return value.item() if isinstance(value, np.generic) else value


def digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16]


def file_of(case: str) -> Path:
    return FROZEN / f"{case.replace(' ', '_')}.json"


def main(names: list[str]) -> None:
    """Freeze the named cases, or all of them; what belongs to no case any more is removed."""
    FROZEN.mkdir(exist_ok=True)
    for stale in set(FROZEN.glob("*.json")) - {file_of(case) for case in cases()}:
        stale.unlink()
    before = os.getcwd()
    for case in names or cases():
        with tempfile.TemporaryDirectory() as folder:
            inside = Path(folder) / "data"
            inside.mkdir()
            os.chdir(inside)
            lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in answer(case).items()]
            os.chdir(before)
            file_of(case).write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
