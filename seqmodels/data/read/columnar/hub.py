"""Data sets of the `datasets` library, by name or from a local folder."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from seqmodels.data.dataset import SPLIT_WORDS
from seqmodels.data.files.find import FOLDER, expanded, kind_of
from seqmodels.data.read.columnar.arrow import from_batches
from seqmodels.data.read.table import Table

DATASETS = "datasets:"
PIECE = 4_000_000  # bytes handed over at once


def read_datasets(path: str, memory_limit: int, cache_dir: str | None) -> dict[str, Table]:
    """Read the splits of ``datasets:NAME_OR_FOLDER[:CONFIG][@SPLIT]``, or one of them, as "train".

    A folder is one made by `save_to_disk`, or one that `load_dataset` reads. A name that is no folder is
    loaded by the library, from its cache or from the net.

    Raises:
        ValueError: the library is missing, the data set cannot be loaded, or has no such split.
    """
    name, _, wanted = path.removeprefix(DATASETS).partition("@")
    loaded = _load(path, name)
    splits: dict[str, Any] = dict(loaded) if isinstance(loaded, dict) else {"train": loaded}
    if wanted:
        if wanted not in splits:
            raise ValueError(f"{path}: there is no split {wanted!r}; there are {', '.join(splits)}")
        return {"train": _table(splits[wanted], path, memory_limit, cache_dir)}
    wanted_too = {SPLIT_WORDS[key]: (own, f"{path}@{key}") for key, own in splits.items() if key in SPLIT_WORDS}
    found = {name: _table(*own, memory_limit, cache_dir) for name, own in wanted_too.items()}
    if "train" not in found:
        known, first = ", ".join(splits), next(iter(splits))
        raise ValueError(f"{path}: expected a split called train, got {known}; name one, as {path}@{first}")
    return found


def _load(path: str, name: str) -> Any:
    try:
        import datasets
    except ImportError:
        raise ValueError(f"{path}: to read it needs the datasets library: pip install 'seqmodels[datasets]'") from None
    datasets.disable_progress_bars()
    datasets.config.HF_DATASETS_TRUST_REMOTE_CODE = False  # its versions before 4 run a script that lies beside data
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # its retries, line by line
    folder, config = expanded(name), None
    if not kind_of(folder) and ":" in name:
        name, config = name.rsplit(":", 1)
        folder = expanded(name)
    if not name.strip() or (kind := kind_of(folder)) not in ("", FOLDER):
        got = kind if name.strip() else "a blank"
        raise ValueError(f"{path}: expected the name of a data set or a folder after {DATASETS!r}, got {got}")
    try:
        if (folder / "dataset_dict.json").is_file() or (folder / "dataset_info.json").is_file():
            return datasets.load_from_disk(str(folder))
        return datasets.load_dataset(str(folder) if folder.exists() else name, config)
    except Exception as error:  # the library raises of many kinds
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        here = "" if folder.exists() else f"there is no folder {name!r} (looked from {str(Path.cwd())!r}), and "
        raise ValueError(f"{path}: {here}the datasets library cannot load it: {first[:200]}") from None


def _table(dataset: Any, path: str, memory_limit: int, cache_dir: str | None) -> Table:
    arrow, rows = dataset.with_format("arrow"), max(1, len(dataset))
    size = dataset.data.nbytes
    step = max(1, PIECE * rows // max(1, size))

    def batches() -> Iterator[Any]:
        for start in range(0, len(dataset), step):
            yield from arrow[start : start + step].to_batches()

    schema, key = dataset.features.arrow_schema, _stamp(dataset, path)
    return from_batches(path, schema, len(dataset), batches, size, key, memory_limit, cache_dir, _classes(dataset))


def _stamp(dataset: Any, path: str) -> list[Any]:
    """Return what tells a split from others: its files, and its fingerprint where it was not read from any."""
    files = [Path(one["filename"]) for one in dataset.cache_files]
    known = [[str(file), file.stat().st_size, file.stat().st_mtime_ns] for file in files]
    return [path.partition("@")[2], dataset._fingerprint, *known]


def _classes(dataset: Any) -> dict[str, tuple[str, ...]]:
    """Return the names of classes of each column that holds their numbers, or lists of those."""
    from datasets import ClassLabel

    inner = {name: getattr(feature, "feature", feature) for name, feature in dataset.features.items()}
    return {name: tuple(own.names) for name, own in inner.items() if isinstance(own, ClassLabel)}
