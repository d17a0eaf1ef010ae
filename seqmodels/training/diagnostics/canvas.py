"""Boxes and arrows for plots of a model."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch

from seqmodels.training.diagnostics.style import GREY, INK

Point = tuple[float, float]

BACKGROUND = "#FAFBFC"  # inside a frame
# Fill and edge of each kind of box.
PAINT = {
    "input": ("#EEF1F4", "#7A8794"),
    "encoder": ("#DDF1E9", "#00805D"),
    "forward": ("#DCEAF7", "#0062A0"),
    "reverse": ("#EADFF3", "#7B4BA0"),
    "head": ("#FCE6D3", "#C55A00"),
    "output": ("#FFF6D9", "#B58900"),
}


class Canvas:
    """Blank axes with the same unit in both directions.

    Args:
        unit: inches per unit.
    """

    def __init__(self, width: float, height: float, unit: float = 0.62) -> None:
        self.figure = Figure(figsize=(width * unit, height * unit), dpi=120)
        self.axes: Axes = self.figure.add_axes((0, 0, 1, 1))
        self.axes.set(xlim=(0, width), ylim=(0, height), aspect="equal")
        self.axes.axis("off")

    def text(self, at: Point, words: str, size: float = 8, **style: Any) -> None:
        """Draw text, centred on a point by default."""
        style = {"ha": "center", "va": "center", "color": INK, "zorder": 5, **style}
        self.axes.text(*at, words, fontsize=size, **style)

    def box(self, centre: Point, size: Point, kind: str, title: str, note: str = "", print_size: float = 8.5) -> None:
        """Draw a rounded box with a title and a small note under it."""
        fill, edge = PAINT[kind]
        corner = (centre[0] - size[0] / 2, centre[1] - size[1] / 2)
        shape = FancyBboxPatch(
            corner, *size, boxstyle="round,pad=0,rounding_size=0.12", fc=fill, ec=edge, lw=1.4, zorder=3
        )
        self.axes.add_patch(shape)
        lift = 0.2 if note else 0.0
        self.text((centre[0], centre[1] + lift), title, print_size, fontweight="bold", color=edge)
        if note:
            self.text((centre[0], centre[1] - lift), note, 7)

    def circle(self, centre: Point, kind: str, label: str, radius: float = 0.36) -> None:
        """Draw a labelled circle, which stands for a value."""
        fill, edge = PAINT[kind]
        self.axes.add_patch(Circle(centre, radius, fc=fill, ec=edge, lw=1.4, zorder=3))
        self.text(centre, label, 9)

    def plus(self, centre: Point) -> None:
        """Draw a plus where two arrows are added."""
        self.axes.add_patch(Circle(centre, 0.13, fc="white", ec=INK, lw=1, zorder=4))
        self.text((centre[0], centre[1] - 0.01), "+", 8)

    def arrow(self, start: Point, stop: Point, colour: str = INK, dashed: bool = False, bend: float = 0.0) -> None:
        """Draw a straight or bent arrow."""
        shape = FancyArrowPatch(
            start,
            stop,
            arrowstyle="-|>",
            mutation_scale=9,
            shrinkA=0,
            shrinkB=0,
            lw=1.3,
            color=colour,
            linestyle=(0, (3, 2)) if dashed else "-",
            connectionstyle=f"arc3,rad={bend}",
            zorder=2,
        )
        self.axes.add_patch(shape)

    def path(self, points: list[Point], colour: str = INK, dashed: bool = False) -> None:
        """Draw a line with corners that ends in an arrow."""
        xs, ys = zip(*points[:-1], strict=True)
        self.axes.plot(xs, ys, color=colour, lw=1.3, ls=(0, (3, 2)) if dashed else "-", zorder=2)
        self.arrow(points[-2], points[-1], colour, dashed)

    def frame(self, left_bottom: Point, right_top: Point, words: str) -> None:
        """Draw a dashed border with a label at its upper edge."""
        size = (right_top[0] - left_bottom[0], right_top[1] - left_bottom[1])
        style: dict[str, Any] = {"boxstyle": "round,pad=0,rounding_size=0.2", "fc": BACKGROUND, "ec": GREY, "lw": 1.2}
        self.axes.add_patch(FancyBboxPatch(left_bottom, *size, ls=(0, (6, 3)), zorder=0, **style))
        self.text((left_bottom[0] + 0.15, right_top[1] - 0.22), words, 7.5, ha="left", color="#555555")
