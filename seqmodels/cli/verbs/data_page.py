"""What `seqmodels data inspect` prints, for a terminal of 80 columns."""

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from seqmodels.cli.screen import console
from seqmodels.terminal import Screen

Plain = dict[str, Any]

WIDTH = 80
# Rows of a table of classes or features; what is more is counted only.
MOST_ROWS = 20
BLOCKS = " ▁▂▃▄▅▆▇█"
# Nothing in it comes from Rich's markup: names from the data may hold brackets.
SHAPES = {"step": "one per step", "sequence": "one per sequence", "own": "sequences of their own length"}


def show(found: Plain) -> None:
    """Print all that was found."""
    screen = Screen(width=min(WIDTH, console().width), highlight=False, markup=False)
    screen.print(Text.assemble((f"data={found['data']}  ", "bold"), found["taken for"]))
    targets = found["targets"]
    screen.print(f"task={found['task']} model/head={found['head']}, {found['parameters']:,} parameters")
    for words in found["chosen"]:
        screen.print(f"{words}, unless you say otherwise")
    screen.print(f"targets: {targets['kind']}, {SHAPES[targets['shape']]}")
    splits = found["splits"]
    screen.print(_counts(splits))
    _lengths(screen, splits["train"], "lengths", "lengths in train")
    _lengths(screen, splits["train"], "target lengths", "target lengths in train")
    for key, title in (("tokens", "tokens of the inputs"), ("target tokens", "tokens of the targets")):
        _tokens(screen, splits, key, title)
    if any("classes" in split for split in splits.values()):
        screen.print(_classes(splits))
    for key, title in (("features", "features"), ("values", "target values")):
        if key in splits["train"]:
            screen.print(_columns(splits["train"][key], f"{title} in train, original units"))
    shapes = f"inputs {_shape(found['batch']['inputs'])}, targets {_shape(found['batch']['targets'])}"
    screen.print(f"\nbatches: {shapes}; {_length(found)}; {100 * found['padding']:.0f} % padding")
    _list(screen, "left out or changed", found["notes"], "- ", "")
    _list(screen, "warnings", found["warnings"], "! ", "yellow")


def _length(found: Plain) -> str:
    """Say how long the training is going to be."""
    updates, epochs, most = found["updates per epoch"], found["epochs"], found["most updates"]
    words = f"{updates:,} update{'s' * (updates != 1)} per epoch"
    if 0 < most < updates * max(1, epochs):
        return f"{words}, {most:,} in all"
    return f"{words}, {epochs:,} epoch{'s' * (epochs != 1)}" if epochs > 0 else words


def _shape(sizes: list[int]) -> str:
    return " x ".join(map(str, sizes))


def _table(title: str, *columns: str) -> Table:
    table = Table(
        title=f"\n{title}", title_justify="left", title_style="bold", show_edge=False, pad_edge=False, box=None
    )
    table.add_column(columns[0], overflow="ellipsis", max_width=30, no_wrap=True)
    for name in columns[1:]:
        table.add_column(name, justify="right", overflow="fold")
    return table


def _counts(splits: Plain) -> Table:
    table = _table("splits", "", *splits)
    for key in ("sequences", "steps", "groups", "also in train", "near copies in train"):
        if any(key in split for split in splits.values()):
            table.add_row(key, *(f"{split[key]:,}" if key in split else "" for split in splits.values()))
    for name in ("min", "median", "max"):
        table.add_row(f"length, {name}", *(f"{split['lengths'][name]:,.10g}" for split in splits.values()))
    if any("weights" in split for split in splits.values()):
        weights = [split.get("weights") for split in splits.values()]
        table.add_row("weights", *(f"{w['min']:.3g} to {w['max']:.3g}" if w else "" for w in weights))
    sampled = any(split["steps read"] < split["steps"] for split in splits.values())
    if sampled:
        table.add_row("steps looked at", *(f"{split['steps read']:,}" for split in splits.values()))
    return table


def _lengths(screen: Console, train: Plain, key: str, title: str) -> None:
    if key not in train or train[key]["min"] == train[key]["max"]:
        return
    lengths = train[key]
    most = max(lengths["histogram"])
    bars = "".join(BLOCKS[0 if not n else max(1, round(n / most * 8))] for n in lengths["histogram"])
    screen.print(f"\n{title}: {lengths['min']:,} |{bars}| {lengths['max']:,}")


def _tokens(screen: Console, splits: Plain, key: str, title: str) -> None:
    if key not in splits["train"]:
        return
    tokens = splits["train"][key]
    unknown = [f"{100 * s[key]['unknown']:.2g} % in {name}" for name, s in splits.items() if "unknown" in s[key]]
    words = f"vocabulary of {tokens['vocabulary']:,}, {tokens['seen']:,} seen in train"
    screen.print(f"\n{title}: {words}" + (f"; unknown: {', '.join(unknown)}" if unknown else ""))
    frequent = "  ".join(f"{name!r} {100 * share:.2g} %" for name, share in tokens["frequent"].items())
    screen.print(f"  most frequent: {frequent}")


def _classes(splits: Plain) -> Table:
    """Count each class, most frequent first, in each split, with its share of it."""
    table = _table("classes", "", *(cell for name in splits for cell in (name, "share")))
    counts = splits["train"]["classes"]
    totals = {name: max(1, sum(split["classes"].values())) for name, split in splits.items()}
    order = sorted(counts, key=lambda name: -counts[name])
    for label in order[:MOST_ROWS]:
        cells = []
        for name, split in splits.items():
            count = split["classes"].get(label, 0)
            cells += [f"{count:,}", f"{100 * count / totals[name]:.1f} %"]
        table.add_row(label, *cells)
    if len(order) > MOST_ROWS:
        table.add_row(f"... and {len(order) - MOST_ROWS:,} more")
    return table


def _columns(columns: Plain, title: str) -> Table:
    table = _table(title, "", "mean", "sd", "min", "max", "missing")
    for name, column in list(columns.items())[:MOST_ROWS]:
        nothing = 1e-6 * column["sd"]  # what scaling to and fro leaves of a zero
        values = [0.0 if abs(column[key]) < nothing else column[key] for key in ("mean", "sd", "min", "max")]
        table.add_row(
            name, *(f"{value:.4g}" for value in values), f"{column['missing']:,}" if column["missing"] else ""
        )
    if len(columns) > MOST_ROWS:
        table.add_row(f"... and {len(columns) - MOST_ROWS:,} more")
    return table


def _list(screen: Console, title: str, lines: list[str], mark: str, style: str) -> None:
    if lines:
        screen.print(Text(f"\n{title}", style="bold"))
    for line in lines:
        screen.print(Text(f"{mark}{line}", style=style))
