"""Reading one recording, with errors that say what is wrong with it.

n samples.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np

SUFFIXES = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au")
# What a WAV file says of its size where it was written as a stream.
_ENDLESS = (0, 0xFFFFFFFF)
# Ratios of sample rates are taken as fractions with a denominator up to this.
MOST_DENOMINATOR = 1000


class Waveform(NamedTuple):
    """Samples ``(n, channels)`` from -1 to 1, and how many there are in a second."""

    samples: np.ndarray
    rate: int


def read_waveform(path: Path) -> Waveform:
    """The samples of an audio file.

    Raises:
        ValueError: soundfile is missing, or the file is not there, empty, cut short, no audio, or
            holds no samples or some that are not finite.
    """
    soundfile = _soundfile()
    _refuse_broken(path)
    try:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, RuntimeError) as error:
        reason = str(error).split(": ", 1)[-1].rstrip(".")
        raise ValueError(
            f"{path}: expected audio (WAV, FLAC, OGG ...), and it cannot be read: {reason}; make it anew, or remove it"
        ) from None
    if len(samples) == 0:
        raise ValueError(f"{path}: the recording has no samples; remove it")
    if not np.isfinite(samples).all():
        raise ValueError(
            f"{path}: sample {int(np.argmin(np.isfinite(samples).all(1)))} is not a finite number; mend it"
        )
    return Waveform(samples, int(rate))


def sample_rate(path: Path) -> int:
    """Samples a second, from the file's header.

    Raises:
        ValueError: as for `read_waveform`.
    """
    soundfile = _soundfile()
    _refuse_broken(path)
    try:
        return int(soundfile.info(path).samplerate)
    except (soundfile.LibsndfileError, RuntimeError):
        return read_waveform(path).rate  # which says what is wrong


def resample(samples: np.ndarray, ratio: Fraction) -> np.ndarray:
    """Samples ``(n,)`` made so many times as many, through a filter that keeps out what would alias.

    >>> len(resample(np.ones(100, np.float32), Fraction(1, 2)))
    50
    """
    if ratio == 1:
        return samples
    from scipy.signal import resample_poly

    return resample_poly(samples, ratio.numerator, ratio.denominator).astype(np.float32)


def _soundfile():  # type: ignore[no-untyped-def]
    try:
        import soundfile
    except (ImportError, OSError) as error:  # OSError: the package without its library
        raise ValueError(f"reading audio needs soundfile: pip install 'seqmodels[audio]' ({error})") from error
    return soundfile


def _refuse_broken(path: Path) -> None:
    """What the library would read in silence, or not say in words: empty files, and WAV files cut short."""
    if not path.is_file():
        raise ValueError(f"{path}: there is no such file")
    size = path.stat().st_size
    if size == 0:
        raise ValueError(f"{path}: the file is empty; remove it")
    with path.open("rb") as file:
        head = file.read(12)
    if head[:4] != b"RIFF" or head[8:] != b"WAVE":
        return
    said = int.from_bytes(head[4:8], "little")
    if said not in _ENDLESS and said + 8 > size + 1:  # some writers leave out the last byte of padding
        raise ValueError(
            f"{path}: the file is cut short: its header speaks of {said + 8} bytes, and it has {size}; copy it "
            "anew, or remove it"
        )
