"""The project's words: a glossary of few terms, each of them used; summaries of functions begin with a verb."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
GLOSSARY = ROOT / "docs" / "glossary.md"
MOST = 40
# First words of a summary that says what a function is, and not what it does; the lint (D401) lets them pass.
NO_VERBS = re.compile("(A|All|An|Another|As|Each|How|Int|Its|Of|One|Other|Some|The|Those|What|Where|Whether|Which) ")


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


def without_a_verb(source: str) -> list[str]:
    """The functions of a module, but for properties, whose summary begins with none."""
    return [
        node.name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef)
        and NO_VERBS.match(ast.get_docstring(node) or "")
        and not any("property" in ast.unparse(one) for one in node.decorator_list)
    ]


def test_summaries_of_functions_begin_with_a_verb() -> None:
    files = sorted((ROOT / "seqmodels").rglob("*.py"))
    assert len(files) > 200
    found = [f"{file.name}: {name}" for file in files for name in without_a_verb(file.read_text(encoding="utf-8"))]
    assert found == []
    assert without_a_verb('def f():\n    """The value of it."""\n\ndef g():\n    """Return it."""') == ["f"]
