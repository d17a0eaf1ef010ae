"""Features of recordings on disk: computed once, kept in a cache, and read where they are needed.

N recordings, T frames, F features.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from seqmodels.data.columns.audio_list import Recording
from seqmodels.data.encode.audio.features import AudioFeatures
from seqmodels.data.encode.token_file import TokenFile, cached, write_tokens
from seqmodels.data.read.audio import Waveform, read_waveform

# Files that a note names, at most.
NAMED = 3
# To be raised when other features come out of the same options.
FORMAT = 1


@dataclass(frozen=True)
class Strictness:
    """Options for recordings that are not as the others.

    Fields:
        mismatch: another sample rate: "resample", or "error".
        stereo: more than one channel: "mean" of them, or "error".
        silence: no sound at all: "drop" the recording (a new one, to be predicted for, is kept), or "error".
    """

    mismatch: str = "resample"
    stereo: str = "mean"
    silence: str = "drop"

    def check(self, wave: Waveform, path: Path, rate: int) -> None:
        """Refuse what is to be refused.

        Raises:
            ValueError: the file, what is odd about it, and the setting that takes it all the same.
        """
        if wave.rate != rate and self.mismatch == "error":
            raise ValueError(f"{path}: has {wave.rate} samples a second, expected {rate}; data.mismatch=resample")
        if wave.samples.shape[1] > 1 and self.stereo == "error":
            raise ValueError(f"{path}: has {wave.samples.shape[1]} channels, expected one; data.stereo=mean")
        if not wave.samples.any() and self.silence == "error":
            raise ValueError(f"{path}: is silent, all its samples are 0; remove it, or data.silence=drop")


class FeatureStore:
    """Features of N recordings, memory-mapped; `lengths` are their frames.

    Attributes:
        lengths: int64 ``(N,)``.
        resampled, mixed, silent: indices of the recordings that had another rate, more than one channel, no sound.
    """

    def __init__(self, file: TokenFile, size: int) -> None:
        self.file, self.size = file, size
        self.lengths = np.array(file.about["lengths"], dtype=np.int64)
        self.resampled, self.mixed, self.silent = (list(file.about[name]) for name in ("resampled", "mixed", "silent"))
        self._start = np.concatenate([[0], np.cumsum(self.lengths)])

    def read(self, index: int, start: int, stop: int) -> np.ndarray:
        """Read frames ``(stop - start, F)`` of one recording."""
        first = int(self._start[index])
        return self.file[slice((first + start) * self.size, (first + stop) * self.size)].reshape(-1, self.size)


def open_store(
    paths: Sequence[Path], features: AudioFeatures, strictness: Strictness, cache_dir: str | None, speed: float = 1.0
) -> FeatureStore:
    """Return the features of some files, from the cache where they lie already.

    A file whose name, size or time of change differs is another file.

    Raises:
        ValueError: a file that is not as it should be.
    """
    stats = [(str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns) if path.is_file() else str(path)
             for path in paths]  # fmt: skip
    options: dict[str, Any] = {
        "format": FORMAT,
        "features": features.to_plain(),
        "strictness": [strictness.mismatch, strictness.stereo, strictness.silence],
        "speed": speed,
        "files": stats,
    }
    size = len(features.names)

    def build(folder: Path) -> None:
        found: dict[str, list[int]] = {"lengths": [], "resampled": [], "mixed": [], "silent": []}
        write_tokens(folder, _compute(paths, features, strictness, speed, found), np.dtype(np.float32), found)

    return FeatureStore(cached(cache_dir, [], options, build), size)


def _compute(
    paths: Sequence[Path], features: AudioFeatures, strictness: Strictness, speed: float, found: dict[str, list[int]]
) -> Iterator[np.ndarray]:
    """Yield the features of each file, and note in `found` their lengths and what is odd about which."""
    for index, path in enumerate(paths):
        wave = read_waveform(path)
        strictness.check(wave, path, features.sample_rate)
        odd = {"resampled": wave.rate != features.sample_rate, "mixed": wave.samples.shape[1] > 1}
        for name in [name for name, is_so in {**odd, "silent": not wave.samples.any()}.items() if is_so]:
            found[name].append(index)
        frames = features.compute(wave, path, speed)
        found["lengths"].append(len(frames))
        yield frames.ravel()


def notes(
    store: FeatureStore, recordings: Sequence[Recording], features: AudioFeatures, dropped: bool
) -> tuple[str, ...]:
    """Say what was done about odd recordings, a sentence each."""
    count, found = len(recordings), []

    def some(items: Sequence[int]) -> str:
        listed = ", ".join(recordings[i].path.name for i in items[:NAMED])
        return listed + (f" and {len(items) - NAMED} more" if len(items) > NAMED else "")

    if store.resampled:
        found.append(
            f"{len(store.resampled)} of {count} recordings brought to {features.sample_rate} samples a second "
            f"({some(store.resampled)}; data.sample_rate, data.mismatch)"
        )
    if store.mixed:
        found.append(f"{len(store.mixed)} of {count} recordings: mean of their channels (data.stereo)")
    if store.silent:
        done = "left out" if dropped else "all the same answered"
        found.append(
            f"{len(store.silent)} of {count} recordings are silent, {done} ({some(store.silent)}; data.silence)"
        )
    return tuple(found)
