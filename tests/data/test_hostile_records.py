"""Damaged places of genes, and recordings and frames that cannot be: told at once, and no library divides by them."""

import io
import re
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from seqmodels.data.encode.audio.features import AudioFeatures
from seqmodels.data.read.audio import Waveform
from tests.data.file_kinds import BASES, genbank
from tests.data.test_bad_input import look, recordings, told
from tests.data.test_hostile_files import quickly, quickly_or_not


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


LOCATIONS = ["40..11", "11..4000", "0..10", "join(1..10", "complement(" * 3000 + "1..10" + ")" * 3000, "5^6x", "",
             "abc", "J00194.1:1..10", "join(J00194.1:1..10,20..30)", "1..1000000000000", "one-of(1,5)..30", "?..30",
             "(1.5)..", "join(" + "1..2," * 30000 + "!", "1..\0"]  # fmt: skip


@pytest.mark.parametrize("number", range(len(LOCATIONS)))
@pytest.mark.parametrize("more", ["", "     CDS             complement(45..50)\n"])
def test_a_damaged_location_is_told_or_left_out(number, more):
    good = genbank([[f"r{i}", letters] for i, letters in enumerate(BASES[:12])]).decode()
    Path("my.gb").write_text(good.replace("11..40\n", f"{LOCATIONS[number]}\n{more}", 1))
    asked = {"data": {"name": "gene_structure", "path": "my.gb", "test_path": None}}
    assert "my.gb" in (quickly_or_not(asked) or "my.gb")


OPTIONS = [{"frame_shift": 0.12}, {"frame_shift": 1e-9}, {"frame_shift": float("nan")}, {"frame_length": 0.1},
           {"frame_length": 1e9}, {"frame_shift": float("inf")}, {"mel_bins": 1}, {"mel_bins": 10**9}, {"stack": 10**9},
           {"sample_rate": 1}, {"sample_rate": 10**9}, {"sample_rate": 0}, {"deltas": 99}]  # fmt: skip


@pytest.mark.parametrize("option", OPTIONS, ids=str)
def test_frames_that_cannot_be(option):
    assert next(iter(option)) in told(lambda: AudioFeatures(**{"sample_rate": 8000, **option}))


def test_more_bands_than_a_frame_has():
    wave = Waveform(np.sin(np.arange(800, dtype=np.float32))[:, None], 8000)
    assert "data.mel_bins=300" in told(lambda: AudioFeatures(8000, mel_bins=300).compute(wave, Path("a.wav")))


def wav(rate: int = 8000, channels: int = 1, bits: int = 16, kind: int = 1, data: bytes | None = None) -> bytes:
    data = b"\1\2\3\4" * 400 if data is None else data
    align = channels * bits // 8 & 0xFFFF
    about = struct.pack("<HHIIHH", kind, channels, rate, rate * align & 0xFFFFFFFF, align, bits)
    body = b"WAVEfmt " + struct.pack("<I", 16) + about + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


def floats(size: float) -> bytes:
    return wav(bits=32, kind=3, data=(np.sin(np.arange(800)) * size).astype("<f4").tobytes())


def flac(claimed: bool) -> bytes:
    file = io.BytesIO()
    samples = np.sin(np.arange(800)) if claimed else np.zeros(20_000_000, np.int16)
    soundfile.write(file, samples, 8000, format="FLAC")
    found = bytearray(file.getvalue())
    if claimed:
        found[21:26] = bytes([found[21] | 0x0F, *b"\xff" * 4])
    return bytes(found)


RECORDED = {"no channels": wav(channels=0), "65535 channels": wav(channels=65535), "no rate": wav(rate=0),
            "a rate of 1": wav(rate=1), "a rate of 10^9": wav(rate=10**9), "huge": floats(1e38),
            "no sample": wav(data=b""), "no bits": wav(bits=0), "a kind that is none": wav(kind=99),
            "no number": floats(float("nan")), "header only": wav()[:20], "not FLAC": b"fLaC" + bytes(99)}  # fmt: skip


@pytest.mark.parametrize("fault", RECORDED)
def test_a_recording_that_cannot_be(fault):
    recordings()
    Path("wav/a/0.wav").write_bytes(RECORDED[fault])
    asked = {"data": {"name": "audio", "path": "wav", "cache_dir": "cache"}}
    assert re.search(r"wav/a/\d\.wav", quickly(lambda: look(asked)))


def test_a_recording_that_promises_more_than_it_has_or_unpacks_to_far_more():
    recordings()
    asked = {"data": {"name": "audio", "path": "wav", "cache_dir": "cache"}}
    Path("wav/a/0.wav").write_bytes(flac(claimed=False))
    assert "decompression bomb" in quickly(lambda: look(asked))
    Path("wav/a/0.wav").write_bytes(flac(claimed=True))
    assert "0.wav" in (quickly_or_not(asked) or "0.wav")  # at best, the samples that there are
