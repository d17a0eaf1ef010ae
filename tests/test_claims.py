"""A checkpoint or config that promises much is refused in words, soon, and before memory is taken for it."""

import io
import resource
import struct
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from seqmodels import checkpoint
from seqmodels.cli.config.compose import compose
from seqmodels.cli.config.library import Library
from seqmodels.files.claims import DEEPEST
from seqmodels.inference import load
from seqmodels.spec import Spec
from seqmodels.yaml_file import read_yaml

HUGE = 10**9
MOST_KILOBYTES = 300_000


@pytest.fixture(autouse=True)
def soon_and_small() -> Iterator[None]:
    """No test takes long, or makes the process much larger than it was."""
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert time.monotonic() - began < 20  # seconds, on a machine that is busy with others
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MOST_KILOBYTES


def config(*overrides: str) -> dict[str, Any]:
    data = ["data=csv", "data.path=a.csv", "data.target=b", "task=forecasting", "model/head=many_to_one"]
    return compose(Library(), [*data, *overrides]).config


SPEC = Spec("features", 2, "values", 3, "sequence", horizon=3, target_feature=0)


def content(**changes: Any) -> dict[str, Any]:
    """Of a checkpoint of the smallest model, with settings changed in its config."""
    from seqmodels.build import build_model, build_task

    made = config("++model.hidden_sizes=[2]", "++model.skip_steps=0")
    model = build_model(made, SPEC, build_task(made, SPEC))
    for name, value in changes.items():
        checkpoint.change(made, name.replace("__", "."), value)
    weights = {f"model.{name}": value for name, value in model.state_dict().items()}
    return {"state_dict": weights, checkpoint.KEY: {"config": made, "spec": SPEC.to_plain()}}


def written(path: Path, content: Any) -> Path:
    torch.save(content, path)
    return path


def rewritten(path: Path, change: Callable[[str, bytes], bytes], packed: bool = False) -> Path:
    """The checkpoint with its parts changed."""
    buffer = io.BytesIO()
    torch.save(content(), buffer)
    with zipfile.ZipFile(buffer) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED * packed) as new:
        for name in old.namelist():
            new.writestr(name, change(name.partition("/")[2], old.read(name)))
    return path


def test_the_smallest_checkpoint_is_read(tmp_path: Path) -> None:
    assert load(written(tmp_path / "good.ckpt", content())).spec == SPEC
    assert load(rewritten(tmp_path / "again.ckpt", lambda name, part: part)).spec == SPEC


def nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


def circular() -> Any:
    value: list[Any] = []
    value.append(value)
    return value


def laughing() -> Any:
    value: Any = ["ha"] * 10
    for _ in range(12):
        value = [value] * 10
    return value


LAYERS = [2] * 50_000
TAMPERED: dict[str, dict[str, Any]] = {
    "a width": {"model__hidden_sizes": [HUGE]},
    "a width past numbers": {"model__hidden_sizes": [10**40]},
    "a width below nothing": {"model__hidden_sizes": [-1]},
    "layers": {"model__hidden_sizes": LAYERS},
    "wide layers": {"model__hidden_sizes": [HUGE, HUGE]},
    "a width that is text": {"model__hidden_sizes": ["2"]},
    "a skip connection": {"model__skip_steps": HUGE},
    "heads": {"model__cell": {"name": "diagonal_gru", "init": "orthogonal"}, "model__hidden_sizes": [HUGE]},
    "a head's layers": {"model__head": {"name": "encoder_decoder", "hidden_sizes": LAYERS, "cell": {"name": "gru"}}},
    "another head": {"model__head": {"name": "mixture_density", "components": HUGE}},
    "nested": {"data__path": nested(10_000)},
    "circular": {"data__path": circular()},
    "laughing": {"data__path": laughing()},
    "a circular model": {"model__cell": circular()},
}  # fmt: skip


@pytest.mark.parametrize("case", TAMPERED)
def test_a_tampered_config(case: str, tmp_path: Path) -> None:
    import sys

    before = sys.getrecursionlimit()
    sys.setrecursionlimit(200_000)  # for those who write it
    try:
        path = written(tmp_path / "bad.ckpt", content(**TAMPERED[case]))
    finally:
        sys.setrecursionlimit(before)
    with pytest.raises(ValueError, match=r"bad\.ckpt|does not fit|proj_size"):
        load(path)


def test_a_tampered_spec(tmp_path: Path) -> None:
    for name, value in {"input_size": HUGE, "target_size": HUGE, "horizon": HUGE}.items():
        made = content()
        made[checkpoint.KEY]["spec"][name] = value
        with pytest.raises(ValueError, match=r"bad\.ckpt|not for this data"):
            load(written(tmp_path / "bad.ckpt", made))


def test_a_tensor_that_is_one_number_repeated(tmp_path: Path) -> None:
    made = content(model__hidden_sizes=[1000])
    made["state_dict"]["model.more"] = torch.zeros(1).expand(HUGE, HUGE)
    with pytest.raises(ValueError, match="stands on 4 bytes"):
        load(written(tmp_path / "bad.ckpt", made))


