"""Every setting of every part with values that nobody means: the check answers in words, and never raises."""

import copy
import functools
import math
from collections.abc import Iterator
from typing import Any

import pytest

from seqmodels.cli.config.compose import Composition, _filled, _open_cells, compose, select
from seqmodels.cli.config.library import Library
from seqmodels.cli.config.settings import settings
from seqmodels.cli.config.shape import DEEPEST, MOST_VALUES, wrong_shape
from seqmodels.cli.errors import ConfigError
from seqmodels.cli.main import explain
from seqmodels.cli.rules.check import check
from seqmodels.cli.rules.single import rule_for
from seqmodels.cli.screen import report
from seqmodels.cli.verbs.report import _metrics

EXTREMES: tuple[Any, ...] = (
    *(0, -1, 0.5, 10**18, 10**400, 1e300, math.nan, math.inf, True, None, "", "x" * 10_000, "\x1b[2J", "0"),
    *([], [[]], [None], [math.nan], [10**18], {}, {"a": {"b": 1}}),
)
PARTS = ("data", "task", "model/cell", "model/head", "optimizer", "scheduler")
# Whole numbers that may be as large as anybody likes: limits, ends and places in time, which take no memory.
ENDLESS = ("trainer.", "checkpoint.", "early_stopping.", "scheduler.", "diagnostics.", "training.window", "training.k2")
LIMITS = {
    *("data.min_count", "data.max_size", "data.max_length", "data.max_source", "data.max_target", "data.seed"),
    *("data.source_size", "data.target_size", "data.history", "data.period", "data.train_steps", "data.injected"),
    *("data.features_per_step", "data.crop", "data.lengths", "task.lengths", "task.top_k", "task.spans"),
    *("model.masking.time_masks", "model.masking.time_mask", "model.masking.feature_masks"),
    *("model.masking.feature_mask", "model.cell.chrono_steps", "model.cell.proj_size", "model.cell.heads"),
    *("model.cell.longest_dependency", "model.head.allowed", "data.target_cuts"),
    *("data.val_groups", "data.test_groups"),
}


@functools.cache
def base() -> Composition:
    return compose(Library(), ["data=copying"])


def every_part() -> Iterator[tuple[str, str]]:
    library, seen = Library(), set()
    for group in PARTS:
        for option in library.options(group):
            settings_of = library.read(group, option)
            if (group, settings_of["name"]) not in seen:
                seen.add((group, settings_of["name"]))
                yield group, option
    yield "", "train"


def composed(group: str, option: str) -> Composition:
    """The config with one part chosen, without Hydra."""
    library = Library()
    config = copy.deepcopy(base().config)
    if group:
        *above, key = group.split("/")
        holder = select(config, ".".join(above)) if above else config
        holder[key] = library.read(group, option)
    schema = copy.deepcopy(config)
    _open_cells(library, config, schema)
    return base()._replace(config=_filled(config, schema), schema=schema)


def own_paths(group: str, composition: Composition) -> list[str]:
    prefix = f"{group.replace('/', '.')}."
    others = tuple(f"{part.replace('/', '.')}." for part in PARTS)
    paths = [path for path, _ in settings(composition.schema)]
    return [path for path in paths if (path.startswith(prefix) if group else not path.startswith(others))]


def changed(composition: Composition, path: str, value: Any) -> Composition:
    *above, key = path.split(".")
    config = copy.deepcopy(composition.config)
    holder = select(config, ".".join(above)) if above else config
    holder[key] = value
    return composition._replace(config=config)


@pytest.mark.parametrize(("group", "option"), list(every_part()), ids=lambda value: value.replace("/", "."))
def test_every_setting_with_every_extreme_is_answered(group, option, capsys):
    library, composition = Library(), composed(group, option)
    for path in own_paths(group, composition):
        for value in EXTREMES:
            problems = check(changed(composition, path, value), library)
            assert all(isinstance(problem, str) and problem for problem in problems)
            report("seqmodels train", problems)
    said = capsys.readouterr().err
    assert "\x1b[2J" not in said
    assert max(map(len, said.splitlines()), default=0) < 2000


@pytest.mark.parametrize(("group", "option"), list(every_part()), ids=lambda value: value.replace("/", "."))
def test_a_number_that_makes_something_has_a_bound(group, option):
    composition = composed(group, option)
    for path in own_paths(group, composition):
        rule = rule_for(path, composition.schema)
        endless = path.replace("head.cell.", "cell.") in LIMITS or path.startswith(ENDLESS)
        if endless or rule is None or rule.holds(0.5) or rule.holds("a"):
            continue
        assert not any(rule.holds(value) for value in (10**18, [10**18])), path


