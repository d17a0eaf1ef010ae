"""`import seqmodels` and all of its layers, heads and models: torch and nothing heavier, and little time."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import seqmodels

# In a fresh process: what the public modules of floors 0 to 4 add to torch, and how long they take.
PROGRAM = """
import json, sys, time
import torch
before, start = set(sys.modules), time.perf_counter()
import seqmodels
for name in ("Recurrent", "Stack", "Bidirectional", "RNN", "LSTM", "GRU", "LSTMCell", "SequenceBatch", "register"):
    getattr(seqmodels, name)
import seqmodels.heads, seqmodels.model
seconds = time.perf_counter() - start
print(json.dumps([seconds, sorted({name.split(".")[0] for name in set(sys.modules) - before})]))
"""


def fresh_process(program: str) -> str:
    root = Path(seqmodels.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(root)!r})\n{program}"],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_only_torch_and_little_time() -> None:
    fastest = float("inf")
    for _ in range(6):  # the machine may be busy: the fastest of some tries counts
        seconds, added = json.loads(fresh_process(PROGRAM))
        heavy = set(added) - set(sys.stdlib_module_names) - {"seqmodels", "torch"}
        assert not heavy
        fastest = min(fastest, seconds)
        if fastest < 0.3:
            return
    pytest.fail(f"import seqmodels takes {fastest:.2f} s on top of torch; at most 0.3 s is allowed")


def test_the_name_alone_needs_not_even_torch() -> None:
    loaded = fresh_process("import seqmodels; print('torch' in sys.modules, seqmodels.__version__)")
    assert loaded.split() == ["False", seqmodels.__version__]


def test_every_public_name_is_there() -> None:
    for name in seqmodels.__all__:
        assert getattr(seqmodels, name) is not None
        assert name in dir(seqmodels)
    with pytest.raises(AttributeError, match="has no attribute 'LTSM'"):
        _ = seqmodels.LTSM
