"""Tiny trained models of each kind."""

import random
from pathlib import Path

import pytest

from tests.inference.small_runs import WORDS, trained_run, write_table


def text(folder: Path, level: str) -> Path:
    generator = random.Random(0)
    file = folder / "text.txt"
    file.write_text(" ".join(generator.choice(WORDS) for _ in range(800)))
    return trained_run(
        folder,
        f"data.level={level} training.window=20 task.ngram_orders=[1]",
        f"data.path={file}",
        f"data.cache_dir={folder / 'cache'}",
    )


@pytest.fixture(scope="session")
def characters(tmp_path_factory) -> Path:
    return text(tmp_path_factory.mktemp("characters"), "character")


@pytest.fixture(scope="session")
def words(tmp_path_factory) -> Path:
    return text(tmp_path_factory.mktemp("words"), "word")


@pytest.fixture(scope="session")
def classifier(tmp_path_factory) -> Path:
    """Tells rising from falling rows of four numbers."""
    folder = tmp_path_factory.mktemp("classifier")
    generator = random.Random(0)
    rows = []
    for number in range(80):
        values = sorted((round(generator.random(), 3) for _ in range(4)), reverse=number % 2 == 0)
        rows.append([*values, "falling" if number % 2 == 0 else "rising"])
    file = write_table(folder / "rows.csv", ["x1", "x2", "x3", "x4", "kind"], rows)
    return trained_run(
        folder, "data=csv data.target=kind task=classification model/head=many_to_one", f"data.path={file}"
    )


@pytest.fixture(scope="session")
def generator(tmp_path_factory) -> Path:
    """From a language to a name."""
    folder = tmp_path_factory.mktemp("generator")
    draw = random.Random(0)
    rows = []
    for number in range(90):
        language, letters = [("Latin", "aeiou"), ("Greek", "xyz"), ("Norse", "rgk")][number % 3]
        rows.append([language, "".join(draw.choice(letters) for _ in range(draw.randint(5, 9)))])
    file = write_table(folder / "names.csv", ["language", "name"], rows)
    return trained_run(
        folder,
        "data=text_from_label data.label=language data.text=name task=sequence_generation model/head=one_to_many "
        "model.head.hidden_sizes=[6] model.head.max_steps=12",
        f"data.path={file}",
    )
