"""In half precision too no row sees another, on processors that make such products in tiles above all."""

import re
from pathlib import Path

import pytest
import torch
from torch import Tensor

import seqmodels
from seqmodels import registry
from seqmodels.layers import Layer, Recurrent
from tests.laws.catalogue import cells, engines_for

PAIRS = [(title, engine) for title, make in cells().items() for engine in ("auto", *engines_for(make(3, 4)))]
WILD = 9


@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize(("title", "engine"), PAIRS)
def test_no_row_sees_another(title: str, engine: str, autocast: bool) -> None:
    for B, T, F, H in ((20, 5, 7, 6), (20, 4, 5, 32), (36, 3, 33, 40)):  # torch's kernels differ by all four
        others = torch.arange(B) != WILD
        torch.manual_seed(0)
        cell = cells()[title](F, H)
        layer = Recurrent(cell if autocast else cell.bfloat16(), engine=engine)
        x = torch.randn(B, T, F, dtype=torch.float32 if autocast else torch.bfloat16)
        try:
            clean = _outputs_and_gradient(layer, x, others, autocast)
        except ValueError as error:
            assert "bfloat16" in str(error)  # noqa: PT017  an engine may refuse a size
            continue
        for number in (3e38, float("inf"), float("nan")):
            wild = x.clone()
            wild[WILD] = number
            for one, other in zip(_outputs_and_gradient(layer, wild, others, autocast), clean, strict=True):
                torch.testing.assert_close(one, other, rtol=0, atol=0)


def _outputs_and_gradient(layer: Layer, x: Tensor, rows: Tensor, autocast: bool) -> tuple[Tensor, Tensor]:
    x = x.clone().requires_grad_()
    with torch.autocast("cpu", enabled=autocast):
        y, _ = layer(x)
    y[rows].float().sum().backward()
    return y[rows].detach(), x.grad[rows]


@pytest.mark.parametrize("name", ["many_to_many", "many_to_one"])
def test_no_row_of_a_head_sees_another(name: str) -> None:
    others = torch.arange(20) != WILD
    for F, targets in ((7, 6), (33, 40)):
        head = registry.make("head", name, F, targets).bfloat16()
        x = torch.randn(20, 4, F, dtype=torch.bfloat16)
        wild = x.index_fill(0, torch.tensor([WILD]), torch.nan)
        one, other = (head(features, None, None)[others] for features in (x, wild))
        torch.testing.assert_close(one, other, rtol=0, atol=0)


@pytest.mark.parametrize("room", ["cells", "heads", "model"])
def test_every_product_is_one_that_keeps_rows_apart(room: str) -> None:
    place = Path(seqmodels.__file__).parent / room
    for file in [place] if place.suffix else sorted(place.rglob("*.py")):
        products = re.findall(r"= nn\.Linear\(|functional\.linear\(", file.read_text(encoding="utf-8"))
        assert file.name == "product.py" or not products, file
