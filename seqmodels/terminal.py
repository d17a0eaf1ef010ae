"""Rich console without markup and with control characters escaped."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderHook
from rich.segment import Segment

from seqmodels import stopping
from seqmodels.escaping import on_screen


class _WrittenOut(NamedTuple):
    """Renderable with control characters escaped."""

    content: Any

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        for segment in console.render(self.content, options):
            ours = segment.control or segment.text == "\r"  # a line to overwrite
            yield segment if ours else segment._replace(text=on_screen(segment.text))


class _WriteOut(RenderHook):
    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        return [_WrittenOut(one) for one in renderables]


class Screen(Console):
    """Console that escapes control characters from data.

    A closed output, as in ``| head``, stops the command like a signal.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.push_render_hook(_WriteOut())

    def on_broken_pipe(self) -> None:
        stopping.reader_left()