def pickled(*words: bytes) -> Callable[[str, bytes], bytes]:
    return lambda name, part: b"\x80\x02" + b"".join(words) + b"." if name == "data.pkl" else part


def storage(name: bytes, key: bytes, count: int) -> bytes:
    number = b"\x8a\x08" + struct.pack("<q", count)
    return b"(X\x07\0\0\0storagectorch\n%s\nX\x01\0\0\0%sX\x03\0\0\0cpu%stQ" % (name, key, number)


LONG = b"\x8a\x08" + struct.pack("<q", 10**11)
BOMBS = {
    "a buffer": pickled(b"c__builtin__\nbytearray\n", LONG, b"\x85R"),
    "a storage called": pickled(b"ctorch\nFloatStorage\n", LONG, b"\x85R"),
    "a storage called by another name": pickled(b"ctorch\nFloatStorage\nq\1h\1", LONG, b"\x85R"),
    "a storage larger than its bytes": pickled(storage(b"FloatStorage", b"0", HUGE)),
    "a storage that is not there": pickled(storage(b"FloatStorage", b"z", 1)),
    "a place far away": pickled(b"]r\xff\xff\xff\x7f0"),
    "a long word": pickled(b"X\xff\xff\xff\x7fabc"),
    "longer words": pickled(b"\x8e" + b"\xff" * 7 + b"\x7fabc"),
    "copies": pickled(b"(X\1\0\0\0a" + b"2" * 100 + b"l"),
    "a sparse tensor": pickled(b"ctorch._utils\n_rebuild_sparse_tensor\n)R"),
    "a function": pickled(b"cos\nsystem\nX\4\0\0\0true\x85R"),
    "nothing on the stack": pickled(b"R"),
    "no mark": pickled(b"t"),
    "deep": pickled(b"]" * 100_000, b"a" * 99_999),
    "parts that are another kind": lambda name, part: part + b"x" if name.startswith("data/") else part,
}


@pytest.mark.parametrize("case", BOMBS)
def test_a_pickle_that_asks_for_much(case: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"bad\.ckpt"):
        load(rewritten(tmp_path / "bad.ckpt", BOMBS[case]))


def test_an_archive_that_unpacks_to_much(tmp_path: Path) -> None:
    def zeros(name: str, part: bytes) -> bytes:
        return bytes(50 << 20) if name == "data/0" else part

    with pytest.raises(ValueError, match="packed"):
        load(rewritten(tmp_path / "bad.ckpt", zeros, packed=True))


def test_an_archive_whose_parts_are_the_same_bytes(tmp_path: Path) -> None:
    path = rewritten(tmp_path / "bad.ckpt", lambda name, part: part)
    whole = path.read_bytes()
    start = whole.rindex(b"PK\1\2", 0, whole.rindex(b"data/0"))
    path.write_bytes(whole[: start + 20] + struct.pack("<II", HUGE, HUGE) + whole[start + 28 :])
    with pytest.raises(ValueError, match="promise"):
        load(path)


YAMLS = {
    "laughs": "a: &a [ha, ha, ha, ha, ha, ha, ha, ha, ha]\n"
    + "".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)),
    "merged laughs": "a: &a {x: 1}\n"
    + "".join(f"{b}: &{b} {{<<: [{', '.join([f'*{a}'] * 9)}]}}\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)),
    "circular": "a: &a [*a]\n",
    "circular mapping": "a: &a\n  b: *a\n",
    "nested": "[" * 100_000,
    "nested blocks": "".join(" " * n + "a:\n" for n in range(400)),
    "nested little": "[" * (DEEPEST + 1) + "]" * (DEEPEST + 1),
    "many": "[" + "1," * 200_000 + "]",
    "20 MB": "a: " + "x" * 20_000_000,
    "code": "!!python/object/apply:os.system [true]",
    "keys that are lists": "? [1]\n: 2\n",
    "no text": "\x00",
}


@pytest.mark.parametrize("case", YAMLS)
def test_a_yaml_that_promises_much(case: str, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(YAMLS[case])
    with pytest.raises(ValueError, match=r"bad\.yaml"):
        read_yaml(tmp_path / "bad.yaml")


@pytest.mark.parametrize("case", ["a width", "layers", "wide layers"])
def test_a_tampered_run_is_not_resumed(case: str, tmp_path: Path) -> None:
    from seqmodels.training.run import train

    made = content(**TAMPERED[case])
    (tmp_path / "checkpoints").mkdir()
    written(tmp_path / "checkpoints" / "last.ckpt", made)
    with pytest.raises(ValueError, match="do not fit"):
        train({**made[checkpoint.KEY]["config"], "resume": str(tmp_path)}, tmp_path / "new")


def test_numbers_only_in_the_config_of_a_run(tmp_path: Path) -> None:
    from seqmodels.training.run import train

    (tmp_path / "checkpoints").mkdir()
    written(tmp_path / "checkpoints" / "last.ckpt", content())
    made = content(model__hidden_sizes=[HUGE])[checkpoint.KEY]["config"]
    with pytest.raises(ValueError, match="hidden_sizes"):
        train({**made, "resume": str(tmp_path)}, tmp_path / "new")