def circular() -> dict[str, Any]:
    config: dict[str, Any] = {"name": "csv"}
    config["data"] = config
    return config


def bomb() -> dict[str, Any]:
    value: Any = "lol"
    for _ in range(20):
        value = [value] * 10
    return {"a": value}


def deep(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = {"a": value}
    return value


SHAPES = {
    "list": ([1], "expected settings as name: value, got a list"),
    "text": ("data", "expected settings as name: value, got text"),
    "nothing": (None, "expected settings as name: value, got nothing"),
    "number as name": ({"data": {7: 1}}, "data: expected the name of a setting, got 7"),
    "yes as name": ({"data": {"a": [{True: 1}]}}, "data.a: expected the name of a setting, got True"),
    "circular": (circular(), "expected a config, got more"),
    "bomb": (bomb(), "expected a config, got more"),
    "deep": (deep(DEEPEST + 2), "expected a config, got more"),
    "many": ({str(i): i for i in range(MOST_VALUES + 1)}, "expected a config, got more"),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_config_of_a_wrong_shape(shape):
    config, words = SHAPES[shape]
    assert (wrong_shape(config) or "").startswith(words)


def test_our_own_configs_have_the_shape():
    assert wrong_shape(base().config) is None
    assert all(wrong_shape(Library().read(group, option)) is None for group, option in every_part() if group)


@pytest.mark.parametrize(
    "content", ["", "- a\n", "data\n", "7: 1\n", "data: {}\n", "{data: 5, model: x}\n", "[" * 3000, "a: &a [*a]\n"]
)
@pytest.mark.parametrize(
    "verb",
    [["train", "resume=run"], ["evaluate", "run"], ["predict", "run", "--input", "run/config.yaml"], ["report", "run"]],
)
def test_a_run_whose_config_is_none(seqmodels, tmp_path, monkeypatch, verb, content):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    (tmp_path / "run" / "config.yaml").write_text(content)
    result = seqmodels(*verb)
    assert result.code == 2
    assert "run/config.yaml" in result.err
    assert len(result.err) < 600


FOLDERS = {
    "list": "- a\n",
    "text": "hello\n",
    "numbers": "1: 2\n3: 4\n",
    "empty": "",
    "name missing": "path: my.csv\n",
    "name a list": "name: [csv]\n",
    "name nothing": "name: null\n",
    "itself": "defaults: [mine]\nname: csv\n",
    "deep": f"name: csv\npath: {'[' * 400}{']' * 400}\n",
    "many": "name: csv\n" + "".join(f"k{i}: 1\n" for i in range(6000)),
    "bytes": b"name: csv # \xfc\n",
    "UTF-16": "name: csv\n".encode("utf-16"),
    "large": "name: csv\npath: " + "A" * 20_000_000 + "\n",
    "a list among the defaults": "defaults: [[a]]\nname: csv\n",
    "circular": "name: csv\npath: &a [*a]\n",
}


@pytest.mark.parametrize("content", FOLDERS)
def test_a_config_folder_with_a_file_of_a_wrong_shape(seqmodels, tmp_path, content):
    file = tmp_path / "configs" / "data" / "mine.yaml"
    file.parent.mkdir(parents=True)
    file.write_bytes(FOLDERS[content] if isinstance(FOLDERS[content], bytes) else FOLDERS[content].encode())
    result = seqmodels("train", "--config-dir", str(tmp_path / "configs"), "data=mine")
    assert result.code == 2
    assert "KeyError" not in result.err
    assert "debug" not in result.err
    assert len(result.err) < 2000


METRICS = [
    "",
    "[]",
    "5",
    "null",
    "{}",
    "[" * 100_000,
    '{"val": {"loss',
    '{"seconds": 1, "steps": 1, "parameters": 1, "val": [1]}',
    '{"seconds": 1, "steps": 1, "parameters": 1, "baseline": {"val": {"a": 5}}}',
    '{"seconds": 1, "steps": 1, "parameters": 1, "val": {"loss": "low"}, "verdict": 5}',
]


@pytest.mark.parametrize("content", METRICS)
def test_metrics_that_are_none(tmp_path, content):
    (tmp_path / "metrics.json").write_text(content)
    with pytest.raises(ConfigError, match="is damaged, or not the metrics of a run: remove it"):
        _metrics(tmp_path)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError("Unable to allocate 7 GiB"), "more memory is wanted than there is"),
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 16 bytes"),
            "more memory is wanted",
        ),
        (RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB"), "more memory is wanted"),
    ],
)
def test_memory_that_there_is_not_is_told_in_words(error, words):
    assert explain(error).startswith(words)
    assert "debug" not in explain(error)
