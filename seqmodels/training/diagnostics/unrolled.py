"""Plot of the model unrolled over a few time steps.

Columns are time steps; floors are encoder, layers and head, from the bottom up.
"""

from matplotlib.figure import Figure

from seqmodels.model import SequenceModel
from seqmodels.training.diagnostics.anatomy import Anatomy, LayerPart, Part, anatomy
from seqmodels.training.diagnostics.canvas import BACKGROUND, PAINT, Canvas, Point
from seqmodels.training.diagnostics.style import GREY

BOX = (2.5, 0.95)  # width and height of a box
COLUMN, FLOOR = 3.5, 1.75  # from one column or floor to the next
LEFT, BOTTOM = 3.1, 1.15  # the centre of the first column and floor
MIN_WIDTH = 12.4  # leaves room for the title
SHOWN = 6  # a stack of more layers is drawn with a gap


def unrolled_figure(model: SequenceModel, window: int | None = None, k2: int | None = None) -> Figure:
    """Plot the model over three steps: boxes, sizes, parameters, and the direction of the state.

    Args:
        window: k1 of truncated backpropagation; if given, the carried state is drawn at the borders.
        k2: steps the gradient reaches back, if different from `window`.
    """
    return _Plot(anatomy(model), window, k2).draw()


class _Plot:
    """A plot under construction; `x` and `y` convert columns and floors to coordinates."""

    def __init__(self, parts: Anatomy, window: int | None, k2: int | None) -> None:
        self.parts, self.window, self.k2 = parts, window, k2
        self.own = parts.shape in ("one_to_many", "encoder_decoder")
        self.steps = ["1"] if parts.shape in ("one_to_one", "one_to_many") else ["1", "2", "T"]
        self.layers = _shown(parts.layers)
        self.floors = 2 + len(self.layers) + (0 if self.own else 2)
        columns = len(self.steps) + (3 if self.own else 0)
        self.width = max(LEFT + columns * COLUMN - (1.2 if self.own else 0.1), MIN_WIDTH)
        self.left = self.width / 2 if parts.shape == "one_to_one" else LEFT
        above = 1.7 if self.own else (0.75 if window is None else 1.25)
        self.height = BOTTOM + self.floors * FLOOR + above
        self.canvas = Canvas(self.width, self.height)

    def x(self, column: float) -> float:
        return self.left + column * COLUMN

    def y(self, floor: float) -> float:
        return BOTTOM + floor * FLOOR

    def draw(self) -> Figure:
        self._title()
        self._window_frame()
        for column, step in enumerate(self.steps):
            self._column(column, step)
        for floor in (0, 1):
            self._dots(self.y(floor))
        for floor, layer in enumerate(self.layers, start=2):
            self._states(layer, floor)
        getattr(self, f"_{self.parts.shape}")()
        return self.canvas.figure

    def _title(self) -> None:
        parts = self.parts
        kinds = " + ".join(dict.fromkeys(layer.title for layer in parts.layers))
        title = f"The model unrolled over time: {parts.shape.replace('_', '-')}, "
        title += f"{len(parts.layers)} layer{'s' if len(parts.layers) > 1 else ''} of {kinds}"
        self.canvas.text((0.25, self.height - 0.35), title, 11.5, ha="left", fontweight="bold")
        hint = f"{parts.parameters:,} parameters. Every column is one time step, with the same weights."
        hint += " In a box: width in → out · parameters.\nThe state runs along the horizontal arrows"
        two_ways = any(len(layer.directions) > 1 for layer in parts.layers)
        hint += ": blue reads forwards, violet backwards." if two_ways else "."
        self.canvas.text((0.25, self.height - 0.66), hint, 8, ha="left", va="top", color="#555555", linespacing=1.5)

    def _window_frame(self) -> None:
        if self.window is None:
            return
        words = f"one window: {self.window} steps between updates"
        if self.k2 is not None and self.k2 != self.window:
            words += f", gradients reach {self.k2} steps back"
        low = (self.x(0) - BOX[0] / 2 - 0.35, 0.45)
        high = (self.x(len(self.steps) - 1) + BOX[0] / 2 + 0.35, self.y(self.floors - 1) + 0.95)
        self.canvas.frame(low, high, words)

    def _column(self, column: int, step: str) -> None:
        canvas, x = self.canvas, self.x(column)
        canvas.circle((x, self.y(0)), "input", f"$x_{{{step}}}$")
        self._part(self.parts.encoder, (x, self.y(1)), "encoder")
        canvas.arrow((x, self.y(0) + 0.36), (x, self.y(1) - BOX[1] / 2))
        for floor, layer in enumerate(self.layers, start=2):
            if layer is None:
                canvas.text((x, self.y(floor)), f"⋮  {len(self.parts.layers) - SHOWN + 1} more", 8)
            else:
                self._layer(layer, (x, self.y(floor)))
            self._up(column, floor)

    def _up(self, column: int, floor: int) -> None:
        """Draw the arrow into a layer, with its dropout."""
        canvas, x = self.canvas, self.x(column)
        low, high = self.y(floor - 1) + BOX[1] / 2, self.y(floor) - BOX[1] / 2
        dropped = self.parts.dropout > 0 and floor > 2
        canvas.arrow((x, low), (x, high), dashed=dropped)
        if dropped and column == 0:
            canvas.text((x - 0.1, (low + high) / 2), f"dropout {self.parts.dropout:g}", 7, ha="right", color="#555555")

    def _layer(self, layer: LayerPart, at: Point) -> None:
        canvas = self.canvas
        if len(layer.directions) == 1:
            self._part(layer, at, layer.directions[0])
        else:
            half, share = (BOX[0], BOX[1] / 2), _short(layer.parameters // 2)
            words = f"{layer.title} {layer.sizes.replace(' ', '')} · {share}"
            for sign, kind in ((-1, "forward"), (1, "reverse")):
                canvas.box((at[0], at[1] + sign * half[1] / 2), half, kind, words, print_size=7)
        if layer.residual:
            self._around(at)

    def _around(self, at: Point) -> None:
        """Draw the residual connection around a layer."""
        x, reach = at[0], BOX[0] / 2 + 0.14
        low, high = at[1] - BOX[1] / 2 - 0.22, at[1] + BOX[1] / 2 + 0.2
        self.canvas.path([(x, low), (x + reach, low), (x + reach, high), (x + 0.13, high)], GREY)
        self.canvas.plus((x, high))

    def _part(self, part: Part, at: Point, kind: str) -> None:
        note = f"{part.sizes} · {_short(part.parameters)}" if part.parameters else part.sizes
        self.canvas.box(at, BOX, kind, part.title, note)

    def _states(self, layer: LayerPart | None, floor: int) -> None:
        """Draw the arrows of the state through one layer, and labels at both ends."""
        if layer is None or not layer.remembers:
            self._dots(self.y(floor))
            return
        for direction in layer.directions:
            shift = 0.0 if len(layer.directions) == 1 else (0.24 if direction == "reverse" else -0.24)
            self._state_line(layer, direction, self.y(floor) + shift)

    def _state_line(self, layer: LayerPart, direction: str, y: float) -> None:
        canvas, colour = self.canvas, PAINT[direction][1]
        half, last = BOX[0] / 2, len(self.steps) - 1
        forward = direction == "forward"
        for column in range(last):
            left, right = (self.x(column) + half, y), (self.x(column + 1) - half, y)
            canvas.arrow(left if forward else right, right if forward else left, colour)
        self._dots(y)
        start = (self.x(0) - half, y) if forward else (self.x(last) + half, y)
        away = -1 if forward else 1
        begin = (start[0] + away * 1.0, y)
        carried = self.window is not None and forward
        canvas.arrow(begin, start, colour, dashed=carried)
        words = "carried\nstate" if carried else ("learned\nstart" if layer.learned_state else "zero\nstate")
        canvas.text((begin[0] + away * 0.08, y), words, 6.5, ha="right" if forward else "left", color=colour)
        if carried:
            out = self.x(last) + half
            canvas.arrow((out, y), (out + 1.0, y), colour, dashed=True)
            words = "carried on,\nno gradient" if self.k2 is None or self.k2 <= (self.window or 0) else "carried\non"
            canvas.text((out + 1.08, y), words, 6.5, ha="left", color=colour)

    def _dots(self, y: float) -> None:
        """Mark the steps omitted between the second column and the last."""
        if len(self.steps) == 1:
            return
        ground = "white" if self.window is None else BACKGROUND
        self.canvas.text(((self.x(1) + self.x(2)) / 2, y), "···", 12, bbox={"fc": ground, "ec": "none", "pad": 0.6})

    # One method for each shape of head.

    def _many_to_many(self) -> None:
        for column, step in enumerate(self.steps):
            self._answer(self.x(column), f"$\\hat{{y}}_{{{step}}}$")
        for floor in (self.floors - 2, self.floors - 1.17):
            self._dots(self.y(floor))

    def _one_to_one(self) -> None:
        self._answer(self.x(0), r"$\hat{y}$")

    def _many_to_one(self) -> None:
        floor, last = self.floors - 2, len(self.steps) - 1
        pooling = self.parts.pooling or "all steps"
        if pooling == "last":
            self._answer(self.x(last), r"$\hat{y}$")
            return
        bar = self.y(floor) - 0.84
        self._bar(self.y(floor - 1), bar, f"pooling over all steps: {pooling}")
        self._answer(self.x(last / 2), r"$\hat{y}$", bar + 0.15)

    def _bar(self, below: float, at: float, words: str) -> None:
        """Draw a bar over all columns, with an arrow from each box below it."""
        last = len(self.steps) - 1
        for column in range(last + 1):
            self.canvas.arrow((self.x(column), below + BOX[1] / 2), (self.x(column), at - 0.15))
        size = (self.x(last) - self.x(0) + BOX[0], 0.3)
        self.canvas.box((self.x(last / 2), at), size, "head", words, print_size=7.5)

    def _answer(self, x: float, label: str, low: float | None = None) -> None:
        """Draw the head over one column, and the prediction on top."""
        floor = self.floors - 2
        low = self.y(floor - 1) + BOX[1] / 2 if low is None else low
        self.canvas.arrow((x, low), (x, self.y(floor) - BOX[1] / 2))
        self._part(self.parts.head, (x, self.y(floor)), "head")
        self.canvas.arrow((x, self.y(floor) + BOX[1] / 2), (x, self.y(floor + 1) - 0.36 - 0.3))
        self.canvas.circle((x, self.y(floor + 1) - 0.3), "output", label)

    def _encoder_decoder(self) -> None:
        """Draw the head's cells unrolled to the right of the layers, each fed the previous output."""
        canvas, half = self.canvas, BOX[0] / 2
        y = self.y(1 + len(self.layers))
        xs = [self.x(len(self.steps) + n) + 0.6 for n in range(3)]
        canvas.path([(self.x(len(self.steps) - 1) + half, y), (xs[0] - half, y)], PAINT["head"][1])
        words = "start state,\nand an input\nat every step" if self.parts.feed else "start state"
        canvas.text(((self.x(len(self.steps) - 1) + xs[0]) / 2, y - 0.14), words, 6.5, va="top", color=PAINT["head"][1])
        fed = ["start", r"$\hat{y}_{1}$", r"$\hat{y}_{2}$"]
        for n, x in enumerate(xs):
            self._part(self.parts.head, (x, y), "head")
            canvas.text((x, y - 1.25), fed[n], 9)
            canvas.arrow((x, y - 1.0), (x, y - BOX[1] / 2))
            canvas.arrow((x, y + BOX[1] / 2), (x, y + 0.9))
            canvas.circle((x, y + 1.26), "output", f"$\\hat{{y}}_{{{n + 1}}}$")
            if n < 2:
                canvas.arrow((x + half, y), (xs[n + 1] - half, y), PAINT["head"][1])
                middle = (x + xs[n + 1]) / 2
                way = [(x + 0.36, y + 1.26), (middle, y + 1.26), (middle, y - 1.25), (xs[n + 1] - 0.35, y - 1.25)]
                canvas.path(way, GREY, dashed=True)
        if self.parts.attention:
            self._attention(xs, y)

    _one_to_many = _encoder_decoder

    def _attention(self, xs: list[float], y: float) -> None:
        bar, roof = y + 1.3, y + 1.95
        self._bar(y, bar, "attention: every target step looks at all steps")
        right = self.x(len(self.steps) - 1) + BOX[0] / 2
        corner = [(right, bar), (right + 0.3, bar), (right + 0.3, roof)]
        for x in xs:
            self.canvas.path([*corner, (x - 0.8, roof), (x - 0.8, y + BOX[1] / 2)], PAINT["head"][1])


def _shown(layers: tuple[LayerPart, ...]) -> list[LayerPart | None]:
    """Return all layers, or the lowest and the highest of a tall stack with None between them."""
    if len(layers) <= SHOWN:
        return list(layers)
    return [*layers[:3], None, *layers[-2:]]


def _short(count: int) -> str:
    """Format a number of parameters in few characters."""
    if count < 10_000:
        return f"{count:,}"
    return f"{count / 1e6:.1f} M" if count >= 1e6 else f"{count / 1e3:.1f} k"
