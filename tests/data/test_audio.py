"""Recordings: what is found, how it is split, what features it becomes, and what is wrong with it."""

import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soundfile

from seqmodels.data.batches.collate import collate
from seqmodels.data.batches.plan import make_plan
from seqmodels.data.encode.audio.features import AudioFeatures
from seqmodels.data.read.audio import read_waveform, resample
from seqmodels.data.sources.audio import AudioSource
from seqmodels.tasks.transcription import steps_needed
from tests.data.audio_parts import RATE, tone, write, write_manifest, write_speakers


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "wav").mkdir()
    return tmp_path / "wav"


def source(path, tmp_path, **options):
    return AudioSource(str(path), cache_dir=str(tmp_path / "cache"), **{"mel_bins": 10, **options})


def files(split) -> set[str]:
    return {origin["file"] for origin in split.origins}


def all_frames(split):
    return [split.read(i, 0, int(n))[0] for i, n in enumerate(split.lengths)]


def test_classes_by_folder_and_features_by_kaldi(folder, tmp_path):
    for label, pitch in (("high", 1500), ("low", 400)):
        for i in range(6):
            write(folder / label / f"{i}.wav", tone(pitch, 0.1 + 0.01 * i, seed=i))
    splits = source(folder, tmp_path, val_fraction=0.2, test_fraction=0.2).splits()
    spec = splits["train"].spec
    assert (spec.targets, spec.target_shape, spec.target_names, spec.input_size) == (
        "labels",
        "sequence",
        ("high", "low"),
        20,
    )
    for split in splits.values():
        for i, (n, origin) in enumerate(zip(split.lengths, split.origins, strict=True)):
            frames, label = split.read(i, 0, int(n))
            path = Path(origin["file"])
            assert spec.target_names[int(label)] == path.parent.name
            wanted = AudioFeatures(RATE, mel_bins=10).compute(read_waveform(path), path)
            assert np.array_equal(frames, wanted)
            assert np.array_equal(split.read(i, 2, 5)[0], wanted[2:5])
            assert np.allclose(frames.mean(0), 0, atol=1e-5)
            assert frames.dtype == np.float32
    batch = collate(splits["train"], make_plan(splits["train"].lengths, 4)[0])
    assert batch.inputs.shape[2] == 20


def test_no_recording_and_no_speaker_is_in_two_splits(folder, tmp_path):
    pattern = write_speakers(folder)
    held = source(folder, tmp_path, pattern=pattern, test_groups=["bob"], val_groups=["cy"], speeds=[0.9, 1.0]).splits()
    assert [set(held[name].groups) for name in ("train", "val", "test")] == [{"ann"}, {"cy"}, {"bob"}]
    assert [len(held[name]) for name in ("train", "val", "test")] == [2 * 6, 6, 6]  # each training one at two speeds
    drawn = source(folder, tmp_path, pattern=pattern, split="group", val_fraction=0.3, test_fraction=0.3).splits()
    assert sorted(next(iter(set(split.groups))) for split in drawn.values()) == ["ann", "bob", "cy"]
    mixed = source(folder, tmp_path, pattern=pattern, test_groups=["bob"], val_fraction=0.25).splits()
    assert set(mixed["test"].groups) == {"bob"}
    assert "bob" not in {*mixed["train"].groups, *mixed["val"].groups}
    plain = source(folder, tmp_path, pattern=pattern, val_fraction=0.2, test_fraction=0.2, speeds=[1.0, 1.1]).splits()
    for splits in (held, drawn, mixed, plain):
        found = [files(split) for split in splits.values()]
        assert sum(map(len, found)) == len(set().union(*found)) == 18


def test_speakers_in_folders_of_their_own(folder, tmp_path):
    for label, pitch in (("high", 1500), ("low", 400)):
        for speaker in "ab":
            write(folder / label / speaker / "x.wav", tone(pitch))
    splits = source(folder, tmp_path, test_groups=["b"], val_fraction=0.0).splits()
    assert set(splits) == {"train", "test"}
    assert (set(splits["train"].groups), set(splits["test"].groups)) == ({"a"}, {"b"})


def test_splits_given_by_folders(folder, tmp_path):
    for split, count in (("train", 4), ("test", 2)):
        for label, pitch in (("high", 1500), ("low", 400)):
            for i in range(count):
                write(folder / split / label / f"{i}.WAV", tone(pitch, seed=i))
    splits = source(folder, tmp_path, val_fraction=0.25).splits()
    assert {name: len(split) for name, split in splits.items()} == {"train": 6, "val": 2, "test": 4}
    assert splits["train"].spec.target_names == ("high", "low")
    assert all(f"{folder}/test/" in name for name in files(splits["test"]))


