"""Tables opened: those to train on, and new ones, encoded as those of training."""

from __future__ import annotations

from seqmodels.data.columns.infer import Layout
from seqmodels.data.columns.lists import explode
from seqmodels.data.columns.targets.cuts import cut_numbers
from seqmodels.data.encode.table import reading_of as sequence_reading
from seqmodels.data.read.open import read_table, read_tables
from seqmodels.data.read.table import Table
from seqmodels.data.series.table import open_series, reading_of
from seqmodels.data.sources.tables.sequences import open_sequences
from seqmodels.dataset import SequenceDataset
from seqmodels.spec import Spec


def open_table(
    path: str, spec: Spec, targets: bool | None, cache_dir: str | None, memory_limit: int
) -> SequenceDataset:
    """See `seqmodels.data.sources.tables.table.CSVSource.open`."""
    of_series = "reading" in spec.encoder
    layout, how = reading_of(spec)[:2] if of_series else sequence_reading(spec)
    table = prepare_table(read_table(path, memory_limit, cache_dir), layout, how.missing, targets is not False)
    if of_series:
        return open_series(table, spec, bool(targets), cache_dir)
    return open_sequences(table, spec, targets, cache_dir)


def whole_tables(path: str, more: dict[str, str], memory_limit: int, cache_dir: str | None) -> dict[str, Table]:
    """Read the table of each split.

    Args:
        path: of the training part, or of all.
        more: of the splits that have files of their own.
        memory_limit, cache_dir: as for `read_table`.

    Raises:
        ValueError: what is wrong with a file.
    """
    own = {name: read_table(other, memory_limit, cache_dir) for name, other in more.items()}
    return read_tables(path, memory_limit, cache_dir) | own


def prepare_table(table: Table, layout: Layout, missing: str, targets: bool = True) -> Table:
    """Return a table in the layout of training: targets cut into classes, lists written out."""
    if layout.target_cuts and targets and layout.target in table.columns:
        cut_numbers(table, layout.target, layout.target_cuts)
    # Lists of targets only if they are there.
    lists = tuple(name for name in layout.lists if name in table.lists or name not in layout.targets)
    return explode(table, lists, missing) if lists else table
