"""Small files of every kind that can be read, made anew each time from fixed random numbers."""

import io
import wave
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from tests.data.csv_examples import LONG, WIDE, long_rows, series_rows, wide_rows
from tests.data.file_kinds import FORMATS


class Case(NamedTuple):
    """Files by name, and the settings of ``data`` to read them; the path is the first file where none is given."""

    files: dict[str, bytes]
    data: dict[str, Any]


def table(header: str, rows: list[list[Any]], between: str = ",") -> bytes:
    return "".join(between.join(map(str, row)) + "\n" for row in [header.split(","), *rows]).encode()


def csv(header: str, rows: list[list[Any]], target: Any, **options: Any) -> Case:
    return Case({"my.csv": table(header, rows)}, {"name": "csv", "target": target, **options})


def text(file: str, content: str, **options: Any) -> Case:
    return Case({file: content.encode()}, options)


def npz(**arrays: np.ndarray) -> dict[str, bytes]:
    file = io.BytesIO()
    np.savez(file, **arrays)  # type: ignore[arg-type]
    return {"my.npz": file.getvalue()}


def lists(target: Any, *columns: str, **options: Any) -> Case:
    random, file = np.random.default_rng(0), io.BytesIO()
    lengths = random.integers(1, 6, 60)
    words = [[str(w) for w in random.choice(["a", "b", "c"], n)] for n in lengths]
    made = {
        "speed": [random.normal(size=n).round(3).tolist() for n in lengths],
        "place": [random.normal(size=(n, 2)).round(3).tolist() for n in lengths],
        "words": words,
        "tags": [[w.upper() for w in own] for own in words],
        "label": ["pq"[i % 2] for i in range(60)],
        "mass": random.normal(size=60).round(3).tolist(),
        "who": [f"w{i // 5}" for i in range(60)],
    }
    parquet.write_table(pa.table({name: made[name] for name in columns}), file)
    return Case({"my.parquet": file.getvalue()}, {"name": "csv", "target": target, **options})


def tone(pitch: float, seconds: float, seed: int) -> bytes:
    time = np.arange(round(seconds * 8000)) / 8000
    noise = np.random.default_rng(seed).normal(size=len(time))
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes((8000 * np.sin(2 * np.pi * pitch * time) + 200 * noise).astype("<i2").tobytes())
    return file.getvalue()


def days(count: int, start: str = "2024-01-01") -> list[str]:
    return [str(np.datetime64(start) + i) for i in range(count)]


def one(count: int = 200, missing: int = 0) -> list[list[Any]]:
    """A series: day, sales, price."""
    random = np.random.default_rng(3)
    rows = [[day, round(float(random.normal()) + 5, 3), i % 7] for i, day in enumerate(days(count))]
    for i in random.choice(np.arange(1, count - 1), missing, replace=False).tolist():
        rows[i][1 + i % 2] = ""
    return rows


def many(order: str = "time", future: int = 0) -> list[list[Any]]:
    """Three series: day, shop, sales, price, kind; the last days without sales where they are of the future."""
    random = np.random.default_rng(4)
    rows = []
    for shop, count, kind in (("a", 90, "x"), ("b", 70, "y"), ("c", 110, "x")):
        sales = random.normal(size=count).round(3).tolist()
        sales[count - future :] = [""] * future
        rows += [[day, shop, sales[i], i % 5, kind] for i, day in enumerate(days(count))]
    if order == "mixed":
        return [rows[i] for i in random.permutation(len(rows)).tolist()]
    return sorted(rows, key=lambda row: row[0]) if order == "time" else rows


def blank(rows: list[list[Any]], place: int, every: int) -> list[list[Any]]:
    return [[*row[:place], "" if i % every == 0 else row[place], *row[place + 1 :]] for i, row in enumerate(rows)]


def hours(count: int) -> list[str]:
    return [f"{np.datetime64('2024-03-20T00') + i}:00:00" for i in range(count)]


