"""Every data set is a file of what differs from its source's defaults; shipped data is small, and its origin told."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from seqmodels.cli.config.library import Library
from seqmodels.data.shipped import FOLDER
from seqmodels.parts import shipped
from seqmodels.registry import make

CONFIGS = {path.stem: path for path in sorted((Path(__file__).parents[2] / "configs" / "data").glob("*.yaml"))}
# Config -> sequences in each split, input size, target size, and what fits.
SHIPPED = {
    "pen_digits": ((7693, 1100, 2199), 2, 10, ("classification", "many_to_one")),
    "surname_origin": ((18055, 2258, 2258), 116, 18, ("classification", "many_to_one")),
    "surname_generation": ((18055, 2258, 2258), 18, 117, ("sequence_generation", "one_to_many")),
    "letters_to_sounds": ((108066, 13532, 13568), 30, 71, ("sequence_generation", "encoder_decoder")),
    "sunspots": ((2129, 302, 614), 1, 12, ("forecasting", "many_to_one")),
    "stock_returns": ((7894, 1292, 2761), 1, 5, ("forecasting", "many_to_one")),
    "weather": ((957, 140, 286), 5, 7, ("forecasting", "many_to_one")),
    "weather_tomorrow": ((1022, 146, 292), 4, 1, ("forecasting", "one_to_one")),
    "optdigits": ((3439, 384, 1797), 8, 10, ("classification", "many_to_one")),
    "mnist_5k": ((3500, 500, 1000), 28, 10, ("classification", "many_to_one")),
    "smartwatch": ((84, 14, 42), 6, 7, ("classification", "many_to_one")),
    "language_identification": ((33476, 198, 368), 149, 28, ("classification", "many_to_one")),
    "sea_temperature": ((3, 1, 1), 4, 48, ("forecasting", "many_to_many")),
    "glucose": ((30967, 4070, 8929), 4, 12, ("forecasting", "many_to_one")),
    "gene_structure": ((229, 25, 56), 5, 2, ("tagging", "many_to_many")),
}


def load_file(name: str) -> dict:
    return yaml.safe_load(CONFIGS[name].read_text(encoding="utf-8"))


def load(name: str) -> dict:
    return Library().read("data", name)


@pytest.mark.parametrize("name", CONFIGS)
def test_a_data_set_is_one_short_file_of_what_differs(name):
    text, content = CONFIGS[name].read_text(encoding="utf-8"), load_file(name)
    (source,) = content.pop("defaults")
    usual = shipped("data")[source].defaults()
    assert 3 <= len(text.splitlines()) <= 15
    assert text.startswith("# ")
    assert set(content) <= set(usual) - {"name"}
    assert all(value != usual[option] for option, value in content.items())


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_data_is_what_it_should_be(name):
    sizes, input_size, target_size, (task, head) = SHIPPED[name]
    options = load(name)
    source = make("data", options.pop("name"), **options)
    splits = source.splits()
    suggested = source.suggest()
    assert (suggested["task"], suggested["head"]) == (task, head)
    assert tuple(len(splits[part]) for part in ("train", "val", "test")) == sizes
    for split in splits.values():
        spec = split.spec
        assert (spec.input_size, spec.target_size) == (input_size, target_size)
        assert type(spec).from_plain(spec.to_plain()) == spec
        inputs, targets = split.read(len(split) - 1, 0, int(split.lengths[-1]))
        assert np.isfinite(inputs).all()
        assert np.isfinite(targets).all()
    assert source.describe()


def test_the_shipped_data_is_small_and_its_origin_is_told():
    files = [path for path in FOLDER.iterdir() if path.suffix in {".gz", ".csv", ".tsv", ".txt", ".npz"}]
    sources = (FOLDER / "SOURCES.md").read_text(encoding="utf-8")
    assert sum(path.stat().st_size for path in files) < 10e6
    for path in files:
        assert f"`{path.name}`" in sources
    named = {part.split("`")[0] for part in sources.split("`licenses/")[1:]} - {""}
    assert named == {path.name for path in (FOLDER / "licenses").iterdir()}
