"""Audio features: log-mel filterbanks or cepstral coefficients, frame by frame.

n samples, T frames, F features.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from seqmodels.data.encode.audio.deltas import delta_names, with_deltas
from seqmodels.data.read.audio import HIGHEST_RATE, LOWEST_RATE, MOST_DENOMINATOR, Waveform, resample

# Kaldi's features are made for samples of 16 bits; with smaller ones quiet bands would fall below their floor.
LOUDEST = 32768.0
# Samples handed over at a time: as Python's numbers they take up eight times the room.
PIECE = 1 << 18
# Deviations below this are rounding.
SMALLEST = 1e-5
# Features and frames side by side, milliseconds of a frame, and how many times as many samples, at most.
MOST, LONGEST, MOST_RATIO = 1000, 600_000, 100


@dataclass(frozen=True)
class AudioFeatures:
    """Audio front end, from samples to features.

    Fields:
        sample_rate: that all recordings are brought to.
        spectrum: "filterbank" (the logarithm of the energy in each mel band) or "mfcc" (its cosine transform).
        mel_bins: bands.
        coefficients: of the cosine transform that are kept.
        deltas: 0, 1 or 2, as in `with_deltas`.
        frame_length, frame_shift: in milliseconds.
        stack: neighbouring frames that are put side by side as one (Sak et al. 2015, "Fast and
            accurate recurrent neural network acoustic models for speech recognition", section 2.2).
        normalise: "recording" takes each feature's mean and deviation out of each recording; "train" and
            "none" leave that to the reader.
    """

    sample_rate: int
    spectrum: str = "filterbank"
    mel_bins: int = 40
    coefficients: int = 13
    deltas: int = 1
    frame_length: float = 25.0
    frame_shift: float = 10.0
    stack: int = 1
    normalise: str = "recording"

    def __post_init__(self) -> None:
        for name, low, high in (
            ("sample_rate", LOWEST_RATE, HIGHEST_RATE),
            ("mel_bins", 3, MOST),
            ("coefficients", 1, MOST),
            ("deltas", 0, 2),
            ("stack", 1, MOST),
            # A millisecond's samples are counted: none make no frame.
            ("frame_length", 2000 / max(1, self.sample_rate), LONGEST),
            ("frame_shift", 1000 / max(1, self.sample_rate), LONGEST),
        ):
            if not low <= getattr(self, name) <= high:
                raise ValueError(
                    f"data.{name} must be from {low:g} to {high:g} with {self.sample_rate} samples a second, got "
                    f"{getattr(self, name):g}"
                )

    @property
    def names(self) -> tuple[str, ...]:
        """Of the F features."""
        kind, count = ("cepstrum", self.coefficients) if self.spectrum == "mfcc" else ("mel", self.mel_bins)
        frame = delta_names(tuple(f"{kind} {i}" for i in range(count)), self.deltas)
        if self.stack == 1:
            return frame
        return tuple(f"{name} +{later}" for later in range(self.stack) for name in frame)

    def to_plain(self) -> dict[str, Any]:
        return asdict(self)

    def compute(self, wave: Waveform, path: Path, speed: float = 1.0) -> np.ndarray:
        """Compute the features of a recording, float32 ``(T, F)``.

        Args:
            wave: more than one channel are averaged, another rate is brought to `sample_rate`.
            path: named in errors.
            speed: 1.1 for a recording played faster, and so higher, by a tenth.

        Raises:
            ValueError: shorter than one frame, or kaldi-native-fbank is missing.
        """
        ratio = Fraction(self.sample_rate, wave.rate) / Fraction(speed).limit_denominator(100)
        if not 1 / MOST_RATIO <= ratio <= MOST_RATIO:
            raise ValueError(
                f"{path}: has {wave.rate} samples a second, too far from {self.sample_rate} to be brought to it; set "
                "data.sample_rate, or leave the recording out"
            )
        samples = resample(wave.samples.mean(axis=1), ratio.limit_denominator(MOST_DENOMINATOR))
        least = self.sample_rate * self.frame_length / 1000
        if len(samples) < least:
            raise ValueError(
                f"{path}: {1000 * len(samples) / self.sample_rate:.3g} ms are too short for one frame of "
                f"{self.frame_length:g} ms: remove it, or set data.frame_length lower"
            )
        frames = with_deltas(self._frames(samples), self.deltas)
        if self.normalise == "recording":
            frames = (frames - frames.mean(axis=0)) / np.maximum(frames.std(axis=0), SMALLEST)
        return self._stacked(frames).astype(np.float32)

    def _frames(self, samples: np.ndarray) -> np.ndarray:
        """Compute ``(T, mel_bins)`` or ``(T, coefficients)`` by kaldi-native-fbank."""
        try:
            import kaldi_native_fbank as kaldi
        except ImportError as error:
            raise ValueError(
                f"features of audio need kaldi-native-fbank: pip install 'seqmodels[audio]' ({error})"
            ) from error
        options = kaldi.MfccOptions() if self.spectrum == "mfcc" else kaldi.FbankOptions()
        options.frame_opts.samp_freq = self.sample_rate
        options.frame_opts.frame_length_ms = self.frame_length
        options.frame_opts.frame_shift_ms = self.frame_shift
        options.frame_opts.dither = 0.0  # noise that would differ from run to run
        options.mel_opts.num_bins = self.mel_bins
        if self.spectrum == "mfcc":
            options.num_ceps, options.use_energy = self.coefficients, False
        try:
            computer = kaldi.OnlineMfcc(options) if self.spectrum == "mfcc" else kaldi.OnlineFbank(options)
        except ValueError as error:
            first = str(error).strip().split("\n", 1)[0]
            raise ValueError(
                f"data.mel_bins={self.mel_bins}: frames of {self.frame_length:g} ms with {self.sample_rate} samples a "
                f"second do not have so many bands ({first}); lower it, or raise data.frame_length"
            ) from None
        for start in range(0, len(samples), PIECE):
            computer.accept_waveform(self.sample_rate, (LOUDEST * samples[start : start + PIECE]).tolist())
        computer.input_finished()
        return np.stack([computer.get_frame(t) for t in range(computer.num_frames_ready)]).astype(np.float64)

    def _stacked(self, frames: np.ndarray) -> np.ndarray:
        if self.stack == 1:
            return frames
        missing = -len(frames) % self.stack
        padded = np.pad(frames, ((0, missing), (0, 0)), mode="edge")
        return padded.reshape(-1, self.stack * frames.shape[1])
