"""Description of a model's parts in words and numbers, for plotting."""

from dataclasses import dataclass
from typing import Any

from torch import nn

from seqmodels.cells.base import Cell
from seqmodels.layers.recurrent import Recurrent
from seqmodels.model import SequenceModel
from seqmodels.registry import find, names


@dataclass(frozen=True)
class Part:
    """A box: title, sizes in words, and number of parameters."""

    title: str
    sizes: str
    parameters: int


@dataclass(frozen=True)
class LayerPart(Part):
    """A layer's box.

    Attributes:
        directions: "forward", "reverse" or both.
        remembers: whether its cell has a state.
        residual: whether its input is added to its output.
        learned_state: whether the initial state is a parameter.
    """

    directions: tuple[str, ...] = ("forward",)
    remembers: bool = True
    residual: bool = False
    learned_state: bool = False


@dataclass(frozen=True)
class Anatomy:
    """A model, box by box.

    Attributes:
        encoder, layers, head: the boxes, from the bottom up.
        shape: name of the head's shape: one_to_one, one_to_many, many_to_one, many_to_many or
            encoder_decoder.
        pooling: how a many_to_one head pools the steps.
        attention: whether a decoder attends to all steps.
        feed: whether a decoder reads the features at every step, not only at its start.
        dropout: rate between layers.
        parameters: number in the whole model.
    """

    encoder: Part
    layers: tuple[LayerPart, ...]
    head: Part
    shape: str
    pooling: str | None
    attention: bool
    feed: bool
    dropout: float
    parameters: int


SHAPES = ("one_to_one", "one_to_many", "many_to_one", "many_to_many", "encoder_decoder")
_SHAPE_OF_TARGETS = {"step": "many_to_many", "sequence": "many_to_one", "own": "encoder_decoder"}


def anatomy(model: SequenceModel) -> Anatomy:
    """Describe a model with any encoder, layers and head."""
    stack: Any = model.layers
    layers = list(stack.layers) if isinstance(getattr(stack, "layers", None), nn.ModuleList) else [stack]
    head = model.head
    return Anatomy(
        encoder=_encoder(model.encoder),
        layers=tuple(_layer(layer, bool(getattr(stack, "residual", False))) for layer in layers),
        head=_head(head),
        shape=head_shape(head),
        pooling=getattr(head, "pooling", None),
        attention=getattr(head, "attention", None) is not None,
        feed=bool(getattr(head, "feed", False)),
        dropout=_rate(getattr(stack, "dropout", 0.0)) if len(layers) > 1 else 0.0,
        parameters=count(model),
    )


def count(module: nn.Module) -> int:
    """Count the parameters of a module."""
    return sum(p.numel() for p in module.parameters())


def head_shape(head: nn.Module) -> str:
    """Return which of `SHAPES` a head has, by its registered name or else by its target shape."""
    for name in SHAPES:
        if name in names("head") and isinstance(head, find("head", name)):
            return name
    return _SHAPE_OF_TARGETS[getattr(head, "target_shape", "step")]


def cell_title(cell: Cell) -> str:
    """Return a cell's common name: LSTM for ``LSTMCell``."""
    return type(cell).__name__.removesuffix("Cell")


def _encoder(encoder: nn.Module) -> Part:
    tables = [m for m in encoder.modules() if isinstance(m, nn.Embedding)]
    if tables:
        return Part("embedding", f"{tables[0].num_embeddings} → {tables[0].embedding_dim}", count(encoder))
    return Part("features", f"{getattr(encoder, 'output_size', '')} wide", count(encoder))


def _layer(layer: Any, residual: bool) -> LayerPart:
    runs = [m for m in layer.modules() if isinstance(m, Recurrent)]
    if not runs:
        return LayerPart(type(layer).__name__, _sizes(layer), count(layer), remembers=False)
    cell = runs[0].cell
    return LayerPart(
        cell_title(cell),
        _sizes(cell),
        count(layer),
        directions=tuple("reverse" if run.reverse else "forward" for run in runs),
        remembers=bool(cell.state_sizes()),
        residual=residual and layer.input_size == layer.output_size,
        learned_state=any(name.startswith("initial_") for name, _ in cell.named_parameters()),
    )


def _head(head: nn.Module) -> Part:
    cells = [m for m in head.modules() if isinstance(m, Cell)]
    width = getattr(head, "output_size", "")
    if not cells:
        return Part("linear head", f"{getattr(head, 'input_size', '')} → {width}", count(head))
    title = cell_title(cells[0]) if len(cells) == 1 else f"{len(cells)} × {cell_title(cells[0])}"
    return Part(f"decoder {title}", f"{cells[-1].hidden_size} → {width}", count(head))


def _sizes(module: Any) -> str:
    return f"{module.input_size} → {module.output_size}"


def _rate(dropout: Any) -> float:
    """Return the probability of a dropout given as a module or a number."""
    return float(getattr(dropout, "p", dropout))
