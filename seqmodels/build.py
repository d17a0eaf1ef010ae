"""From a plain mapping to objects, in dependency order: data, sizes, cells, layers, head, task.

Knows neither Hydra nor Lightning's Trainer, so that a trained model loads without them.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from torch import nn

from seqmodels import checkpoint
from seqmodels.batch import BatchSpec
from seqmodels.cells import Cell
from seqmodels.layers import Bidirectional, Recurrent, Stack
from seqmodels.model import FeatureEncoder, SequenceModel, TokenEncoder
from seqmodels.registry import find, make

if TYPE_CHECKING:
    from seqmodels.data.module import SequenceDataModule
    from seqmodels.tasks.base import Task

Config = Mapping[str, Any]


class Loaded(NamedTuple):
    """A trained model and all that is needed to use it."""

    model: SequenceModel
    task: Task
    spec: BatchSpec
    config: dict[str, Any]


def load(run: str | Path, plugins: Iterable[str] = (), which: str = "best") -> Loaded:
    """Rebuild a trained model from its checkpoint; no code in the checkpoint is run.

    Args:
        run: a run folder or a checkpoint file.
        plugins: packages that register parts the model is made of. A checkpoint only names
            them; to import them is your decision.
        which: "best" or "last", where `run` is a folder.

    Raises:
        ValueError: no checkpoint, a damaged one, one with a part nobody registered, or one
            that needs plugins not given here.
    """
    path = checkpoint.locate(run, which)
    stored = checkpoint.read(path)
    config, spec = stored[checkpoint.KEY]["config"], BatchSpec.from_plain(stored[checkpoint.KEY]["spec"])
    _refuse_targets(config, str(path))
    missing = [name for name in config.get("plugins", []) if name not in set(plugins)]
    if missing:
        raise ValueError(
            f"{path} is made of parts from {', '.join(missing)}; if you trust them, load it with plugins={missing!r}"
        )
    import_plugins(plugins)
    task = build_task(config, spec)
    model = build_model(config, spec, task)
    prefix = "model."
    weights = {k[len(prefix) :]: v for k, v in stored["state_dict"].items() if k.startswith(prefix)}
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise ValueError(f"the weights in {path} do not fit the model its config describes: {error}") from error
    return Loaded(model.eval(), task, spec, config)


def import_plugins(names: Iterable[str]) -> None:
    """Import the packages a user has named, so that their parts register themselves.

    Raises:
        ValueError: a package that cannot be imported.
    """
    for name in names:
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise ValueError(f"plugins names {name!r}, which cannot be imported: {error}") from error


def build_source(config: Config) -> Any:
    """The data source named in ``config["data"]``."""
    return make("data", **config["data"])


def build_data(config: Config) -> SequenceDataModule:
    """The data module: the source's splits, cut and dealt as ``config["training"]`` says."""
    from seqmodels.data.module import SequenceDataModule

    training = config["training"]
    return SequenceDataModule(
        build_source(config).splits(),
        batch_size=training["batch_size"],
        window=training["window"],
        random_window=training["random_window"],
        workers=training["workers"],
        seed=config["seed"],
    )


def build_task(config: Config, spec: BatchSpec) -> Task:
    """The task named in ``config["task"]``, for batches as `spec` describes them."""
    options = dict(config["task"])
    task: Task = make("task", options.pop("name"), spec, **options)
    head = find("head", config["model"]["head"]["name"])
    shape = getattr(head, "target_shape", None)
    if shape != spec.target_shape:
        raise ValueError(
            f"head {config['model']['head']['name']!r} makes one prediction per {shape!r}, but this data has targets "
            f"per {spec.target_shape!r}: choose another model/head"
        )
    return task


def build_model(config: Config, spec: BatchSpec, task: Task) -> SequenceModel:
    """Encoder, layers and head as ``config["model"]`` says, in sizes that fit `spec` and `task`."""
    options = config["model"]
    encoder: nn.Module
    if spec.inputs == "tokens":
        encoder = TokenEncoder(spec.input_size, options["embedding_size"], dropout=options["input_dropout"])
    else:
        encoder = FeatureEncoder(spec.input_size, dropout=options["input_dropout"])
    layers = build_layers(options, encoder.output_size)
    head_options = dict(options["head"])
    name = head_options.pop("name")
    if find("head", name).target_shape == "own":
        head_options.update(targets="values" if spec.targets == "values" else "tokens", stop=spec.stop)
    head = make("head", name, layers.output_size, task.output_size, **head_options)
    return SequenceModel(encoder, layers, head)


def build_layers(options: Config, input_size: int) -> Stack:
    """A stack with one layer for each of ``options["hidden_sizes"]``."""
    layers: list[nn.Module] = []
    for hidden_size in options["hidden_sizes"]:
        layer = build_layer(options, input_size, hidden_size)
        layers.append(layer)
        input_size = layer.output_size
    return Stack(layers, dropout=options["dropout"], residual=options["residual"])


def build_layer(options: Config, input_size: int, hidden_size: int) -> Any:
    """One recurrent layer, in one direction or both."""

    def recurrent(reverse: bool) -> Recurrent:
        cell_options = dict(options["cell"])
        cell: Cell = make("cell", cell_options.pop("name"), input_size, hidden_size, **cell_options)
        return Recurrent(cell, reverse, options["initial_state"], options["engine"])

    if not options["bidirectional"]:
        return recurrent(False)
    return Bidirectional(recurrent(False), recurrent(True), options["merge"])


def _refuse_targets(config: Any, path: str) -> None:
    """A config that names Python objects to call is not ours: say so instead of ignoring it."""
    if isinstance(config, Mapping):
        for key, value in config.items():
            if str(key).startswith("_") and str(key).endswith("_"):
                raise ValueError(f"the config in {path} asks to run code ({key}: {value!r}): refused")
            _refuse_targets(value, path)
    elif isinstance(config, list | tuple):
        for value in config:
            _refuse_targets(value, path)


def parameter_count(model: nn.Module) -> int:
    """Numbers that are trained."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


