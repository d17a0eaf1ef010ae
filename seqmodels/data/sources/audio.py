"""Recordings in folders, or named in a manifest: their classes, or what is said in them.

N recordings, T frames, F features, S tokens.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np

from seqmodels.data.columns.audio_list import Recording, find_recordings
from seqmodels.data.columns.splits.audio import SplitOptions, split_recordings
from seqmodels.data.encode.audio.features import SMALLEST, AudioFeatures
from seqmodels.data.encode.audio.store import FeatureStore, Strictness, notes, open_store
from seqmodels.data.encode.audio.targets import Targets
from seqmodels.data.numbers import apply_scale
from seqmodels.data.read.audio import sample_rate as rate_of
from seqmodels.data.sources.base import DataSource, sizes_of
from seqmodels.dataset import SequenceDataset
from seqmodels.kinds import Seed, Share, column, list_of, positive, speed, whole
from seqmodels.registry import register
from seqmodels.spec import Spec, Text

_log = logging.getLogger(__name__)


class AudioDataset(SequenceDataset):
    """Recordings whose features lie in a store, read lazily.

    Args:
        spec: of the data set; its `input_shift` and `input_scale` are applied where there are such.
        parts: stores, and which of each one's recordings.
        targets: of each recording, in the same order: a label, or tokens ``(S,)``.
        recordings: the same, for `origins` and `groups`.
    """

    def __init__(
        self,
        spec: Spec,
        parts: Sequence[tuple[FeatureStore, np.ndarray]],
        targets: Sequence[np.ndarray],
        recordings: Sequence[Recording],
    ) -> None:
        self.spec, self.targets = spec, list(targets)
        self._stores = [store for store, _ in parts]
        self._place = [(which, int(row)) for which, (_, rows) in enumerate(parts) for row in rows]
        self.lengths = np.array([int(self._stores[s].lengths[row]) for s, row in self._place], dtype=np.int64)
        self.origins = [{"file": str(recording.path)} for recording in recordings]
        known = [recording.group for recording in recordings if recording.group is not None]
        self.groups = known if len(known) == len(recordings) else None

    def read(self, index: int, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        which, row = self._place[index]
        frames = self._stores[which].read(row, start, stop)
        if self.spec.input_shift:
            frames = apply_scale(frames, self.spec.input_shift, self.spec.input_scale)
        return frames, self.targets[index]


@register("data", "audio")
class AudioSource(DataSource):
    r"""Recordings (WAV, FLAC, OGG ...) and the class of each, or what is said in it.

    Args:
        path: a folder ``class/file.wav`` or ``class/speaker/file.wav``, all perhaps in folders train, val
            and test; a folder of files whose names tell, with `pattern`; or a manifest .csv or .tsv with the
            columns path and label or text, and perhaps speaker and split (train, val, test).
        pattern: a regular expression for the files' names without suffix, such as
            ``(?P<label>\d)_(?P<speaker>\w+)_\d+``.
        level: what a transcript is made of: "character" or "word" (parted by blanks).
        sample_rate: that all are brought to; None for the lowest there is.
        spectrum, mel_bins, coefficients, deltas, frame_length, frame_shift, stack: see `AudioFeatures`.
        normalise: "recording" (mean 0 and deviation 1 of each feature in each recording), "train"
            (over all training recordings) or "none".
        speeds: each training recording is heard at each of these speeds, 1.1 a tenth faster and higher
            (Ko et al. 2015, "Audio augmentation for speech recognition"); validation and test at 1.
        mismatch, stereo, silence: see `Strictness`.
        split: stratified, group (whole speakers) or given; None for given where the manifest says, else stratified.
        val_groups, test_groups, val_fraction, test_fraction, seed: see `SplitOptions`.
        cache_dir: where features are kept; None for the user's cache folder.

    """

    def __init__(
        self,
        path: str,
        pattern: str | None = None,
        level: Literal["character", "word"] = "character",
        sample_rate: Annotated[int, whole(1000, 1_000_000)] | None = None,
        spectrum: Literal["filterbank", "mfcc"] = "filterbank",
        mel_bins: Annotated[int, whole(4, 1000)] = 40,
        coefficients: Annotated[int, whole(1, 1000)] = 13,
        deltas: Annotated[int, whole(0, 2)] = 1,
        frame_length: Annotated[float, positive] = 25.0,
        frame_shift: Annotated[float, positive] = 10.0,
        stack: Annotated[int, whole(1, 1000)] = 1,
        normalise: Literal["recording", "train", "none"] = "recording",
        speeds: Annotated[Sequence[float], list_of(speed, "[0.9, 1.0, 1.1]")] = (1.0,),
        mismatch: Literal["resample", "error"] = "resample",
        stereo: Literal["mean", "error"] = "mean",
        silence: Literal["drop", "error"] = "drop",
        split: Literal["stratified", "group", "given"] | None = None,
        val_groups: Annotated[Sequence[str], list_of(column, "[jackson]")] | None = None,
        test_groups: Annotated[Sequence[str], list_of(column, "[jackson]")] | None = None,
        val_fraction: Share = 0.1,
        test_fraction: Share = 0.1,
        seed: Seed = 0,
        cache_dir: str | None = None,
    ) -> None:
        if spectrum == "mfcc" and coefficients > mel_bins:
            raise ValueError(f"data.coefficients must be at most data.mel_bins={mel_bins}, got {coefficients}")
        self.path, self.pattern, self.level = path, pattern, level
        self.sample_rate, self.speeds, self.cache_dir = sample_rate, tuple(dict.fromkeys(speeds)), cache_dir
        self.shape = (spectrum, mel_bins, coefficients, deltas, frame_length, frame_shift, stack, normalise)
        self.strictness = Strictness(mismatch, stereo, silence)
        self.split = SplitOptions(split, val_groups, test_groups, val_fraction, test_fraction, seed)
        self._splits: dict[str, SequenceDataset] = {}

    def suggest(self) -> dict[str, str]:
        spoken = find_recordings(self.path, self.pattern)[0].text is not None
        return {"task": "transcription", "head": "ctc"} if spoken else {"task": "classification", "head": "many_to_one"}

    def describe(self) -> str:
        splits = self.splits()
        spec = splits["train"].spec
        named = ", ".join(spec.target_names[:8]) + (" ..." if len(spec.target_names) > 8 else "")
        what = "tokens" if spec.targets == "tokens" else "classes"
        return (
            f"recordings in {self.path} ({sizes_of(splits)}), {spec.encoder['audio']['sample_rate']} samples a second, "
            f"{spec.input_size} features a frame, {spec.target_size} {what} ({named})"
        )

    def splits(self) -> dict[str, SequenceDataset]:
        if not self._splits:
            self._splits = self._read()
        return self._splits

    def _read(self) -> dict[str, SequenceDataset]:
        recordings = find_recordings(self.path, self.pattern)
        rates = [rate_of(recording.path) for recording in recordings]
        features = AudioFeatures(self.sample_rate or min(rates), *self.shape)
        parts = split_recordings(recordings, self.split)
        paths = [recording.path for recording in recordings]
        store = self._store(paths, features)
        self.notes = notes(store, recordings, features, dropped=True)
        parts = {name: np.setdiff1d(items, store.silent) for name, items in parts.items()}
        self._refuse_empty(parts)
        _refuse_one_class(self.path, [recordings[i] for i in parts["train"]])
        encoder = Targets.of([recordings[i] for i in parts["train"]], self.level)
        spec = make_spec(features, encoder, _scale(store, parts["train"], features))
        splits: dict[str, SequenceDataset] = {}
        for name, items in parts.items():
            heard = [(store, items)]
            if name == "train":
                stores = [self._store(paths, features, speed) for speed in self.speeds]
                heard = [(one, items) for one in stores]
            splits[name] = _dataset(spec, heard, [recordings[i] for i in items] * len(heard), encoder)
        return splits

    def _store(self, paths: list[Path], features: AudioFeatures, speed: float = 1.0) -> FeatureStore:
        """Store all recordings at a speed, in whichever split, so that every split finds them in the cache."""
        return open_store(paths, features, self.strictness, self.cache_dir, speed)

    def _refuse_empty(self, parts: dict[str, np.ndarray]) -> None:
        empty = [name for name, items in parts.items() if len(items) == 0]
        if empty:
            raise ValueError(f"data.path: no recording is left for {' and '.join(empty)}: {'; '.join(self.notes)}")

    @classmethod
    def open(cls, path: str, spec: Spec, targets: bool | None = None, **options: Any) -> SequenceDataset:
        """Open other recordings as `DataSource.open` does: a folder, also of files side by side, a manifest or a file.

        Silent ones are kept.
        """
        source = cls(path, **options)
        recordings = find_recordings(path, source.pattern, known=bool(targets))
        features = AudioFeatures(**spec.encoder["audio"])
        store = source._store([recording.path for recording in recordings], features)
        for note in notes(store, recordings, features, dropped=False):
            _log.warning("%s: %s", path, note)
        encoder = Targets(spec.targets == "tokens", spec.target_names, str(spec.encoder["level"]))
        if targets is False or (targets is None and not all(map(encoder.knows, recordings))):
            empty = np.zeros(0, np.int64) if encoder.spoken else np.zeros((), np.int64)
            everything = np.arange(len(recordings))
            return AudioDataset(spec, [(store, everything)], [empty] * len(recordings), recordings)
        return _dataset(spec, [(store, np.arange(len(recordings)))], recordings, encoder)


def make_spec(features: AudioFeatures, encoder: Targets, scale: tuple[tuple[float, ...], tuple[float, ...]]) -> Spec:
    return Spec(
        inputs="features",
        input_size=len(features.names),
        targets="tokens" if encoder.spoken else "labels",
        target_size=len(encoder.names),
        target_shape="own" if encoder.spoken else "sequence",
        input_names=features.names,
        target_names=encoder.names,
        input_shift=scale[0],
        input_scale=scale[1],
        text=Text(encoder.level) if encoder.spoken else None,
        encoder={"audio": features.to_plain(), "level": encoder.level},
    )


def _scale(
    store: FeatureStore, items: np.ndarray, features: AudioFeatures
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Fit mean and deviation of each feature over the training recordings, where they normalise."""
    if features.normalise != "train":
        return (), ()
    count, total, squares = 0, np.zeros(store.size), np.zeros(store.size)
    for i in items.tolist():
        frames = store.read(i, 0, int(store.lengths[i])).astype(np.float64)
        count, total, squares = count + len(frames), total + frames.sum(0), squares + (frames**2).sum(0)
    mean = total / count
    deviation = np.sqrt(np.maximum(squares / count - mean**2, 0))
    return tuple(mean.tolist()), tuple(np.where(deviation > SMALLEST, deviation, 1.0).tolist())


def _dataset(
    spec: Spec, parts: Sequence[tuple[FeatureStore, np.ndarray]], recordings: Sequence[Recording], encoder: Targets
) -> AudioDataset:
    dataset = AudioDataset(spec, parts, [encoder.encode(recording) for recording in recordings], recordings)
    if encoder.spoken:
        for recording, tokens, frames in zip(recordings, dataset.targets, dataset.lengths.tolist(), strict=True):
            needed = len(tokens) + int((tokens[1:] == tokens[:-1]).sum())
            if needed > frames:
                raise ValueError(
                    f"{recording.where}: {len(tokens)} tokens need {needed} frames at least (two alike one more), "
                    f"and it has {frames}: lower data.frame_shift or data.stack, or leave it out"
                )
    return dataset


def _refuse_one_class(path: str, recordings: Sequence[Recording]) -> None:
    labels = {recording.label for recording in recordings}
    if len(labels) == 1 and None not in labels:
        raise ValueError(
            f"{path}: expected recordings of two classes or more to train on, got only {labels.pop()!r}: there is "
            "nothing to tell apart"
        )
