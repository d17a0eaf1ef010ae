"""What the laws are tried on: every registered cell with its options, every layer, every engine.

Nothing here is listed that can be found. A cell that this file has never heard of is tried with
its default options; a layer class without a builder below fails `test_every_layer_is_tried`.
"""

import contextlib
import dataclasses
import importlib
import pkgutil
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch

import seqmodels.layers
from seqmodels import registry
from seqmodels.cells import Cell
from seqmodels.layers import Bidirectional, Layer, Recurrent, Regularisers, Stack
from seqmodels.scan import ENGINES, engines_for

MakeCell = Callable[[int, int], Cell]
MakeLayer = Callable[[int, int], Layer]

_CHRONO = {"init": "chrono", "chrono_steps": 9}
# Options worth trying beyond the defaults, as functions of the hidden size H.
OPTIONS: dict[str, dict[str, Callable[[int], dict[str, Any]]]] = {
    "elman": {
        "relu": lambda H: {"nonlinearity": "relu"},
        "no_bias": lambda H: {"bias": False},
        "identity": lambda H: {"nonlinearity": "relu", "init": "identity"},
        "diagonal": lambda H: {"heads": H},
    },
    "lstm": {
        "no_bias": lambda H: {"bias": False},
        "peephole": lambda H: {"peephole": True},
        "coupled": lambda H: {"coupled": True},
        "projected": lambda H: {"proj_size": H // 2},
        "all": lambda H: {"peephole": True, "coupled": True, "proj_size": H // 2, "bias": False},
        "chrono": lambda H: {"init": "chrono", "chrono_steps": 9},
        "forget": lambda H: {"init": "orthogonal", "forget_bias": 1.0},
        "heads": lambda H: {"heads": 2 - H % 2, "peephole": True, "init": "orthogonal"},
    },
    "gru": {
        "no_bias": lambda H: {"bias": False},
        "before": lambda H: {"reset_gate": "before"},
        "before_no_bias": lambda H: {"reset_gate": "before", "bias": False},
        "chrono": lambda H: {"init": "chrono", "chrono_steps": 9},
        "heads": lambda H: {"heads": 2 - H % 2, "bias": False},
    },
    "layer_norm_lstm": {"no_bias_heads": lambda H: {"bias": False, "heads": 2 - H % 2}},
    "layer_norm_gru": {"no_bias_heads": lambda H: {"bias": False, "heads": 2 - H % 2}},
    "mgu": {"no_bias": lambda H: {"bias": False}, "chrono_heads": lambda H: {**_CHRONO, "heads": 2 - H % 2}},
    "indrnn": {"tanh": lambda H: {"nonlinearity": "tanh", "longest_dependency": 9, "bias": False}},
    "diagonal_gru": {"chrono": lambda H: _CHRONO},
    "diagonal_lstm": {"coupled": lambda H: {"peephole": True, "coupled": True, "bias": False}},
    "mingru": {"no_bias": lambda H: {"bias": False}, "forget": lambda H: {"forget_bias": 2.0}},
    "minlstm": {"no_bias": lambda H: {"bias": False}, "forget": lambda H: {"forget_bias": 2.0}},
    "lru": {"ring": lambda H: {"r_min": 0.9, "r_max": 0.99, "max_phase": 0.5}},
    "rglru": {"no_bias": lambda H: {"bias": False, "r_min": 0.2, "exponent": 2.0}},
    "feedforward": {"relu_no_bias": lambda H: {"nonlinearity": "relu", "bias": False}},
}


def cells() -> dict[str, MakeCell]:
    """Every registered cell, with its default options and with each of `OPTIONS`."""
    made: dict[str, MakeCell] = {}
    for name in registry.names("cell"):
        for title, options in {"": lambda H: {}, **OPTIONS.get(name, {})}.items():
            made["-".join(filter(None, (name, title)))] = _maker(name, options)
    return made


def _maker(name: str, options: Callable[[int], dict[str, Any]]) -> MakeCell:
    return lambda F, H: registry.make("cell", name, F, H, **options(H))


# How to build a layer from two ways of making a cell: an input layer's and a higher one's.
LAYERS: dict[str, Callable[[MakeCell, int, int], Layer]] = {
    "recurrent": lambda cell, F, H: Recurrent(cell(F, H)),
    "reverse": lambda cell, F, H: Recurrent(cell(F, H), reverse=True),
    "concat": lambda cell, F, H: _bidirectional(cell, F, H, "concat"),
    "sum": lambda cell, F, H: _bidirectional(cell, F, H, "sum"),
    "stack": lambda cell, F, H: _stack(cell, F, H),
    "residual": lambda cell, F, H: _stack(cell, F, H, residual=True),
    "deep": lambda cell, F, H: Stack([_bidirectional(cell, F, H, "sum"), _stack(cell, H, H)]),
    "regularised": lambda cell, F, H: regularised(cell(F, H)).eval(),
}


def regularised(cell: Cell) -> Recurrent:
    """With every regulariser that acts on the cell; in evaluation those are zoneout and a limit too large to be met."""
    options: dict[str, Any] = {}
    for field in dataclasses.fields(Regularisers):
        one = {field.name: 1e6 if field.name == "clip_gradient" else 0.3}
        with contextlib.suppress(ValueError):
            Regularisers(**one).check(cell)
            options |= one
    return Recurrent(cell, regularisers=Regularisers(**options))


def _bidirectional(cell: MakeCell, F: int, H: int, merge: str) -> Bidirectional:
    return Bidirectional(Recurrent(cell(F, H)), Recurrent(cell(F, H), reverse=True), merge)


def _stack(cell: MakeCell, F: int, H: int, residual: bool = False) -> Stack:
    return Stack([Recurrent(cell(F, H)), Recurrent(cell(H, H))], residual=residual)


class Subject(NamedTuple):
    """One thing that must obey the laws."""

    name: str
    make: MakeLayer


def subjects() -> Iterator[Subject]:
    """Every cell by every engine that can run it, and every layer over every registered cell."""
    for title, make in cells().items():
        for engine in ("auto", *engines_for(make(3, 4))):
            yield Subject(f"{title}-{engine}", _recurrent(make, engine))
        if make(3, 4).state_type._fields:
            yield Subject(f"{title}-learned", _recurrent(make, "auto", initial_state="learned"))
    for name in registry.names("cell"):
        for kind, build in LAYERS.items():
            yield Subject(f"{kind}-of-{name}", _over(build, _maker(name, lambda H: {})))


def _recurrent(make: MakeCell, engine: str, **options: Any) -> MakeLayer:
    return lambda F, H: _prepare(Recurrent(make(F, H), engine=engine, **options))


def _over(build: Callable[[MakeCell, int, int], Layer], make: MakeCell) -> MakeLayer:
    return lambda F, H: _prepare(build(make, F, H))


def _prepare(layer: Layer) -> Layer:
    """In float64, with weights larger than the usual, and a learned initial state that is not zero."""
    layer = layer.double()
    with torch.no_grad():
        for name, parameter in layer.named_parameters():
            parameter.mul_(1.5)
            if ".initial_" in name:
                parameter.normal_()
    return layer


def layer_classes() -> set[type[Layer]]:
    """Every class of layer in the package, wherever in `seqmodels.layers` it is."""
    for module in pkgutil.iter_modules(seqmodels.layers.__path__, "seqmodels.layers."):
        importlib.import_module(module.name)
    return {cls for cls in _below(Layer) if cls.__module__.startswith("seqmodels.")}


def _below(cls: type) -> Iterator[type]:
    for child in cls.__subclasses__():
        yield child
        yield from _below(child)


def resets_inside(layer: Layer) -> bool:
    """Whether the layer can reset rows in the middle of a window, by the engine it was given."""
    reset = torch.zeros(1, 2, dtype=torch.bool)
    recurrent = [module for module in layer.modules() if isinstance(module, Recurrent)]
    named = [part for part in recurrent if part.engine != "auto"]
    return layer.carries and all(ENGINES[part.engine].obstacle(part.cell, None, reset) is None for part in named)