def test_splits_given_by_the_manifest(folder, tmp_path):
    names = ["train", "test", "train", "val", "train"]
    rows = []
    for i, name in enumerate(names):
        write(folder / f"{i}.wav", tone(400 + 300 * i))
        rows.append({"path": f"{i}.wav", "label": "ab"[i == 2], "split": name})
    splits = source(write_manifest(folder, rows), tmp_path).splits()
    assert {name: len(split) for name, split in splits.items()} == {"train": 3, "val": 1, "test": 1}
    assert files(splits["test"]) == {str(folder / "1.wav")}


def test_transcripts_become_tokens(folder, tmp_path):
    rows = []
    for i in range(8):
        write(folder / f"{i}.flac", tone(500, 0.3))
        rows.append({"path": f"{i}.flac", "text": "so it  is" if i % 2 else "it is so"})
    manifest = write_manifest(folder, rows)
    splits = source(manifest, tmp_path, level="word", val_fraction=0.25, test_fraction=0.0).splits()
    spec = splits["train"].spec
    assert (spec.targets, spec.target_shape, spec.target_names, spec.stop) == (
        "tokens",
        "own",
        ("is", "it", "so"),
        None,
    )
    for split in splits.values():
        texts = [" ".join(spec.target_names[t] for t in split.read(i, 0, 1)[1]) for i in range(len(split))]
        assert set(texts) <= {"so it is", "it is so"}
    by_letter = source(manifest, tmp_path, val_fraction=0.0, test_fraction=0.0).splits()["train"]
    assert by_letter.spec.target_names == (" ", "i", "o", "s", "t")
    batch = collate(by_letter, make_plan(by_letter.lengths, 8)[0])
    assert (steps_needed(batch.targets, batch.target_lengths) <= batch.lengths).all()
    assert source(manifest, tmp_path).suggest() == {"task": "transcription", "head": "ctc"}


def test_features_are_kept_and_made_anew_when_a_file_changes(folder, tmp_path, monkeypatch):
    pattern, calls = write_speakers(folder), []
    compute = AudioFeatures.compute

    def counted(self, wave, path, speed=1.0):
        calls.append(path)
        return compute(self, wave, path, speed)

    monkeypatch.setattr(AudioFeatures, "compute", counted)
    options = {"pattern": pattern, "val_fraction": 0.0, "test_fraction": 0.0}
    first = all_frames(source(folder, tmp_path, **options).splits()["train"])
    assert len(calls) == 18
    again = all_frames(source(folder, tmp_path, **options).splits()["train"])
    assert len(calls) == 18
    assert all(map(np.array_equal, first, again))
    write(folder / "low_ann_0.wav", tone(700, 0.1))  # as long as it was
    changed = all_frames(source(folder, tmp_path, **options).splits()["train"])
    assert len(calls) == 36
    assert sum(not np.array_equal(a, b) for a, b in zip(first, changed, strict=True)) == 1
    source(folder, tmp_path, deltas=0, **options).splits()
    assert len(calls) == 54


def test_normalisation_over_the_training_part_alone(folder, tmp_path):
    pattern = write_speakers(folder)
    options = {"pattern": pattern, "test_groups": ["bob"], "val_groups": ["cy"]}
    splits = source(folder, tmp_path, normalise="train", **options).splits()
    train = np.concatenate(all_frames(splits["train"]))
    assert np.allclose(train.mean(0), 0, atol=1e-3)
    assert np.allclose(train.std(0), 1, atol=1e-3)
    raw = np.concatenate(all_frames(source(folder, tmp_path, normalise="none", **options).splits()["train"]))
    assert np.allclose(splits["train"].spec.input_shift, raw.mean(0), atol=1e-3)
    assert not np.allclose(np.concatenate(all_frames(splits["test"])).mean(0), 0, atol=1e-2)


def test_a_long_recording_is_handed_over_in_pieces(folder, monkeypatch):
    path = write(folder / "a.wav", tone(500, 1.0))
    features = AudioFeatures(RATE, mel_bins=10)
    whole = features.compute(read_waveform(path), path)
    monkeypatch.setattr("seqmodels.data.encode.audio.features.PIECE", 77)
    assert np.array_equal(features.compute(read_waveform(path), path), whole)


