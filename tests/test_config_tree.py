"""What may be chosen: parts as their sources tell them, and the files in configs/; every experiment is good."""

import importlib
import inspect

import pytest
import torch
import yaml

from seqmodels.cells import Cell
from seqmodels.cells.gated.initialise import SCHEMES
from seqmodels.cli.config.compose import compose, select
from seqmodels.cli.config.library import GLOBAL_PACKAGE, PART_GROUPS, Library
from seqmodels.cli.config.settings import settings
from seqmodels.cli.prepare import RECIPES, prepare
from seqmodels.cli.rules import single as rules
from seqmodels.cli.rules.cells import can_have, is_gated
from seqmodels.data.encode.alphabet import LETTERS
from seqmodels.heads.decoding.schedule import SCHEDULES
from seqmodels.layers import Regularisers
from seqmodels.parts import shipped
from seqmodels.registry import find
from seqmodels.scan import ENGINES
from seqmodels.tasks.forecasts.predictive import OUTPUTS
from seqmodels.tasks.values import ERRORS
from seqmodels.training.optimizers import OPTIMIZERS, SCHEDULERS, make_optimizer, make_scheduler

LIBRARY = Library()
GROUPS = {kind: group for group, kind in PART_GROUPS.items()}
EXPERIMENTS = sorted(LIBRARY.options("experiment"))
CHOICES = [
    (group, option)
    for group in sorted(LIBRARY.groups() - {"experiment", "recipe"})
    for option in LIBRARY.options(group)
]
RECIPE_DATA = {
    "classify": "surname_origin",
    "continue": "text",
    "draw": "strokes",
    "estimate": "adding",
    "estimate_steps": "weather",
    "forecast": "sunspots",
    "identify": "language_identification",
    "none": "pen_digits",
    "rewrite": "letters_to_sounds",
    "tag": "gene_structure",
    "transcribe": "spoken_spelling",
    "watch": "anomaly",
    "write": "surname_generation",
}


@pytest.mark.parametrize("kind", GROUPS)
def test_each_part_is_an_option_and_each_file_builds_on_one(kind):
    options = {option: LIBRARY.read(GROUPS[kind], option) for option in LIBRARY.options(GROUPS[kind])}
    assert {content["name"] for content in options.values()} == set(shipped(kind))
    assert set(shipped(kind)) <= set(options)
    assert len(options) >= 4


@pytest.mark.parametrize(("group", "option"), CHOICES)
def test_every_default_keeps_its_own_rule(group, option):
    *above, key = group.split("/")
    content = LIBRARY.read(group, option)
    schema = {above[0]: {key: content}} if above else {key: content}
    for path, value in settings(schema):
        rule = rules.rule_for(path, schema)
        assert value == "???" or rule is None or rule.holds(value), path


@pytest.mark.parametrize(
    ("group", "option"),
    [*CHOICES, *(("experiment", name) for name in EXPERIMENTS), *(("recipe", n) for n in RECIPE_DATA)],
)
def test_every_option_says_what_it_is(group, option):
    words = LIBRARY.options(group)[option]
    assert 10 < len(words) < 140
    assert "@" not in words


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_is_good(name):
    prepared = prepare(LIBRARY, [f"experiment={name}"])
    if prepared.config["data"].get("path") == "???":  # data too large, or not free, to come with the package
        assert [problem.split(":")[0] for problem in prepared.problems] == ["data.path"]
        prepared = prepare(LIBRARY, [f"experiment={name}", "data.path=my_file"])
    assert prepared.problems == []
    assert prepared.config["name"] == name
    assert prepared.notes == []  # an experiment leaves nothing open
    assert LIBRARY.text("experiment", name).startswith(GLOBAL_PACKAGE + "\n# ")


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_experiment_holds_only_what_differs(name):
    content = LIBRARY.read("experiment", name)
    schema = compose(LIBRARY, [f"experiment={name}"]).schema
    same = [path for path, value in settings(content) if path != "defaults" and select(schema, path) == value]
    assert same == []


@pytest.mark.parametrize("name", RECIPE_DATA)
def test_every_recipe_is_good_for_its_data(name, tmp_path):
    path = [f"++data.path={tmp_path}"] if name in ("draw", "watch") else []
    path += ["++data.target=load"] if name == "watch" else []
    (tmp_path / "drawings.npz").touch()
    of = {option: of for of, option in RECIPES.items() if of[0] != "multilabel"}
    of["identify"] = ("classification", "many_to_one")
    parts = [f"{group}={option}" for group, option in zip(("task", "model/head"), of.get(name, ()), strict=False)]
    prepared = prepare(LIBRARY, [f"data={RECIPE_DATA[name]}", *parts, f"recipe={name}", *path])
    assert prepared.problems == []
    assert prepared.choices["recipe"] == name
    assert set(RECIPE_DATA) == set(LIBRARY.options("recipe")) == {"none", "identify", *RECIPES.values()}
    if name != "none":
        assert prepared.config["trainer"]["max_epochs"] == "auto"


