"""What each setting under ``data`` may be, by the kind of source that has it; some are in several."""

from __future__ import annotations

import re

from seqmodels.cli.rules.kinds import (
    Rule,
    any_number,
    below_one,
    choice,
    column,
    columns,
    either,
    list_of,
    not_negative,
    number,
    optional,
    positive,
    text,
    whole,
)

_calendar = choice("minute_of_day", "hour", "day_of_week", "day_of_month", "month", "day_of_year", "half_year")
_level = choice("character", "word", "symbols", "subword")

# Of what is made: steps of a sequence, and sequences; more would be meant by nobody, and fill the memory.
LONG, MANY = 10_000, 1_000_000

DATA: dict[str, Rule] = {
    # files, and how they are split
    "data.path": text,
    "data.target_path": optional(text),
    "data.val_path": optional(text),
    "data.test_path": optional(text),
    "data.cache_dir": optional(text),
    "data.missing": choice("error", "drop", "interpolate", "end"),
    "data.seed": whole(0),
    "data.val_fraction": below_one,
    "data.test_fraction": below_one,
    "data.split": optional(column),
    "data.group": optional(column),
    "data.groups": optional(text),
    "data.test_groups": optional(list_of(column, "[3, 5, 9]")),
    "data.val_groups": optional(list_of(column, "[jackson]")),
    # tables: columns, and what is made of them
    "data.target": optional(either(column, columns)),
    "data.label": optional(column),
    "data.time": optional(column),
    "data.series": optional(column),
    "data.sequence": optional(column),
    "data.text": optional(column),
    "data.weight": optional(column),
    "data.features": optional(either(columns, column)),
    "data.layout": optional(choice("series", "wide", "long", "text", "nested")),
    "data.target_per": optional(choice("sequence", "step")),
    "data.target_kind": optional(choice("labels", "values", "sets")),
    "data.target_cuts": optional(list_of(any_number, "[0]")),
    "data.features_per_step": optional(whole(1)),
    # series
    "data.transform": optional(choice("difference", "log_return")),
    "data.history": optional(whole(1)),
    "data.horizon": whole(1, 1_000_000),
    "data.period": optional(whole(1)),
    "data.known": optional(either(columns, column)),
    "data.static": optional(either(columns, column)),
    "data.calendar": optional(either(list_of(_calendar, "[hour, day_of_week]"), _calendar)),
    "data.timezone": optional(text),
    "data.time_format": optional(text),
    "data.gaps": choice("allow", "error", "fill", "split"),
    "data.duplicates": choice("error", "first", "last"),
    "data.fold": optional(
        Rule("such as 2/5, the second of five folds", lambda v: re.fullmatch(r"\d+/\d+", str(v)) is not None)
    ),
    "data.train_steps": optional(whole(1)),
    "data.planted": optional(whole(0)),
    # arrays, images and sensors
    "data.x": text,
    "data.y": text,
    "data.lengths": either(text, list_of(whole(1), "[20, 50, 100]")),
    "data.classes": optional(text),
    "data.read_by": choice("rows", "columns", "pixels"),
    "data.scale": choice("features", "all", "none"),
    "data.copies": whole(1, 1000),
    "data.crop": optional(whole(1)),
    "data.shift": not_negative,
    "data.turn": not_negative,
    "data.slant": not_negative,
    "data.zoom": below_one,
    "data.tilt": not_negative,
    "data.gain": below_one,
    "data.noise": not_negative,
    # text, and pairs of texts
    "data.level": choice("character", "byte", "word"),
    "data.min_count": whole(1),
    "data.max_size": optional(whole(1)),
    "data.max_length": optional(whole(1)),
    "data.format": choice("auto", "tsv", "csv", "lexicon", "lines"),
    "data.source": optional(column),
    "data.source_level": _level,
    "data.target_level": _level,
    "data.source_size": optional(whole(2)),
    "data.target_size": optional(whole(2)),
    "data.subword_kind": choice("unigram", "bpe"),
    "data.max_source": optional(whole(1)),
    "data.max_target": optional(whole(1)),
    # genomes and proteins
    "data.alphabet": choice("dna", "protein"),
    "data.labels": choice("coding", "structure"),
    "data.ambiguous": choice("unknown", "error"),
    "data.kmer": whole(1, 1000),
    # recordings
    "data.pattern": optional(text),
    "data.sample_rate": optional(whole(1000, 1_000_000)),
    "data.spectrum": choice("filterbank", "mfcc"),
    "data.mel_bins": whole(4, 1000),
    "data.coefficients": whole(1, 1000),
    "data.deltas": whole(0, 2),
    "data.frame_length": positive,
    "data.frame_shift": positive,
    "data.stack": whole(1, 1000),
    "data.normalise": choice("recording", "train", "none"),
    "data.speeds": list_of(number(" from 0.5 to 2", lambda value: 0.5 <= value <= 2), "[0.9, 1.0, 1.1]"),
    "data.mismatch": choice("resample", "error"),
    "data.stereo": choice("mean", "error"),
    "data.silence": choice("drop", "error"),
    # strokes
    "data.unit": choice("drawing", "stroke"),
    "data.points": optional(whole(2, LONG)),
    # made data
    "data.train_size": whole(1, MANY),
    "data.val_size": whole(0, MANY),
    "data.test_size": whole(0, MANY),
    "data.steps": whole(1, LONG),
    "data.largest": whole(1, MANY),
    "data.delay": whole(1, LONG),
    "data.length": whole(1, LONG),
    "data.symbols": whole(2, 26),
    "data.shortest": whole(1, LONG),
    "data.longest": whole(1, LONG),
}
