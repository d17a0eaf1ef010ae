"""Encoders: from examples to what a model reads, by what the training part taught."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from seqmodels.data.columns.targets.labels import sort_labels
from seqmodels.data.dataset import ArrayDataset, Origins, no_targets
from seqmodels.data.encode.vocabulary import FEWEST_SEEN, UNKNOWN, Vocabulary
from seqmodels.data.examples import Examples
from seqmodels.data.numbers import apply_scale, fit_scale
from seqmodels.quoting import listed, shown
from seqmodels.spec import Spec, Text

_log = logging.getLogger(__name__)


class Encoder:
    """Encodes examples by the vocabulary, classes and scales of the training part.

    >>> train = Examples("a.txt", ["abab", "bbba", "aabb"], ["x", "y", "x"])
    >>> encoder = Encoder.fit(train)
    >>> inputs, target = encoder.encode(Examples("new.txt", ["bac"], ["y"])).read(0, 0, 3)
    >>> [encoder.spec.input_names[i] for i in inputs], encoder.spec.target_names[target]
    (['b', 'a', '<unk>'], 'y')

    Args:
        spec: holds all that was learned, in plain values; it lies in the checkpoint.
    """

    def __init__(self, spec: Spec) -> None:
        self.spec = spec

    @classmethod
    def fit(cls, train: Examples) -> Encoder:
        """Learn from the training part.

        Raises:
            ValueError: there is nothing to learn, or to learn from.
        """
        if not train.targets:
            raise ValueError(f"{train.path}: expected targets to learn from, got none")
        if isinstance(train.inputs[0], str):
            seen = Counter(character for text in train.inputs for character in str(text))
            names = (UNKNOWN, *sorted(character for character, count in seen.items() if count >= FEWEST_SEEN))
            spec = Spec("tokens", len(names), "labels", 0, train.target_per, names, text=Text())
        else:
            shift, scale = fit_scale(np.concatenate(_arrays(train.inputs)))
            names = train.names or tuple(f"feature {i}" for i in range(len(shift)))
            spec = Spec("features", len(names), "labels", 0, train.target_per, names)
            spec = replace(spec, input_shift=shift, input_scale=scale)
        return cls(_with_targets(spec, train))

    def encode(self, examples: Examples, targets: bool | None = None) -> ArrayDataset:
        """Encode examples as those of training.

        Args:
            examples: of the same kind.
            targets: true if they must have targets, to measure a model; false to put zeros; None to take them
                where they are there and all known from training.

        Raises:
            ValueError: another number of features, a class that training did not have, or no targets.
        """
        if targets and examples.targets is None:
            raise ValueError(f"{examples.path}: has no targets, which are needed to measure a model")
        dataset = ArrayDataset(self.spec, self._inputs(examples), self._targets(examples, targets))
        dataset.groups = examples.groups
        dataset.origins = None if examples.lines is None else Origins("line", examples.lines)
        return dataset

    def _inputs(self, examples: Examples) -> list[np.ndarray]:
        if self.spec.inputs == "tokens":
            vocabulary = Vocabulary.of(self.spec)
            return [vocabulary.tokens(str(text), unknown=True) for text in examples.inputs]
        arrays, width = _arrays(examples.inputs), self.spec.input_size
        other = next((i for i, steps in enumerate(arrays) if steps.ndim != 2 or steps.shape[1] != width), None)
        if other is not None:
            raise ValueError(
                f"{examples.place(other)}: expected {width} features per step as in training, got the shape "
                f"{arrays[other].shape}"
            )
        return [apply_scale(steps, self.spec.input_shift, self.spec.input_scale) for steps in arrays]

    def _targets(self, examples: Examples, wanted: bool | None) -> Sequence[Any]:
        spec, given = self.spec, examples.targets
        if spec.targets == "labels":
            code = {name: i for i, name in enumerate(spec.target_names)}
            each = [] if wanted is False or given is None else [_names(one) for one in given]
            unknown = ((i, name) for i, own in enumerate(each) for name in own if name not in code)
            place, name = next(unknown, (None, ""))
            if place is None and each:
                found = [np.array([code[name] for name in own]) for own in each]
                return found if spec.target_shape == "step" else [labels[0] for labels in found]
            if place is not None and wanted is None:
                _log.warning("%s: the class %s is not known from training: no target is used", examples.path, name)
            elif place is not None:
                raise ValueError(
                    f"{examples.place(place)}: the label {shown(name)} was never seen in training, which had: "
                    f"{listed(spec.target_names)}; mend it, or train with examples of it"
                )
        elif given is not None and wanted is not False:
            return [apply_scale(np.asarray(one, np.float64), spec.shift, spec.scale) for one in given]
        return no_targets(spec, map(len, examples.inputs))


def _with_targets(spec: Spec, train: Examples) -> Spec:
    targets = train.targets or ()
    if train.labelled:
        classes = sort_labels({name for one in targets for name in _names(one)})
        if len(classes) < 2:
            raise ValueError(
                f"{train.path}: expected two classes or more in the training part, got only {shown(classes[0])}"
            )
        return replace(spec, target_size=len(classes), target_names=classes)
    values = np.stack(_arrays(targets)) if train.target_per == "sequence" else np.concatenate(_arrays(targets))
    shift, scale = fit_scale(values)
    names = train.target_names or tuple(f"value {i}" for i in range(len(shift)))
    return replace(spec, targets="values", target_size=len(names), target_names=names, shift=shift, scale=scale)


def _names(target: Any) -> list[str]:
    return [target] if isinstance(target, str) else [str(name) for name in target]


def _arrays(values: Sequence[Any]) -> list[np.ndarray]:
    return [np.asarray(one, np.float64) for one in values]
