"""Small whole runs for tests: a config composed as the command does it, a process that logs and can be killed."""

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

from seqmodels import checkpoint


def compose_config(line: str, *overrides: str) -> dict[str, Any]:
    """The config that `seqmodels train` would have; settings may stand in one line first, as they are typed."""
    from seqmodels.cli.config.compose import compose, jobs
    from seqmodels.cli.config.library import Library

    library = Library()
    found, problems = jobs(library, [*line.split(), *overrides])
    if problems:
        raise ValueError(problems)
    return compose(library, next(iter(found))).config


def small_text(folder: Path, characters: int = 12_000, seed: int = 0) -> Path:
    """A text of a few words in random order."""
    generator = random.Random(seed)
    words = ["to", "be", "or", "not", "that", "is", "the", "question", "whether", "nobler"]
    path = folder / f"text{seed}.txt"
    text = " ".join(generator.choice(words) for _ in range(characters // 4))
    path.write_text(text[:characters])
    return path


def text_config(folder: Path, *overrides: str) -> dict[str, Any]:
    """A tiny character model with dropout, so that the random state matters too."""
    return compose_config(
        "data=text data.val_fraction=0.2 model.hidden_sizes=[12,12] model.embedding_size=6 model.dropout=0.2 "
        "training.batch_size=4 training.window=20 optimizer.lr=0.01 diagnostics.enabled=false "
        "trainer.enable_progress_bar=false trainer.accelerator=cpu checkpoint.every_n_steps=7",
        f"data.path={small_text(folder)}",
        f"data.cache_dir={folder / 'cache'}",
        *overrides,
    )


def run(config: dict[str, Any], run_dir: Path, kill_at: int | None = None) -> list[float]:
    """Train in a process of its own, and return every update's loss; killed by SIGKILL before update `kill_at`."""
    run_dir.mkdir(parents=True, exist_ok=True)
    settings, losses = run_dir / "settings.json", run_dir / f"losses_{len(list(run_dir.glob('losses_*')))}"
    settings.write_text(json.dumps(config))
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    arguments = [str(settings), str(run_dir), str(losses), str(kill_at or 0)]
    done = subprocess.run(
        [sys.executable, __file__, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    expected = -signal.SIGKILL if kill_at else 0
    if done.returncode != expected:
        raise RuntimeError(f"exit code {done.returncode}, not {expected}:\n{done.stdout}\n{done.stderr}")
    # With several processes none of them is this file's, and nothing is logged.
    lines = losses.read_text().splitlines() if losses.exists() else []
    return [float.fromhex(line.split()[1]) for line in lines]


def weights(run_dir: Path, name: str = "last") -> dict[str, torch.Tensor]:
    """The weights of a run's last checkpoint, or of its best."""
    return checkpoint.read(run_dir / "checkpoints" / f"{name}.ckpt")["state_dict"]


def _main() -> None:
    settings, run_dir, losses, kill_at = sys.argv[1:]
    from rich.console import Console

    from seqmodels.training.learner import Learner
    from seqmodels.training.run import train

    step = Learner.training_step

    def logged(self: Learner, batch: Any, batch_idx: int) -> torch.Tensor:
        if int(kill_at) and self.global_step == int(kill_at):
            os.kill(os.getpid(), signal.SIGKILL)
        loss = step(self, batch, batch_idx)
        if self.trainer.is_global_zero:
            with open(losses, "a") as file:
                file.write(f"{self.global_step} {float(loss.detach()).hex()}\n")
        return loss

    Learner.training_step = logged  # type: ignore[method-assign]
    train(json.loads(Path(settings).read_text()), Path(run_dir), Console(quiet=True))


if __name__ == "__main__":
    _main()
