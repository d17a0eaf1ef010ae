"""A page in docs/experiments for each run given, and a list of all pages there.

python scripts/experiment_pages.py runs/surname_origin/2026-01-31_12-00-00 ...
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from seqmodels.cli.config.library import Library
from seqmodels.cli.config.saved import run_folder, saved_config
from seqmodels.cli.verbs.report import write_page

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "experiments"


def main() -> None:
    """Write the pages, then the list."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="*", type=Path)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    library = Library()
    for run in arguments.runs:
        name = saved_config(run_folder(run, "RUN"))["name"]
        print(*write_page(run, arguments.folder / f"{name}.md", library))
    (arguments.folder / "README.md").write_text(index(arguments.folder), encoding="utf-8")


def index(folder: Path) -> str:
    """The list of the pages in a folder: what each shows, and how it compares."""
    lines = ["# Experiments", "", "Each page was made from its run by `scripts/experiment_pages.py`.", ""]
    lines += ["| experiment | what it shows | result |", "| --- | --- | --- |"]
    for page in sorted(folder.glob("*.md")):
        if page.name != "README.md":
            text = page.read_text(encoding="utf-8")
            lines.append(f"| [{page.stem}]({page.name}) | {_shows(text)} | {_comparison(text)} |")
    return "\n".join(lines) + "\n"


def _shows(text: str) -> str:
    found = re.match(r"# .*\n\n([^!#\n].*)\n", text)
    return found.group(1) if found else ""


def _comparison(text: str) -> str:
    found = re.search(r"^## Result on .*?\n\n(?:\|.*\n)+\n(.*)$", text, re.MULTILINE)
    return found.group(1) if found else ""


if __name__ == "__main__":
    main()
