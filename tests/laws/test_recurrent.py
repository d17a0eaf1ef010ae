"""Every cell, layer and engine obeys every law."""

import zlib

import pytest
import torch

from seqmodels import registry
from seqmodels.scan import ENGINES
from tests.laws.catalogue import Subject, cells, layer_classes, subjects
from tests.laws.recurrent_laws import LAWS, Law

SUBJECTS = list(subjects())


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.name)
def test_law(subject: Subject, law: Law) -> None:
    seed = zlib.crc32(f"{subject.name} {law.__name__}".encode())
    torch.manual_seed(seed)
    law(subject.make, torch.Generator().manual_seed(seed))


def test_much_is_tried() -> None:
    assert len(LAWS) >= 10
    assert len(cells()) >= 16
    assert len(SUBJECTS) >= 60
    assert {name.split("-")[0] for name in cells()} == set(registry.names("cell"))


def test_every_engine_is_tried() -> None:
    assert set(ENGINES) <= {subject.name.split("-")[-1] for subject in SUBJECTS}


def test_every_layer_is_tried() -> None:
    made = {type(module) for subject in SUBJECTS for module in subject.make(3, 4).modules()}
    assert layer_classes() <= made
    assert len(layer_classes()) >= 3
