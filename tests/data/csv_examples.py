"""Small tables for the tests of CSV files."""

import numpy as np

RANDOM = np.random.default_rng(0)
DAYS = [str(np.datetime64("2024-01-01") + d) for d in range(120)]
SALES = [round(float(v), 2) for v in 50 + RANDOM.normal(0, 5, 120).cumsum()]
NOISE = RANDOM.normal(size=120)


def write(tmp_path, rows: list, header: str, name: str = "my.csv") -> str:
    lines = [header, *(",".join(map(str, row)) for row in rows)]
    (tmp_path / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(tmp_path / name)


def contents(dataset) -> list:
    reads = [dataset.read(i, 0, int(n)) for i, n in enumerate(dataset.lengths)]
    return [(inputs.tolist(), targets.tolist()) for inputs, targets in reads]


def series_rows() -> list[list]:
    return [[day, sale, round(float(x), 3)] for day, sale, x in zip(DAYS, SALES, NOISE, strict=True)]


def wide_rows(count: int = 60, seed: int = 0) -> list[list]:
    values = np.random.default_rng(seed).integers(0, 100, (count, 6))
    return [[*row, "ab"[int(row[0] > 50)]] for row in values.tolist()]


WIDE = "x1,y1,x2,y2,x3,y3,label"


def long_rows(count: int = 30, seed: int = 0) -> list[list]:
    """Sequences of 2 to 6 steps: who, t, speed, word, tag per step, label and weight per sequence."""
    random, rows = np.random.default_rng(seed), []
    for who in range(count):
        label = "xy"[who % 2]
        weight = round(float(random.normal()), 3)
        for t in range(int(random.integers(2, 7))):
            word = "abc"[int(random.integers(3))]
            rows.append([f"s{who}", t, round(float(random.normal()), 3), word, word.upper(), label, weight])
    return rows


LONG = "who,t,speed,word,tag,label,weight"
