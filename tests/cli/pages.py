"""What the tests of the written pages share: the blocks of a page, and programs in a process of their own."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SMALL = [
    *("trainer.max_steps=2", "trainer.accelerator=cpu", "diagnostics.enabled=false", "model.hidden_sizes=[4]"),
    "trainer.enable_progress_bar=false",
]


def blocks(page: str) -> list[tuple[str, str]]:
    """Each fenced block of a page in the repository, in order: what it says it is, and its text."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(r"^```(\w[\w ]*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def in_a_fresh_process(program: str, folder: Path, *arguments: str) -> str:
    """What a program prints that Python runs in `folder`, without putting the folder on its path."""
    program = f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n{program}"
    done = subprocess.run(
        [sys.executable, "-I", "-c", program, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def command(folder: Path, *arguments: str) -> str:
    """What ``seqmodels`` with these arguments prints in `folder`."""
    return in_a_fresh_process("from seqmodels.cli.main import main\nsys.exit(main())", folder, *arguments)
