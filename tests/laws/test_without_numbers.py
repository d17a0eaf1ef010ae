"""Every part can be built without numbers, as a checkpoint's config is before it is believed, in the same shapes."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from seqmodels.registry import make, names
from tests.laws import catalogue

PARTS: dict[str, Callable[[], nn.Module]] = {
    **{f"cell {name}": lambda build=build: build(4, 6) for name, build in catalogue.cells().items()},
    **{f"head {name}": lambda name=name: make("head", name, 4, 6) for name in names("head")},
}


@pytest.mark.parametrize("name", PARTS)
def test_a_part_without_numbers_has_the_same_shapes(name: str) -> None:
    with torch.device("meta"):
        empty = PARTS[name]().state_dict()
    assert {key: value.shape for key, value in empty.items()} == {
        k: v.shape for k, v in PARTS[name]().state_dict().items()
    }
    assert all(value.is_meta for value in empty.values())
