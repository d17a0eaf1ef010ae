"""Reading one recording, with errors that say what is wrong with it.

n samples.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from seqmodels.data.files.unpack import refuse_bomb

SUFFIXES = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".w64", ".rf64", ".caf")
# What a WAV file says of its size where it was written as a stream.
_ENDLESS = (0, 0xFFFFFFFF)
# Ratios of sample rates are taken as fractions with a denominator up to this.
MOST_DENOMINATOR = 1000
# Samples, of all channels, read at once; a second's, and the largest one of a recording that is not damaged.
PIECE, LOWEST_RATE, HIGHEST_RATE, LARGEST_SAMPLE = 1 << 22, 100, 1_000_000, 1e9


class Waveform(NamedTuple):
    """Samples ``(n, channels)`` from -1 to 1, and how many there are in a second."""

    samples: np.ndarray
    rate: int


def read_waveform(path: Path) -> Waveform:
    """Read the samples of an audio file.

    Raises:
        ValueError: soundfile is missing, or the file is not there, empty, cut short, no audio, or
            holds no samples or some that are not finite.
    """
    soundfile = _soundfile()
    _refuse_broken(path)
    try:
        with soundfile.SoundFile(path) as file:
            rate, samples = file.samplerate, np.concatenate(list(_pieces(path, file)))
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
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise ValueError(
            f"{path}: its header says {rate} samples a second, expected from {LOWEST_RATE} to {HIGHEST_RATE}; make it "
            "anew, or remove it"
        )
    if (loudest := np.abs(samples).max()) > LARGEST_SAMPLE:
        raise ValueError(
            f"{path}: has a sample of {loudest:g}, expected from -1 to 1; scale the recording, or make it anew"
        )
    return Waveform(samples, int(rate))


def _pieces(path: Path, file: Any) -> Iterator[np.ndarray]:
    """Yield the samples there are, whatever the header says, float32 ``(n, channels)`` each; the last is empty."""
    size = 0
    while True:
        part = file.read(max(1, PIECE // file.channels), dtype="float32", always_2d=True)
        size += part.nbytes
        refuse_bomb(path, path.stat().st_size, size, "save it as WAV")
        yield part
        if not len(part):
            return


def sample_rate(path: Path) -> int:
    """Read the samples a second from the file's header."""
    soundfile = _soundfile()
    _refuse_broken(path)
    try:
        rate = int(soundfile.info(path).samplerate)
    except (soundfile.LibsndfileError, RuntimeError):
        rate = 0
    return rate if LOWEST_RATE <= rate <= HIGHEST_RATE else read_waveform(path).rate  # which says what is wrong


def resample(samples: np.ndarray, ratio: Fraction) -> np.ndarray:
    """Resample ``(n,)`` samples by a ratio, through a low-pass filter against aliasing.

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
    """Refuse what the library would read in silence, or not say in words: empty files, WAV files cut short."""
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