def test_stacked_frames_lie_side_by_side(folder):
    path = write(folder / "a.wav", tone(500))
    wave = read_waveform(path)
    plain = AudioFeatures(RATE, mel_bins=10).compute(wave, path)
    stacked = AudioFeatures(RATE, mel_bins=10, stack=3)
    found = stacked.compute(wave, path)
    assert found.shape == (-(-len(plain) // 3), 60) == (len(found), len(stacked.names))
    assert np.array_equal(found[0], plain[:3].ravel())


@pytest.mark.parametrize("spectrum", ["filterbank", "mfcc"])
def test_a_tone_lies_in_its_band_whatever_rate_and_channels(folder, spectrum):
    one = write(folder / "8k.wav", tone(1000, 0.3))
    two = write(folder / "16k.wav", np.stack([tone(1000, 0.3, 16000)] * 2, axis=1), 16000)
    features = AudioFeatures(RATE, spectrum, mel_bins=20, coefficients=12, deltas=0, normalise="none")
    a, b = (features.compute(read_waveform(path), path) for path in (one, two))
    assert a.shape == b.shape == (28, 20 if spectrum == "filterbank" else 12)
    if spectrum == "filterbank":
        assert (a.argmax(1) == b.argmax(1)).mean() > 0.9
        higher = features.compute(read_waveform(one), one, speed=1.5)
        assert np.median(higher.argmax(1)) > np.median(a.argmax(1))
        assert len(higher) < len(a)


@pytest.mark.parametrize("ratio", [Fraction(1, 2), Fraction(10, 9), Fraction(2)])
def test_resampling_keeps_a_slow_wave(ratio):
    time = np.arange(800) / 800
    found = resample(np.sin(2 * np.pi * 5 * time).astype(np.float32), ratio)
    assert len(found) == int(np.ceil(800 * ratio))
    wanted = np.sin(2 * np.pi * 5 * np.arange(len(found)) / (800 * float(ratio)))
    assert np.abs(found - wanted)[20:-20].max() < 0.02


def test_odd_recordings_are_noted(folder, tmp_path):
    for i in range(4):
        write(folder / "a" / f"{i}.wav", tone(400, seed=i))
        write(folder / "b" / f"{i}.wav", tone(900, seed=i))
    write(folder / "a" / "other.wav", tone(400, rate=16000), 16000)
    write(folder / "b" / "two.wav", np.stack([tone(900)] * 2, axis=1))
    write(folder / "b" / "still.wav", np.zeros(2000, np.float32))
    found = source(folder, tmp_path, val_fraction=0.0, test_fraction=0.0)
    assert len(found.splits()["train"]) == 10
    assert list(found.notes) == [
        "1 of 11 recordings brought to 8000 samples a second (other.wav; data.sample_rate, data.mismatch)",
        "1 of 11 recordings: mean of their channels (data.stereo)",
        "1 of 11 recordings are silent, left out (still.wav; data.silence)",
    ]
    for option, value, said in (
        ("mismatch", "error", "other.wav: has 16000 samples a second, expected 8000; data.mismatch=resample"),
        ("stereo", "error", r"two.wav: has 2 channels, expected one; data.stereo=mean"),
        ("silence", "error", r"still.wav: is silent, all its samples are 0"),
    ):
        with pytest.raises(ValueError, match=said):
            source(folder, tmp_path, **{option: value}).splits()


def garbage(path: Path) -> None:
    path.write_bytes(b"RIFFnonsense, and nothing but nonsense")


def cut_short(path: Path) -> None:
    write(path, tone(500))
    path.write_bytes(path.read_bytes()[:700])


def not_finite(path: Path) -> None:
    soundfile.write(path, np.array([0.1, np.nan] * 500, np.float32), RATE, subtype="FLOAT")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: path.write_bytes(b""), "bad.wav: the file is empty; remove it"),
        (garbage, "bad.wav: expected audio"),
        (cut_short, r"bad.wav: the file is cut short: its header speaks of \d+ bytes, and it has 700"),
        (not_finite, "bad.wav: sample 1 is not a finite number"),
        (lambda path: write(path, tone(500, 0.02)), "bad.wav: 20 ms are too short for one frame of 25 ms"),
        (lambda path: write(path, np.zeros(0, np.float32)), "bad.wav: the recording has no samples"),
    ],
)
def test_a_broken_file_is_named(folder, tmp_path, make, said):
    for i in range(3):
        write(folder / "a" / f"{i}.wav", tone(400))
    make(folder / "a" / "bad.wav")
    with pytest.raises(ValueError, match=said):
        source(folder, tmp_path, val_fraction=0.0, test_fraction=0.0).splits()
    kept = tmp_path / "cache"
    assert not kept.exists() or not list(kept.iterdir())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, r"a.wav and 1 more|lie\(s\) in .* itself: put each class in a folder of its own"),
        ({"pattern": "("}, "is no regular expression"),
        ({"pattern": r"\w+"}, "needs the named group"),
        ({"pattern": r"(?P<label>\d)"}, r"the name 'high_ann_0' does not match data.pattern.*set data.pattern=null"),
        ({"pattern": r"(?P<label>[a-z]+)_(?P<speaker>[a-z]+)_\d+", "test_groups": ["bod"]}, "did you mean 'bob'"),
        (
            {"pattern": r"(?P<label>[a-z]+).*", "test_groups": ["bob"]},
            "18 of 18 recordings have no speaker.*test_groups=null",
        ),
        ({"pattern": r"(?P<label>[a-z]+).*", "split": "given"}, "nothing says which recording is in which split"),
        ({"spectrum": "sound"}, "data.spectrum must be one of filterbank, mfcc, got 'sound'"),
        ({"speeds": [3.0]}, "data.speeds must be a list such as .* each item a number from 0.5 to 2"),
    ],
)
def test_what_cannot_be_read_as_asked_is_refused(folder, tmp_path, options, said):
    write_speakers(folder)
    with pytest.raises(ValueError, match=said):
        source(folder, tmp_path, **options).splits()


