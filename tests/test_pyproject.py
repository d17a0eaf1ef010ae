"""What the package asks of others: safe versions, and the pinned ones are among them."""

import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli")

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
NEEDED = {r.name: r for r in map(Requirement, PROJECT["dependencies"])}
WANTED = [*NEEDED.values(), *(Requirement(r) for extra in PROJECT["optional-dependencies"].values() for r in extra)]
WANTED = [r for r in WANTED if r.name != PROJECT["name"]]  # an extra may name other extras
PINNED = {
    r.name.replace("_", "-"): r
    for line in (ROOT / "scripts" / "constraints.txt").read_text(encoding="utf-8").splitlines()
    if line.strip() and not line.startswith("#")
    for r in [Requirement(line)]
}


def version(name: str) -> Version:
    (exact,) = PINNED[name].specifier
    assert exact.operator == "=="
    return Version(exact.version)


@pytest.mark.parametrize(
    ("name", "allowed", "refused"),
    [
        # Below 2.6 `torch.load(weights_only=True)` could be made to run code (CVE-2025-32434).
        ("torch", ["2.6.0", "2.11.0", "2.13.0"], ["2.5.1", "1.13.1"]),
        # 2.6.2 and 2.6.3 were malicious (GHSA-w37p-236h-pfx3); `Trainer.fit(weights_only=)` came with 2.6.0.
        ("pytorch-lightning", ["2.6.0", "2.6.1", "2.6.4", "2.6.6"], ["2.5.6", "2.6.2", "2.6.3", "3.0.0"]),
    ],
)
def test_ranges(name, allowed, refused):
    specifier = NEEDED[name].specifier
    assert [v for v in allowed if v not in specifier] == []
    assert [v for v in refused if v in specifier] == []


def test_the_trainer_takes_the_argument_that_the_lower_bound_is_for():
    import inspect

    from pytorch_lightning import Trainer

    assert "weights_only" in inspect.signature(Trainer.fit).parameters


def test_torch_is_pinned_to_the_version_that_the_tests_ran_with():
    assert version("torch") == Version("2.13.0")


@pytest.mark.parametrize("requirement", WANTED, ids=str)
def test_pinned_versions_are_in_range(requirement):
    assert version(requirement.name) in requirement.specifier


@pytest.mark.parametrize("name", sorted(PINNED))
def test_pins_are_exact(name):
    assert version(name).is_prerelease is False


def test_python_ranges_agree():
    assert PROJECT["requires-python"] == ">=3.10"