ONE, MANY, SETS = "day,sales,price", "day,shop,sales,price,kind", ["", "rain", "rain|wind", "wind|sun", "sun"]
GAPS = [row for i, row in enumerate(one()) if i % 50 not in (7, 8, 31)]
TWICE = [row for row in one() for _ in range(1 + (row[2] == 3))]
SHOPS: dict[str, Any] = {"target": "sales", "series": "shop", "time": "day", "history": 9, "horizon": 3}
STEPS: dict[str, Any] = {"sequence": "who", "features": ["speed"]}
FILMS = [[f"w{i % 9} the {'good' if i % 2 else 'BAD'} film {i}", "pq"[i % 2], i % 3 - 1, i / 7] for i in range(120)]
FILM, PARTS, SKY = "text,kind,score,weight", ["train", "train", "train", "val", "test"], "text,kinds,rain,sun"
SKIES = [[f"t{i}t", SETS[i % 5], *(int(w in SETS[i % 5]) for w in ("rain", "sun"))] for i in range(60)]
X = np.random.default_rng(5).normal(size=(60, 6, 2)).round(3)
Y = np.arange(60) % 3
GENOME = "".join("ACGT"[i] for i in np.random.default_rng(6).integers(0, 4, 900))
PROTEINS = "".join(f">p{i}\n{'MKVLATGDERS'[i % 5 :] * 3}\n" for i in range(30))
GLUCOSE = [[*row[:2], int(i in (150, 151, 170))] for i, row in enumerate(one())]
VOICES = {f"{'ab'[i % 2]}_{'xyz'[i // 2 % 3]}_{i}.wav": tone(400 + 900 * (i % 2), 0.15 + i / 100, i) for i in range(12)}
SAID = table("path,text,speaker", [[f"v/{name}", "ab" * (i % 3 + 1), name[2]] for i, name in enumerate(VOICES)])
AUDIO = {f"v/{name}": content for name, content in VOICES.items()}
BOTH = {"a.txt": "".join(f"w{i} x\n" for i in range(40)), "b.txt": "".join(f"X W{i}\n" for i in range(40))}

