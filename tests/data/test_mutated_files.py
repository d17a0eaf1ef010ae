"""Any file of any format, damaged in any way, is read or refused in words: no other error, no crash, no long wait.

The mutations are drawn from a seed, so that what fails can be made again from its name.
"""

import importlib
import multiprocessing
import pkgutil
import random
import resource
import signal
import struct
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

import seqmodels.data
from seqmodels.data.profile import profile_splits
from tests.data.file_kinds import FORMATS, config
from tests.data.test_bad_input import look, recordings

for name in (
    *(found.name for found in pkgutil.walk_packages(seqmodels.data.__path__, "seqmodels.data.")),
    *("Bio.SeqIO", "kaldi_native_fbank", "pyarrow.csv", "pyarrow.feather", "pyarrow.parquet", "scipy.signal"),
):
    importlib.import_module(name)  # once, and not in each process

# Processor seconds and bytes of memory beyond what the process has that a damaged file may take.
SECONDS, MEMORY = 5, 1 << 30
KINDS = [*FORMATS, "wav"]
EXTREMES = [0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 2**63 - 1, 2**63, 2**64 - 1]
WORDS = [b"nan", b"-inf", b"1e999", b"9" * 400, b"-1", b"", b"\0", b"\r", b"\n", b'"', b",", b"\t", b":",
         b"(" * 300, b"\xff\xfe", b"\xef\xbb\xbf", b"\x1f\x8b", b"PK\3\4", "ß".encode(), "\u2028".encode(),
         b"0" * 9000]  # fmt: skip


def mutated(good: bytes, chance: random.Random) -> bytes:
    """A file with one to four damages."""
    data = bytearray(good)
    for _ in range(chance.choice([1, 1, 1, 2, 4])):
        # Half of them near an end, where headers and tables of contents are.
        place = chance.randrange(len(data) + 1)
        if chance.random() < 0.5 and len(data) > 200:
            place = chance.choice([chance.randrange(100), len(data) - chance.randrange(100)])
        other = chance.randrange(len(data) + 1)
        match chance.randrange(8):
            case 0:
                data[place : place + 1] = bytes([chance.randrange(256)])
            case 1:
                size = chance.choice([1, 2, 4, 8])
                number = chance.choice(EXTREMES) & (256**size - 1)
                data[place : place + size] = number.to_bytes(size, chance.choice(["little", "big"]))
            case 2:
                data = data[:place]
            case 3:
                data[place:place] = data[other : other + chance.randrange(1, 400)]
            case 4:
                del data[place : place + chance.randrange(1, 60)]
            case 5:
                data[place:place] = chance.choice(WORDS)
            case 6:
                data[place : place + 4] = struct.pack("<f", chance.choice([1e38, -1e38, float("nan"), float("inf")]))
            case _:
                word = chance.choice(WORDS)
                data[place : place + len(word)] = word
    return bytes(data)


def read(kind: str) -> None:
    """Read what lies in the working folder as training does."""
    settings = {"data": {"name": "audio", "path": "wav", "cache_dir": "cache"}} if kind == "wav" else config(kind)
    profile_splits(look(settings))


def file_of(kind: str) -> Path:
    return Path("wav/a/0.wav") if kind == "wav" else Path(FORMATS[kind].file)


def make(kind: str) -> bytes:
    """A good file, which is also left in the working folder."""
    if kind == "wav":
        recordings()
    else:
        file_of(kind).write_bytes(FORMATS[kind].encode(FORMATS[kind].rows))
    return file_of(kind).read_bytes()


def try_some(kind: str, seeds: range, report: Callable[[str], None]) -> None:
    """Read files damaged by some seeds; say which is next, and what was wrong."""
    good = make(kind)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, -1))
    warnings.simplefilter("ignore")
    report(f"{kind}: the file before any damage")
    read(kind)
    for seed in seeds:
        report(f"{kind} {seed}: killed")
        file_of(kind).write_bytes(mutated(good, random.Random(f"{kind} {seed}")))
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        try:
            read(kind)
        except (ValueError, OSError) as error:
            if type(error) not in (ValueError, OSError) or "\n" in str(error) or not str(error).strip():
                report(f"{kind} {seed}: {traceback.format_exc()}")
                return
        except BaseException:
            report(f"{kind} {seed}: {traceback.format_exc()}")
            return
    report("")


def faults(kind: str, seeds: range) -> str:
    """What is wrong with reading some damaged files, in a process of its own that may die of it; "" for nothing."""
    context = multiprocessing.get_context("fork")
    receive, send = context.Pipe(duplex=False)

    def work() -> None:
        signal.signal(signal.SIGPROF, lambda *_: (_ for _ in ()).throw(TimeoutError(f"more than {SECONDS} s")))
        try_some(kind, seeds, send.send)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of threads of libraries, none of which is in use
        process = context.Process(target=work)
        process.start()
    send.close()
    last = "not begun"
    try:
        while True:
            last = receive.recv()
    except EOFError:
        process.join()
    return f"{last} (exit code {process.exitcode})" if last else ""


@pytest.mark.parametrize("kind", KINDS)
def test_a_few_damaged_files(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert not faults(kind, range(5))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_many_damaged_files(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert not faults(kind, range(5, 500))
