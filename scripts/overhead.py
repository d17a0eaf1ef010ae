"""What the training loop costs beside a bare PyTorch loop, and whether its memory grows with the text.

    python scripts/overhead.py              # steps per second, side by side
    python scripts/overhead.py --memory     # peak memory with 1 M and with 4 M characters

Both loops have the same model, data, optimizer and batches. The runs alternate (A B A B ...), and the
ratio is that of the medians.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import resource
import statistics
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from seqmodels.build import build_data
from seqmodels.cli.config.compose import compose, jobs
from seqmodels.cli.config.library import Library
from seqmodels.training.optimizers import make_optimizer
from seqmodels.training.quiet import quieten
from seqmodels.training.trainer import build_learner, make_trainer

SETTINGS = ["experiment=text_characters", "scheduler=none", "trainer.max_epochs=1", "trainer.accelerator=cpu"]
SETTINGS += ["trainer.val_check_interval=null"]


def settings(text: Path, steps: int) -> dict[str, Any]:
    overrides = [*SETTINGS, f"data.path={text}", f"data.cache_dir={text.parent}", f"trainer.max_steps={steps}"]
    library = Library()
    found, problems = jobs(library, overrides)
    if problems:
        raise ValueError("; ".join(problems))
    return compose(library, next(iter(found))).config


def made_text(folder: Path, characters: int) -> Path:
    """Text of random words: nothing about its contents matters here."""
    words = ["".join(random.choices("etaoinshrdlu", k=random.randint(1, 9))) for _ in range(500)]
    path = folder / f"text_{characters}.txt"
    with path.open("w") as file:
        written = 0
        while written < characters:
            line = " ".join(random.choices(words, k=2000)) + "\n"
            file.write(line)
            written += len(line)
    return path


def run_trainer(config: dict[str, Any], folder: Path) -> float:
    """Seconds of `trainer.fit` alone."""
    torch.manual_seed(0)
    data = build_data(config)
    data.splits.pop("val", None)
    learner = build_learner(config, data)
    trainer = make_trainer(config, folder, learner, data, Console(quiet=True))
    marks: list[float] = []
    learner.on_train_batch_end = lambda *_: marks.append(time.perf_counter())  # type: ignore[method-assign]
    trainer.fit(learner, data)
    return marks[-1] - marks[4]


def run_bare(config: dict[str, Any]) -> float:
    """The same work in a plain loop."""
    torch.manual_seed(0)
    data = build_data(config)
    learner = build_learner(config, data)
    model, task = learner.model, learner.task
    optimizer = make_optimizer(model.parameters(), **config["optimizer"])
    state, marks = None, []
    for step, batch in enumerate(data.train_dataloader()):
        if step == config["trainer"]["max_steps"]:
            break
        prediction, state = model(batch.inputs, state, batch.lengths)
        state = torch.utils._pytree.tree_map(torch.Tensor.detach, state)
        total, count = task.loss(prediction, batch)
        optimizer.zero_grad()
        (total / count).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), config["trainer"]["gradient_clip_val"])
        optimizer.step()
        marks.append(time.perf_counter())
    return marks[-1] - marks[4]


def compare(steps: int, repeats: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = settings(made_text(folder, 600_000), steps)
        ours, bare = [], []
        for repeat in range(repeats):
            bare.append(run_bare(config))
            ours.append(run_trainer(config, folder / str(repeat)))
            print(f"bare {steps / bare[-1]:.2f} steps/s   seqmodels {steps / ours[-1]:.2f} steps/s", flush=True)
    ratio = statistics.median(ours) / statistics.median(bare)
    print(f"seqmodels takes {100 * (ratio - 1):+.1f} % against the bare loop (medians of {repeats})")


def peak(characters: int, steps: int) -> float:
    """MiB at the most, of a process that does nothing else."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run_trainer(settings(made_text(folder, characters), steps), folder / "run")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def memory(steps: int) -> None:
    peaks = []
    for characters in (1_000_000, 4_000_000):
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
            peaks.append(process.submit(peak, characters, steps).result())
        print(f"{characters:,} characters: peak {peaks[-1]:.0f} MiB", flush=True)
    print(f"ratio {peaks[1] / peaks[0]:.3f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--memory", action="store_true", help="compare peak memory instead of speed")
    parser.add_argument("--steps", type=int, default=60, help="updates per run")
    parser.add_argument("--repeats", type=int, default=5, help="pairs of runs")
    arguments = parser.parse_args()
    quieten()
    memory(arguments.steps) if arguments.memory else compare(arguments.steps, arguments.repeats)
