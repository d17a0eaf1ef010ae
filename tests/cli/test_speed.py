"""Help, lists and config errors come at once: without torch, Lightning or the data's libraries."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "pytorch_lightning", "pandas", "sklearn", "matplotlib", "numpy")
QUICK = [
    (["--help"], 0),
    (["train", "--help"], 0),
    (["--version"], 0),
    (["list"], 0),
    (["show", "experiment=text_characters"], 0),
    (["train", "model.hiden=3", "data=csv", "optimizer.lr=-1"], 2),
    (["train", "data=txet"], 2),
    (["train", "-m", "model.hiden=1,2", "seed=1,2"], 2),
    (["trian"], 2),
    (["evaluate", "nowhere"], 2),
    (["generate"], 2),
    (["benchmark", "--help"], 0),
    (["benchmark", "--modes", "trian"], 2),
]


def run(code: str, *arguments: str, cwd: Path) -> tuple[int, float]:
    """Exit code, and the seconds of processor time: what others do on the machine does not count."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return done.returncode, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@pytest.mark.parametrize(("arguments", "code"), QUICK, ids=[" ".join(arguments) for arguments, _ in QUICK])
def test_nothing_heavy_is_imported(arguments, code, tmp_path):
    check = (
        "import sys\nfrom seqmodels.cli.main import main\ncode = main(sys.argv[1:])\n"
        f"loaded = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "sys.exit(f'imported {loaded}' if loaded else code)"
    )
    assert run(check, *arguments, cwd=tmp_path)[0] == code


@pytest.mark.parametrize("arguments", [["--help"], ["list"], ["train", "model.hiden=3", "data=csv"]])
def test_answers_within_a_second(arguments, tmp_path):
    start = "import sys\nfrom seqmodels.cli.main import main\nsys.exit(main(sys.argv[1:]))"
    assert min(run(start, *arguments, cwd=tmp_path)[1] for _ in range(3)) < 1


def test_the_check_for_imports_can_fail(tmp_path):
    assert run("import torch, sys\nsys.exit(any(name in sys.modules for name in ('torch',)))", cwd=tmp_path)[0] == 1
