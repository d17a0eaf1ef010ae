"""Construction of data, models and tasks from a config of plain values.

Does not use Hydra, and imports Lightning only for the data module, so that a trained model loads
without them.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from seqmodels.cells import Cell
from seqmodels.layers import Bidirectional, Layer, Masking, Recurrent, Regularisers, Stack
from seqmodels.model import FeatureEncoder, SequenceModel, Skip, TokenEncoder
from seqmodels.registry import find, make, names, present
from seqmodels.spec import Spec

if TYPE_CHECKING:
    from seqmodels.data.batches.module import SequenceDataModule
    from seqmodels.data.sources.base import DataSource
    from seqmodels.dataset import SequenceDataset
    from seqmodels.tasks.base import Task

Config = Mapping[str, Any]

# Largest number of inputs of a skip connection fitted by ridge regression.
MOST_INPUTS = 1024


def build_source(config: Config) -> DataSource:
    """Build the data source named in ``config["data"]``.

    Raises:
        ValueError: an unknown source or option, or a class of another kind.
    """
    from seqmodels.data.sources.base import DataSource

    options = dict(config["data"])
    name = options.pop("name")
    source = make("data", name, **options)
    if not isinstance(source, DataSource):
        own = type(source).__name__
        raise ValueError(f"data={name}: {own} must derive from seqmodels.data.sources.base.DataSource")
    return source


def amended_source(source: DataSource, before: Config, after: Config) -> DataSource:
    """Return the source for other options, which goes on with what the given one has read, as far as it may.

    Args:
        source: built from `before`.
        before: its name and options.
        after: the same, some of them changed.
    """
    if dict(before) == dict(after):
        return source
    amended = build_source({"data": after})
    if type(amended) is type(source):
        amended.take_over(source, {name for name in after if before.get(name) != after[name]})
    return amended


def suggestions(source: DataSource) -> dict[str, str]:
    """Suggest task and head for the data, as config groups, and settings by name; empty without an opinion.

    Raises:
        ValueError: data that cannot be read.
    """
    groups = {"task": "task", "head": "model/head"}
    return {groups.get(part, part): name for part, name in source.suggest().items()}


def build_data(config: Config, source: DataSource | None = None) -> SequenceDataModule:
    """Build the data module: the splits of the source, in windows and batches as in ``config["training"]``.

    Args:
        config: the whole config.
        source: the data source, if already built.
    """
    return _dealt(config, (source or build_source(config)).splits())


def build_evaluation(config: Config, spec: Spec, path: str | Path | None = None) -> SequenceDataModule:
    """Build the data to evaluate a trained model on: its own, or its training split and another file as "test".

    Baselines are fitted on the training split. Where its file is gone, the other file alone is both; see `is_gone`.

    Args:
        config: config of the run; ``config["data"]`` is the data it was trained on.
        spec: specification of that data, which encodes the other file.
        path: the other file, with targets.

    Raises:
        ValueError: bad data, or data of the run that have changed since.
    """
    if path is not None and is_gone(config):
        other = open_data(config, spec, path, targets=True)
        return _dealt(config, {"train": other, "test": other})
    splits = build_source(config).splits()
    if not _is_alike(splits["train"].spec, spec):
        raise ValueError(
            "the model was trained on data of another kind: its classes, vocabulary, columns or scales differ; "
            "to score it on another file, set data.path only"
        )
    for split in splits.values():
        split.spec = spec
    if path is not None:
        splits = {"train": splits["train"], "test": open_data(config, spec, path, targets=True)}
    return _dealt(config, splits)


def _is_alike(spec: Spec, other: Spec) -> bool:
    """Say whether two specs are the same but for the rounding of scales, which versions differ in."""
    scales = ("input_shift", "input_scale", "shift", "scale")
    pairs = [(getattr(spec, name), getattr(other, name)) for name in scales]
    close = all(len(a) == len(b) and all(map(partial(math.isclose, abs_tol=1e-12), a, b)) for a, b in pairs)
    return close and replace(spec, **{name: getattr(other, name) for name in scales}) == other


def is_gone(config: Config) -> bool:
    """Say whether the file that a model was trained on is no longer there."""
    from seqmodels.data.files.find import is_missing

    path = config["data"].get("path")
    return path is not None and is_missing(str(path))


def open_data(config: Config, spec: Spec, path: str | Path, targets: bool | None = None) -> SequenceDataset:
    """Open another file, encoded as the data in ``config["data"]``; see `DataSource.open`."""
    source: Any = find("data", config["data"]["name"])
    accepted = set(inspect.signature(source.open).parameters) - {"path", "spec", "targets"}
    if "options" in accepted:  # all that the constructor takes
        accepted = set(inspect.signature(source).parameters) - {"path"}
    given = present("data", config["data"]["name"], config["data"])
    options = {name: value for name, value in given.items() if name in accepted}
    dataset: SequenceDataset = source.open(str(path), spec, targets=targets, **options)
    return dataset


def _dealt(config: Config, splits: dict[str, SequenceDataset]) -> SequenceDataModule:
    from seqmodels.data.batches.module import SequenceDataModule

    training = config["training"]
    return SequenceDataModule(
        splits,
        batch_size=training["batch_size"],
        window=training["window"],
        random_window=training["random_window"],
        workers=training["workers"],
        seed=config["seed"],
    )


def build_task(config: Config, spec: Spec) -> Task:
    """Build the task named in ``config["task"]`` for the batches of `spec`."""
    options = dict(config["task"])
    from seqmodels.tasks.base import SHAPES

    task: Task = make("task", options.pop("name"), spec, **options)
    name = config["model"]["head"]["name"]
    head: Any = find("head", name)
    wanted = (spec.target_shape, task.unaligned)
    if (head.target_shape, head.unaligned) != wanted:
        heads: dict[str, Any] = {n: find("head", n) for n in names("head")}
        fitting = [n for n, other in heads.items() if (other.target_shape, other.unaligned) == wanted]
        raise ValueError(
            f"model/head={name} does not fit task={config['task']['name']} on this data, whose targets are "
            f"{SHAPES[spec.target_shape]}: choose model/head={' or '.join(fitting)}"
        )
    return task


def build_model(config: Config, spec: Spec, task: Task) -> SequenceModel:
    """Build the encoder, layers and head of ``config["model"]``, in sizes that fit `spec` and `task`."""
    options = config["model"]
    encoder: TokenEncoder | FeatureEncoder
    masking = Masking(**options.get("masking", {}))  # older checkpoints have none
    if spec.inputs == "tokens" and masking.active:
        raise ValueError("model.masking hides features and adds noise to them; this data has tokens: leave it out")
    if spec.inputs == "tokens":
        ngrams, buckets = options.get("ngrams", 1), options.get("ngram_buckets", 1)  # older checkpoints have none
        encoder = TokenEncoder(spec.input_size, options["embedding_size"], options["input_dropout"], ngrams, buckets)
    else:
        encoder = FeatureEncoder(spec.input_size, dropout=options["input_dropout"], masking=masking)
    layers = build_layers(options, encoder.output_size)
    head_options = dict(options["head"])
    name = head_options.pop("name")
    if "targets" in inspect.signature(find("head", name)).parameters:
        head_options.update(targets="values" if spec.targets == "values" else "tokens", stop=spec.stop)
    if head_options.get("allowed", ...) is None:
        head_options["allowed"] = spec.allowed
    head = make("head", name, layers.output_size, task.output_size, **head_options)
    return SequenceModel(encoder, layers, head, build_skip(options, spec, task))


def build_skip(options: Config, spec: Spec, task: Task) -> Skip | None:
    """Build the skip connection of ``options["skip_steps"]``.

    It reads the forecast feature, over at most its history; with ``skip_fit="ridge"`` all features, unless they are
    too many.

    Raises:
        ValueError: inputs that are tokens.
    """
    steps = options.get("skip_steps", 0)  # older checkpoints have none
    if not steps:
        return None
    if spec.inputs == "tokens":
        raise ValueError("model.skip_steps needs features as inputs, and this data has tokens: set model.skip_steps=0")
    if spec.series is not None and spec.series.history is not None:
        steps = min(steps, spec.series.history)
    own = None if spec.target_feature is None else (spec.target_feature,)
    if options.get("skip_fit") == "ridge" and steps * spec.input_size <= MOST_INPUTS:
        own = None
    return Skip(spec.input_size, steps, task.output_size, own)


def build_layers(options: Config, input_size: int) -> Stack:
    """Build a stack with one layer for each of ``options["hidden_sizes"]``."""
    layers: list[Layer] = []
    for hidden_size in options["hidden_sizes"]:
        layer = build_layer(options, input_size, hidden_size)
        layers.append(layer)
        input_size = layer.output_size
    return Stack(layers, dropout=options["dropout"], residual=options["residual"])


def build_layer(options: Config, input_size: int, hidden_size: int) -> Layer:
    """Build one recurrent layer, in one direction or both."""
    regularisers = Regularisers(**options.get("regularisers", {}))  # older checkpoints have none

    def recurrent(reverse: bool) -> Recurrent:
        cell_options = dict(options["cell"])
        cell: Cell = make("cell", cell_options.pop("name"), input_size, hidden_size, **cell_options)
        return Recurrent(cell, reverse, options["initial_state"], options["engine"], regularisers)

    if not options["bidirectional"]:
        return recurrent(False)
    return Bidirectional(recurrent(False), recurrent(True), options["merge"])


def parameter_count(model: nn.Module) -> int:
    """Return the number of trainable parameters."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)
