"""Tables opened: those to train on, at once or in pieces, and new ones, encoded as those of training."""

from __future__ import annotations

from functools import partial

from seqmodels.batch import BatchSpec
from seqmodels.data.columns.cuts import cut_numbers
from seqmodels.data.columns.infer import Layout
from seqmodels.data.columns.lists import explode
from seqmodels.data.dataset import SequenceDataset
from seqmodels.data.read.chunks import is_large, table_chunks
from seqmodels.data.read.hub import split_paths
from seqmodels.data.read.open import read_table, read_tables
from seqmodels.data.read.table import Table
from seqmodels.data.series.large import open_large_series
from seqmodels.data.series.table import open_series
from seqmodels.data.sources.sequence_table import open_sequences


def open_table(path: str, spec: BatchSpec, targets: bool | None, cache_dir: str | None) -> SequenceDataset:
    """See `seqmodels.data.sources.table.CSVSource.open`."""
    options = spec.options or {}
    layout, missing = Layout.from_plain(options["layout"]), options["missing"]
    prepare = partial(prepare_table, layout=layout, missing=missing, targets=targets is not False)
    if layout.kind == "series" and is_large(path):
        return open_large_series(path, spec, bool(targets), cache_dir)
    table = prepare(read_table(path))
    if layout.kind == "series":
        return open_series(table, spec, bool(targets))
    return open_sequences(table, spec, targets, cache_dir)


def first_tables(path: str, more: dict[str, str]) -> tuple[dict[str, Table], bool]:
    """The table of each split, or, where one is too large to be read at once, their beginnings; and which it is.

    Args:
        path: of the training part, or of all.
        more: of the splits that have files of their own.

    Raises:
        ValueError: what is wrong with a file.
    """
    paths = {**split_paths(path), **more}
    if any(map(is_large, paths.values())):
        return {name: next(table_chunks(own)) for name, own in paths.items()}, True
    return whole_tables(path, more), False


def whole_tables(path: str, more: dict[str, str]) -> dict[str, Table]:
    """The table of each split, read at once; as `first_tables`."""
    return read_tables(path) | {name: read_table(own) for name, own in more.items()}


def prepare_table(table: Table, layout: Layout, missing: str, targets: bool = True) -> Table:
    """A table in the layout of training: targets cut into classes, lists written out."""
    if layout.target_cuts and targets and layout.target in table.columns:
        cut_numbers(table, layout.target, layout.target_cuts)
    # Lists of targets only if they are there.
    lists = tuple(name for name in layout.lists if name in table.lists or name not in layout.targets)
    return explode(table, lists, missing) if lists else table