CSV = {
    "wide": csv(WIDE, wide_rows(), "label"),
    "wide steps of three": csv(WIDE, wide_rows(), "label", layout="wide", features_per_step=3),
    "wide differences": csv(WIDE, wide_rows(), "label", differences=True),
    "wide values": csv(WIDE, wide_rows(), "y3", layout="wide", features=["x1", "y1", "x2"]),
    "wide several values": csv(WIDE, wide_rows(), ["y3", "x3"], features=["x1", "y1", "x2"], layout="wide"),
    "wide cuts": csv(WIDE, wide_rows(), "y3", layout="wide", target_cuts=[30, 60], features=["x1", "x2"]),
    "wide missing dropped": csv(WIDE, blank(wide_rows(), 2, 9), "label", missing="drop"),
    "wide missing interpolated": csv(WIDE, blank(wide_rows(), 2, 9), "label", missing="interpolate"),
    "wide blank ends": csv(WIDE, blank(blank(wide_rows(), 5, 4), 4, 4), "label", missing="end", features_per_step=1),
    "wide group": csv("who," + WIDE, [[f"w{i // 5}", *row] for i, row in enumerate(wide_rows())], "label", group="who"),
    "wide split": csv("part," + WIDE, [[PARTS[i % 5], *r] for i, r in enumerate(wide_rows())], "label", split="part"),
    "wide copies": csv(WIDE, [row for row in wide_rows(40) for _ in range(1 + row[1] % 2)], "label"),
    "wide test file": Case(
        {f"{name}.csv": table(WIDE, wide_rows(30, seed)) for seed, name in enumerate(("my", "val", "test"))},
        {"name": "csv", "target": "label", "val_path": "val.csv", "test_path": "test.csv"},
    ),
    "wide semicolons": Case({"my.csv": table(WIDE, wide_rows(), ";")}, {"name": "csv", "target": "label"}),
    "long": csv(LONG, long_rows(), "label", **STEPS),
    "long words": csv(LONG, long_rows(), "label", sequence="who", text="word"),
    "long tags": csv(LONG, long_rows(), "tag", sequence="who", text="word"),
    "long value": csv(LONG, long_rows(), "weight", time="t", **STEPS),
    "long values per step": csv(LONG, long_rows(), ["speed", "weight"], sequence="who", features=["t"],
                                target_per="step"),
    "long weight": csv(LONG, [[*r[:6], abs(r[6]) + 0.1] for r in long_rows()], "label", weight="weight", **STEPS),
    "long cut": csv(LONG, long_rows(), "label", max_length=3, differences=True, **STEPS),
    "long missing": csv(LONG, blank(long_rows(), 2, 7), "label", missing="interpolate", **STEPS),
    "text": csv(FILM, FILMS, "kind", text="text"),
    "text words": csv(FILM, FILMS, "kind", text="text", level="word", lowercase=True, max_length=4),
    "text cuts": csv(FILM, FILMS, "score", text="text", level="word", target_cuts=[0], min_count=1),
    "text value": csv(FILM, FILMS, "score", text="text", target_kind="values", weight="weight"),
    "text missing": csv(FILM, blank(FILMS, 1, 11), "kind", text="text", missing="drop"),
    "text sets": csv(SKY, SKIES, "kinds", text="text", target_kind="sets"),
    "text columns of 0 and 1": csv(SKY, SKIES, ["rain", "sun"], text="text"),
    "nested": lists("label", "speed", "label"),
    "nested vectors": lists("mass", "place", "speed", "mass", features=["place", "speed"]),
    "nested tags": lists("tags", "words", "tags"),
    "nested group": lists("label", "words", "label", "who", text="words", group="who"),
    "series": csv("day,sales,x", series_rows(), "sales", layout="series"),
    "series guessed": csv(ONE, one(), "sales"),
    "series without times": csv("sales,price", [r[1:] for r in one()], "sales", layout="series", history=5, horizon=2),
    "series backwards": csv(ONE, one()[::-1], "sales", horizon=4),
    "series day first": csv(ONE, [[f"{d[8:]}/{d[5:7]}/{d[:4]}", *r] for d, *r in one()], "sales"),
    "series hours": csv(ONE, [[h, *r[1:]] for h, r in zip(hours(200), one(), strict=True)], "sales",
                        timezone="Europe/Berlin", calendar=["hour", "day_of_week"], layout="series"),
    "series no features": csv(ONE, one(), "sales", features=[], layout="series", val_fraction=0.2, test_fraction=0.3),
    "series interpolated": csv(ONE, one(missing=30), "sales", missing="interpolate", horizon=2),
    "series dropped": csv(ONE, one(missing=30), "sales", missing="drop", transform="difference"),
    "series gaps": csv(ONE, GAPS, "sales"),
    "series gaps filled": csv(ONE, GAPS, "sales", gaps="fill", missing="interpolate"),
    "series gaps split": csv(ONE, GAPS, "sales", gaps="split", history=6, transform="log_return"),
    "series duplicates first": csv(ONE, TWICE, "sales", duplicates="first"),
    "series duplicates last": csv(ONE, [[r[0], i / 9, r[2]] for i, r in enumerate(TWICE)], "sales", duplicates="last"),
    "series per step": csv(ONE, GAPS, "sales", gaps="split", target_per="step", horizon=3),
    "series relative": csv(ONE, one(), "sales", relative=True, horizon=5, calendar=["month", "day_of_week"]),
    "series fold": csv(ONE, one(), "sales", fold="2/3", train_steps=60),
    "series period": csv(ONE, one(), "sales", period=7, features=["price"]),
    "shops": csv(MANY, many(), **SHOPS, identity=True, static_covariates=["kind"]),
    "shops one by one": csv(MANY, many("shop"), **SHOPS, relative=True, future_covariates=["price"]),
    "shops mixed": csv(MANY, many("mixed"), **SHOPS, target_per="step", future_covariates=["price"]),
    "shops known": csv(
        MANY,
        many(future=4),
        **SHOPS,
        future_covariates=["price"],
        static_covariates=["kind"],
        calendar=["day_of_week"],
    ),
}  # fmt: skip
OTHERS = {
    "arrays lengths": Case(npz(X=X, y=Y, lengths=np.arange(60) % 5 + 2), {"name": "arrays", "scale": "all"}),
    "arrays groups": Case(npz(X=X, y=Y, who=np.arange(60) // 4), {"name": "arrays", "groups": "who"}),
    "arrays test groups": Case(
        npz(X=X, y=Y, who=np.arange(60) // 10), {"name": "arrays", "groups": "who", "test_groups": [2, 4]}
    ),
    "arrays split": Case(npz(X=X, y=Y, s=np.array(PARTS * 12)), {"name": "arrays", "split": "s", "scale": "none"}),
    "arrays values": Case(npz(X=X, y=X.sum((1, 2))), {"name": "arrays"}),
    "arrays steps": Case(npz(X=X, y=X.sum(2)), {"name": "arrays", "target_per": "step"}),
    "arrays sets": Case(npz(X=X, y=np.stack([Y > 0, Y == 1], 1) * 1), {"name": "arrays", "target_kind": "sets"}),
    "arrays columns": Case(npz(X=X, y=Y), {"name": "arrays", "read_by": "columns"}),
    "arrays missing": Case(npz(X=np.where(X > 2, np.nan, X), y=Y), {"name": "arrays", "missing": "interpolate"}),
    "arrays varied": Case(npz(X=X, y=Y), {"name": "arrays", "copies": 3, "crop": 4, "gain": 0.1, "noise": 0.1}),
    "audio classes": Case(VOICES, {"name": "audio", "path": ".", "pattern": r"(?P<label>\w)_(?P<speaker>\w)_\d+",
                                   "test_groups": ["z"], "speeds": [0.9, 1.0], "mel_bins": 8}),
    "audio transcripts": Case({"said.csv": SAID, **AUDIO}, {"name": "audio", "spectrum": "mfcc", "mel_bins": 20}),
    "text bytes": text("my.txt", "to be, or not to be\n" * 60, name="text", level="byte", test_fraction=0.1),
    "text words": text("my.txt", "To be, or not to be: that is it.\n" * 60, name="text", level="word", max_size=8),
    "text folder": Case({f"{n}.txt": f"chapter {n} ends\n".encode() * 30 for n in "ab"}, {"name": "text", "path": "."}),
    "genome strands": text("g.fa", f">a\n{GENOME}\n>b\n{GENOME[:300][::-1]}\n", name="genome", kmer=3,
                           reverse_complement=True),
    "genome protein": text("p.fa", PROTEINS, name="genome", alphabet="protein"),
    "genome ambiguous": text("g.fa", f">a\n{GENOME.replace('ACG', 'ANG')}\n", name="genome", kmer=2),
    "fasta by file": Case(
        {f"{k}.fa": "".join(f">r{i}\n{GENOME[i * 9 + j : i * 9 + 40]}\n" for i in range(20)).encode()
         for j, k in enumerate(("one", "two"))},
        {"name": "fasta_labelled", "path": ".", "label": "file"},
    ),
    "genes structure": Case(
        {"my.tsv": FORMATS["genes"].encode(FORMATS["genes"].rows)},
        {"name": "gene_structure", "test_path": None, "labels": "structure", "kmer": 3},
    ),
    "pairs lines": Case({n: t.encode() for n, t in BOTH.items()}, {"name": "pairs", "target_path": "b.txt",
                                                                   "source_level": "word", "max_source": 2}),
    "pairs lexicon": text("my.dict", "".join(f"ab{'cde'[i % 3]}{i}  A B {'CDE'[i % 3]}\n" for i in range(50)),
                          name="pairs", format="lexicon", target_level="symbols", min_count=2),
    "passages group": Case(
        {"my.csv": table("text,lang,art", [["den sea " * (4 + i % 3), "ed"[i % 2], i // 4] for i in range(40)])},
        {"name": "passages", "text": "text", "label": "lang", "group": "art", "lengths": [8, 15]},
    ),
    "anomaly label": Case(
        {"my.csv": table("day,sales,odd", GLUCOSE)},
        {"name": "anomaly", "target": "sales", "time": "day", "label": "odd", "features": []},
    ),
    "anomaly planted": Case(
        {"my.csv": table(ONE, one())},
        {"name": "anomaly", "target": "sales", "time": "day", "injected": 2, "calendar": ["day_of_week"]},
    ),
    "strokes by themselves": Case(
        {"my.npz": FORMATS["strokes"].encode(FORMATS["strokes"].rows)}, {"name": "strokes", "unit": "stroke"}
    ),
}  # fmt: skip
KINDS = {f"{n} file": Case({form.file: form.encode(form.rows)}, form.data) for n, form in FORMATS.items()}
FILES = KINDS | {f"csv {name}": case for name, case in CSV.items()} | OTHERS
# What comes neither with the package nor with an experiment: a small file of the kind stands for it.
STAND_INS = {
    "handwriting_generation": KINDS["strokes file"].files,
    "sentiment": CSV["text"].files,
    "spoken_digits_wav": {name.replace("a_", "0_").replace("b_", "1_").replace("z", "jackson"): content
                          for name, content in VOICES.items()},
    "translation": {"my.tsv": "".join(
        f"{['red', 'green', 'blue'][i % 3]} {['cat', 'dog'][i % 2]} {i}\t"
        f"{['chat', 'chien'][i % 2]} {['rouge', 'vert', 'bleu'][i % 3]} {i}\n" for i in range(80)).encode()},
}  # fmt: skip
