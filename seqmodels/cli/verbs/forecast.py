"""`seqmodels forecast`: what comes after the end of series."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqmodels.cli.arguments import PICTURES, TABLES, Parser
from seqmodels.cli.output import give
from seqmodels.cli.screen import console
from seqmodels.cli.trained import read_run
from seqmodels.files.atomic import replacing
from seqmodels.kinds import whole

if TYPE_CHECKING:
    from seqmodels.data.series.ahead import SeriesAhead

# Steps of the past in a plot, in those of the forecast, and at least.
PAST, LEAST_PAST = 4, 48


def forecast(arguments: list[str]) -> int:
    """Write the forecast of every series, or print it; and draw it."""
    parser = Parser()
    parser.source("input")
    parser.number("steps", whole(1, 1_000_000))
    parser.target("output", *TABLES)
    parser.target("plot", *PICTURES)
    flags, run, changes, plugins = read_run(parser, arguments)
    parser.check(flags)
    from seqmodels.inference import load

    model = load(run, plugins, changes=changes)
    rows = list(model.forecast(flags.input, flags.steps))
    horizon, screen = model.spec.horizon or 1, console(stderr=True)
    if flags.steps is not None and flags.steps > horizon:
        screen.print(
            f"--steps {flags.steps} is beyond the model's horizon of {horizon}: from there on it reads its own "
            "forecast, and is less certain than it says"
        )
    if flags.plot is not None:
        _plot(model.ahead(flags.input), rows, horizon, flags.plot)
        screen.print(f"picture in {flags.plot}")
    give(rows, flags.output, "forecasts")
    return 0


def _plot(ahead: SeriesAhead, rows: list[dict[str, Any]], horizon: int, path: Path) -> None:
    """Draw each series' recent past and its forecast, whole or not at all."""
    import numpy as np

    from seqmodels.tasks.plots.fan import Fan, fan_figure
    from seqmodels.tasks.plots.style import plain

    steps = len(rows) // len(ahead.names)
    fans = []
    for one, name in enumerate(ahead.names):
        recent = ahead.own(one)[-max(PAST * steps, LEAST_PAST) :]
        clock, times = ahead.rows.clock, ahead.rows.times
        past, later = np.arange(1 - len(recent), 1), np.arange(1, steps + 1)
        if clock is not None and times is not None and clock.dated:
            later = np.array(ahead.time_stamps(one, steps)).astype("datetime64[ns]")
            past = times[recent].astype("datetime64[ns]")
        fans.append(Fan(name, past, ahead.rows.values[recent, 0], later, rows[one * steps :][:steps], horizon))
    with replacing(path) as file:
        plain(fan_figure(fans, ahead.spec.input_names[0])).savefig(file, format=path.suffix[1:])
