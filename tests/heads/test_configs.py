"""Each head's YAML lists all of its options, with the constructor's own defaults."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest
import yaml

from seqmodels.registry import find, make, names

FOLDER = Path(__file__).parents[2] / "configs" / "model" / "head"

# What the builder gives, from the data and the layers.
GIVEN = {"input_size", "output_size", "targets", "stop"}


@pytest.mark.parametrize("name", names("head"))
def test_yaml_is_the_constructor(name: str) -> None:
    options = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
    assert options.pop("name") == name
    parameters = inspect.signature(find("head", name)).parameters
    assert set(options) == set(parameters) - GIVEN
    for option, value in options.items():
        default = parameters[option].default
        assert value == (list(default) if isinstance(default, tuple) else default), option
    make("head", name, 3, 5, **options)


def test_every_yaml_is_a_head() -> None:
    assert {path.stem for path in FOLDER.glob("*.yaml")} == set(names("head"))
