"""Recordings made up of tones: each class, letter or word has a pitch of its own."""

from pathlib import Path

import numpy as np
import soundfile

RATE = 8000


def tone(pitch: float, seconds: float = 0.12, rate: int = RATE, seed: int = 0) -> np.ndarray:
    time = np.arange(round(seconds * rate)) / rate
    noise = np.random.default_rng(seed).normal(size=len(time))
    return (0.5 * np.sin(2 * np.pi * pitch * time) + 0.01 * noise).astype(np.float32)


def write(path: Path, samples: np.ndarray, rate: int = RATE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate)
    return path


def write_speakers(root: Path, count: int = 3) -> str:
    """low and high tones by three speakers, as ``class_speaker_number.wav`` side by side; the pattern for them."""
    for speaker, shift in (("ann", 1.0), ("bob", 1.1), ("cy", 0.9)):
        for label, pitch in (("low", 400), ("high", 1500)):
            for i in range(count):
                seed = hash((speaker, label, i)) % 1000
                write(root / f"{label}_{speaker}_{i}.wav", tone(shift * pitch, 0.1 + 0.02 * i, seed=seed))
    return r"(?P<label>[a-z]+)_(?P<speaker>[a-z]+)_\d+"


def write_manifest(root: Path, rows: list[dict[str, str]], name: str = "manifest.csv") -> str:
    lines = [",".join(rows[0]), *(",".join(row.values()) for row in rows)]
    (root / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(root / name)
