"""docs/glossary.md: few terms, in order, each of them used in the code or on another page."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
GLOSSARY = ROOT / "docs" / "glossary.md"
MOST = 40


def terms(page: str) -> list[str]:
    return re.findall(r"^\| (?!term|---)([^|]+?) \|", page, re.MULTILINE)


def unused(names: list[str], text: str) -> list[str]:
    """The terms that stand nowhere in a text, in the singular or in the plural."""
    parts = [part for name in names for part in name.split(", ")]
    forms = {part: rf"\b{part.removesuffix('y').removesuffix('s')}(?:s|y|ies)?\b" for part in parts}
    return [part for part, form in forms.items() if not re.search(form, text, re.IGNORECASE)]


def test_terms_are_few_and_in_order() -> None:
    found = terms(GLOSSARY.read_text(encoding="utf-8"))
    assert 30 <= len(found) <= MOST
    assert found == sorted(set(found))


def test_each_term_is_used() -> None:
    files = [*(ROOT / "seqmodels").rglob("*.py"), *(ROOT / "docs").rglob("*.md"), ROOT / "README.md"]
    text = "\n".join(file.read_text(encoding="utf-8") for file in files if file != GLOSSARY)
    assert unused(terms(GLOSSARY.read_text(encoding="utf-8")), text) == []
    assert unused(["hyperlattice", "window", "anomaly"], text) == ["hyperlattice"]