def test_there_are_the_experiments_that_were_promised():
    promised = "text_characters text_words surname_origin surname_generation pen_digits sunspots stock_returns "
    promised += "weather weather_tomorrow gene_structure running_sum adding copying reversal"
    assert set(promised.split()) <= set(EXPERIMENTS)


@pytest.mark.parametrize("name", sorted(LIBRARY.options("optimizer")))
def test_optimizers(name):
    options = LIBRARY.read("optimizer", name)
    assert options.pop("name") == name
    assert set(LIBRARY.options("optimizer")) == set(OPTIMIZERS)
    make_optimizer([torch.nn.Parameter(torch.zeros(1))], name, **options)


@pytest.mark.parametrize("name", sorted(LIBRARY.options("scheduler")))
def test_schedulers(name):
    options = LIBRARY.read("scheduler", name)
    assert options.pop("name") == name
    assert set(LIBRARY.options("scheduler")) == set(SCHEDULERS)
    optimizer = make_optimizer([torch.nn.Parameter(torch.zeros(1))], "adam", lr=0.1)
    make_scheduler(optimizer, name, 10, ("loss", "min"), **options)


def test_trainer_settings_are_the_trainers():
    from pytorch_lightning import Trainer

    assert set(LIBRARY.read("trainer", "default")) <= set(inspect.signature(Trainer).parameters)


def test_diagnostics_settings_are_the_callbacks():
    diagnostics = importlib.import_module("seqmodels.training.diagnostics").Diagnostics
    settings = yaml.safe_load((LIBRARY.own / "train.yaml").read_text())["diagnostics"]
    parameters = inspect.signature(diagnostics).parameters
    assert settings == {name: parameter.default for name, parameter in parameters.items()}


def test_the_rules_know_the_engines():
    assert set(rules.RULES["model.engine"].words.removeprefix("one of ").split(", ")) == {"auto", *ENGINES}


def test_the_rules_speak_of_settings_that_exist():
    every = set()
    for group, option in CHOICES:
        every |= {f"{group.replace('/', '.')}.{key}" for key in LIBRARY.read(group, option)}
    top = yaml.safe_load((LIBRARY.own / "train.yaml").read_text())
    every |= {f"{key}.{inner}" for key, value in top.items() if isinstance(value, dict) for inner in value} | set(top)
    every |= {f"model.{key}" for key, _ in settings(LIBRARY.read("model", "default"))}
    every |= {f"trainer.{key}" for key in LIBRARY.read("trainer", "default")}
    assert sorted(set(rules.RULES) - every) == []


@pytest.mark.parametrize(
    ("kind", "option", "values"),
    [
        ("cell", "init", SCHEMES),
        ("head", "teacher_schedule", SCHEDULES),
        ("task", "loss", ERRORS),
        ("task", "output", OUTPUTS),
        ("data", "alphabet", LETTERS),
    ],
)
def test_the_annotations_know_the_same_words_as_the_code(kind, option, values):
    found = [part.options[option].rule for part in shipped(kind).values() if option in part.options]
    assert found
    assert {rule.words for rule in found} == {f"one of {', '.join(values)}"}


def test_the_combinations_know_which_cells_refuse_which_regulariser():
    for option in LIBRARY.read("model", "default")["regularisers"]:
        refused = set()
        for name in shipped("cell"):
            try:
                Regularisers(**{option: 0.5}).check(find("cell", name)(2, 4))
            except ValueError:
                refused.add(name)
        assert refused == {name for name in shipped("cell") if not can_have(shipped("cell")[name], option)}, option


def test_the_regularisers_are_those_of_the_layers():
    assert Regularisers(**LIBRARY.read("model", "default")["regularisers"]) == Regularisers()
    assert set(LIBRARY.read("model", "default")["regularisers"]) == set(inspect.signature(Regularisers).parameters)


def test_the_combinations_know_which_cells_have_no_gate():
    cells: dict[str, type[Cell]] = {name: find("cell", name) for name in shipped("cell")}
    gated = {name for name, cell in cells.items() for gate in ("keep_gate", "write_gate") if getattr(cell, gate, None)}
    assert gated == {name for name in cells if is_gated(shipped("cell")[name])}
