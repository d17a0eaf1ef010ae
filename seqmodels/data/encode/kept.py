"""Encoded sequences kept in a folder: written once, and mapped into memory where they are needed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from seqmodels.data.columns.splits.shares import number
from seqmodels.data.dataset import ArrayDataset, Origins
from seqmodels.data.files.ragged import Ragged
from seqmodels.data.files.store import Store, StoreWriter
from seqmodels.spec import Spec


def keep(writer: StoreWriter, name: str, dataset: ArrayDataset) -> None:
    """Write a data set into a folder, under a name."""
    writer.put(f"{name}.inputs", dataset.inputs)
    targets = dataset.targets
    writer.put(f"{name}.targets", targets.values if isinstance(targets, Ragged) else np.asanyarray(targets))
    if isinstance(dataset.origins, Origins):
        writer.put(f"{name}.places", np.asanyarray(dataset.origins.places))
        if dataset.origins.names is not None:
            _keep_names(writer, f"{name}.names", dataset.origins.names)
    if dataset.groups is not None:
        codes, first = number(dataset.groups)
        writer.put(f"{name}.group", codes)
        _keep_names(writer, f"{name}.groups", [dataset.groups[i] for i in first.tolist()])
    if dataset.weights is not None:
        writer.put(f"{name}.weights", dataset.weights)


def _keep_names(writer: StoreWriter, name: str, names: Sequence[str]) -> None:
    encoded = [one.encode("utf-8", "surrogatepass") for one in names]
    values = np.frombuffer(b"".join(encoded), np.uint8)
    writer.put(name, Ragged.packed(values, [len(one) for one in encoded]))


def _names(store: Store, name: str) -> list[str]:
    return [one.tobytes().decode("utf-8", "surrogatepass") for one in store.ragged(name)]


def kept(store: Store, name: str, spec: Spec, origin: str) -> ArrayDataset:
    """Open a data set that `keep` has written.

    Args:
        store: of the folder.
        name: of the data set.
        spec: of its sequences.
        origin: what the origins of sequences are called.
    """
    inputs, targets = store.ragged(f"{name}.inputs"), store.array(f"{name}.targets")
    own = Ragged.packed(targets, inputs.lengths) if spec.target_shape == "step" else targets
    dataset = ArrayDataset(spec, inputs, own)
    names = _names(store, f"{name}.names") if f"{name}.names" in store else None
    dataset.origins = Origins(origin, store.array(f"{name}.places"), names)
    if f"{name}.group" in store:
        groups = _names(store, f"{name}.groups")
        dataset.groups = [groups[i] for i in store.array(f"{name}.group").tolist()]
    if f"{name}.weights" in store:
        dataset.weights = store.array(f"{name}.weights")
    return dataset