def test_what_is_not_there_is_refused(folder, tmp_path):
    with pytest.raises(ValueError, match="holds no audio files"):
        source(folder, tmp_path).splits()
    with pytest.raises(ValueError, match="there is no file"):
        source(folder / "none", tmp_path).splits()
    write(folder / "a.wav", tone(400))
    with pytest.raises(ValueError, match="expected a folder or a manifest"):
        source(folder / "a.wav", tmp_path).splits()


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (
            [{"path": "a.wav", "label": "x"}, {"path": "none.wav", "label": "x"}],
            "line 3, column 'path': there is no file",
        ),
        (
            [{"path": "a.wav", "label": "x"}, {"path": "a.wav", "label": "y"}],
            "line 3.: the recording is there already, .*line 2; name it once",
        ),
        ([{"path": "a.wav", "label": ""}], "line 2, column 'label': the label is empty"),
        ([{"path": "a.wav", "label": "x", "text": "y"}], "one of them only"),
        ([{"path": "a.wav", "speaker": "x"}], "expected a column label"),
        ([{"path": "a.wav", "label": "x", "split": "dev"}], "expected train, val, test, got 'dev'"),
        ([{"file": "a.wav", "label": "x"}], "has no column 'path'"),
        ([{"path": "a.wav", "text": "far too long a text"}], r"a.wav \(.*line 2\): 19 tokens need 20 frames"),
    ],
)
def test_a_bad_manifest_is_refused_by_line(folder, tmp_path, rows, said):
    write(folder / "a.wav", tone(400))
    with pytest.raises(ValueError, match=said):
        source(write_manifest(folder, rows), tmp_path, val_fraction=0.0, test_fraction=0.0).splits()


def test_new_recordings(folder, tmp_path, caplog):
    pattern = write_speakers(folder)
    train = source(folder, tmp_path, pattern=pattern, val_fraction=0.0, test_fraction=0.0).splits()["train"]
    options = {"pattern": pattern, "cache_dir": str(tmp_path / "cache")}
    again = AudioSource.open(str(folder), train.spec, targets=True, **options)
    assert all(map(np.array_equal, all_frames(train), all_frames(again)))
    assert [int(again.read(i, 0, 1)[1]) for i in range(18)] == [int(train.read(i, 0, 1)[1]) for i in range(18)]
    new = tmp_path / "new"
    alone = write(new / "who.wav", np.zeros(3000, np.float32), 16000)
    opened = AudioSource.open(str(alone), train.spec, **options)
    assert (len(opened), opened.origins[0]["file"]) == (1, str(alone))
    assert np.isfinite(all_frames(opened)[0]).all()
    assert "brought to 8000 samples a second" in caplog.text
    assert "silent, all the same answered" in caplog.text
    write(new / "mid_dee_0.wav", tone(800))
    with pytest.raises(
        ValueError, match=r"mid_dee_0.wav: the class 'mid' is in no training recording; known: high, low"
    ):
        AudioSource.open(str(new / "mid_dee_0.wav"), train.spec, targets=True, **options)
    assert len(AudioSource.open(str(new), train.spec, **options)) == 2


@pytest.mark.parametrize("name", ["soundfile", "kaldi_native_fbank"])
def test_a_missing_library_is_named(folder, tmp_path, monkeypatch, name):
    write(folder / "a" / "1.wav", tone(400))
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ValueError, match=r"needs? .*: pip install 'seqmodels\[audio\]'"):
        source(folder, tmp_path, val_fraction=0.0, test_fraction=0.0).splits()


def test_it_describes_itself(folder, tmp_path):
    pattern = write_speakers(folder)
    words = source(folder, tmp_path, pattern=pattern, test_groups=["bob"], val_groups=["cy"]).describe()
    assert words.endswith("(6 train, 6 val, 6 test), 8000 samples a second, 20 features a frame, 2 classes (high, low)")
