"""What each setting may be, as one table.

A setting that is not in the table must have the type of its default. Rules across settings are
in `seqmodels.cli.combinations`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple


class Rule(NamedTuple):
    """What a value must be, in words and as a test."""

    words: str
    holds: Callable[[Any], bool]


def _all_text(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def whole(least: int, most: int | None = None) -> Rule:
    """A whole number."""
    words = f"a whole number of at least {least}" + ("" if most is None else f" and at most {most}")

    def holds(value: Any) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and value >= least and (most or value) >= value

    return Rule(words, holds)


def number(words: str, holds: Callable[[float], bool]) -> Rule:
    """A whole or a decimal number with some property (NaN has none)."""
    return Rule(f"a number{words}", lambda value: _is_number(value) and holds(value))


def choice(*values: str) -> Rule:
    """One of some words."""
    return Rule(f"one of {', '.join(values)}", lambda value: value in values)


def either(*rules: Rule) -> Rule:
    """What any of the rules allows."""
    return Rule(", or ".join(rule.words for rule in rules), lambda value: any(rule.holds(value) for rule in rules))


def optional(rule: Rule) -> Rule:
    """The rule, or null."""
    return Rule(f"{rule.words}, or null", lambda value: value is None or rule.holds(value))


def list_of(rule: Rule, example: str, length: int | None = None) -> Rule:
    """A list, not empty, each item as the rule says."""

    def holds(value: Any) -> bool:
        if not isinstance(value, list) or not value or len(value) != (length or len(value)):
            return False
        return all(rule.holds(item) for item in value)

    return Rule(f"a list such as {example}, each item {rule.words}", holds)


any_number = number("", lambda value: abs(value) < float("inf"))
positive = number(" above 0", lambda value: 0 < value < float("inf"))
not_negative = number(" of at least 0", lambda value: 0 <= value < float("inf"))
below_one = number(" of at least 0 and below 1", lambda value: 0 <= value < 1)
between = number(" between 0 and 1", lambda value: 0 < value < 1)
share = number(" from 0 to 1", lambda value: 0 <= value <= 1)
text = Rule("text", lambda value: isinstance(value, str))
boolean = Rule("true or false", lambda value: isinstance(value, bool))
endless = Rule("a whole number of at least 1, or -1 for no limit", lambda v: whole(1).holds(v) or v == -1)
batches = optional(
    Rule(
        "a whole number of batches, or a share from 0.0 to 1.0",
        lambda v: whole(0).holds(v) or (isinstance(v, float) and 0 <= v <= 1),
    )
)
duration = Rule(
    "days:hours:minutes:seconds such as 00:00:05:00",
    lambda v: isinstance(v, str) and re.fullmatch(r"\d+:\d+:\d+:\d+", v) is not None,
)
column = Rule("the name of a column", lambda v: isinstance(v, str | int) and not isinstance(v, bool))
columns = Rule("a list of columns such as [a, b]", lambda v: isinstance(v, list) and all(map(column.holds, v)))
file_name = Rule(
    "letters, digits, '.', '_' and '-' only",
    lambda v: isinstance(v, str) and re.fullmatch(r"[A-Za-z0-9._-]+", v) is not None,
)

PRECISIONS = ("32-true", "64-true", "bf16-mixed", "16-mixed", "bf16-true", "16-true")

RULES: dict[str, Rule] = {
    "name": file_name,
    "seed": whole(0, 2**32 - 1),
    "plugins": Rule("a list of package names, such as [my_cells]", _all_text),
    "resume": optional(text),
    "run_dir": text,
    "training.batch_size": whole(1),
    "training.window": optional(whole(1)),
    "training.k2": optional(whole(1)),
    "training.workers": whole(0),
    "checkpoint.every_n_steps": whole(1),
    "early_stopping.patience": optional(whole(1)),
    "diagnostics.every_n_steps": whole(1),
    "diagnostics.log_every_n_steps": optional(whole(1)),
    "diagnostics.budget": optional(number(" above 0 and at most 1", lambda value: 0 < value <= 1)),
    "diagnostics.rows": whole(1),
    "diagnostics.steps": whole(1),
    "diagnostics.lags": whole(1),
    "diagnostics.samples": whole(1),
    "model.embedding_size": whole(1),
    "model.ngrams": whole(1, 8),
    "model.ngram_buckets": whole(1),
    "model.input_dropout": below_one,
    "model.masking.noise": not_negative,
    "model.masking.time_masks": whole(0),
    "model.masking.time_mask": whole(0),
    "model.masking.feature_masks": whole(0),
    "model.masking.feature_mask": whole(0),
    "model.hidden_sizes": list_of(whole(1), "[256]"),
    "model.merge": choice("concat", "sum"),
    "model.dropout": below_one,
    "model.skip_steps": whole(0),
    "model.initial_state": choice("zero", "learned"),
    "model.engine": choice("auto", "reference", "vendor", "fused", "parallel", "stateless"),
    "model.regularisers.input_dropout": below_one,
    "model.regularisers.recurrent_dropout": below_one,
    "model.regularisers.zoneout_h": below_one,
    "model.regularisers.zoneout_c": below_one,
    "model.regularisers.weight_drop": below_one,
    "model.regularisers.output_dropout": below_one,
    "model.regularisers.clip_gradient": optional(positive),
    "model.cell.nonlinearity": choice("tanh", "relu"),
    "model.cell.init": choice("uniform", "orthogonal", "chrono", "identity"),
    "model.cell.forget_bias": optional(any_number),
    "model.cell.chrono_steps": optional(whole(3)),
    "model.cell.proj_size": whole(0),
    "model.cell.heads": whole(1),
    "model.cell.eps": positive,
    "model.cell.longest_dependency": optional(whole(1)),
    "model.cell.r_min": number(" of at least 0 and below 1", lambda value: 0 <= value < 1),
    "model.cell.r_max": number(" above 0 and at most 1", lambda value: 0 < value <= 1),
    "model.cell.max_phase": number(" above 0 and at most 2 pi", lambda value: 0 < value <= 6.2831853071795865),
    "model.cell.exponent": positive,
    "model.cell.reset_gate": choice("after", "before"),
    "model.head.dropout": below_one,
    "model.head.allowed": optional(list_of(list_of(whole(0), "[0, 1]", length=2), "[[0, 1], [1, 0]]")),
    "model.head.pooling": choice("last", "ends", "middle", "mean", "max", "attention"),
    "model.head.hidden_sizes": list_of(whole(1), "[128]"),
    "model.head.embedding_size": whole(1),
    "model.head.attention": optional(choice("additive", "dot")),
    "model.head.max_steps": whole(1),
    "model.head.components": whole(1),
    "model.head.teacher_schedule": choice("constant", "linear", "exponential", "inverse_sigmoid"),
    "model.head.teacher_start": share,
    "model.head.teacher_end": optional(share),
    "data.path": text,
    "data.target": optional(either(column, columns)),
    "data.label": optional(column),
    "data.time": optional(column),
    "data.series": optional(column),
    "data.sequence": optional(column),
    "data.text": optional(column),
    "data.group": optional(column),
    "data.weight": optional(column),
    "data.split": optional(column),
    "data.val_path": optional(text),
    "data.test_path": optional(text),
    "data.features": optional(either(columns, column)),
    "data.layout": optional(choice("series", "wide", "long", "text", "nested")),
    "data.target_per": optional(choice("sequence", "step")),
    "data.target_kind": optional(choice("labels", "values", "sets")),
    "data.target_cuts": optional(list_of(any_number, "[0]")),
    "data.features_per_step": optional(whole(1)),
    "data.transform": optional(choice("difference", "log_return")),
    "data.history": optional(whole(1)),
    "data.horizon": whole(1),
    "data.period": optional(whole(1)),
    "data.known": optional(either(columns, column)),
    "data.static": optional(either(columns, column)),
    "data.calendar": optional(
        either(
            list_of(
                choice("minute_of_day", "hour", "day_of_week", "day_of_month", "month", "day_of_year", "half_year"),
                "[hour, day_of_week]",
            ),
            choice("minute_of_day", "hour", "day_of_week", "day_of_month", "month", "day_of_year", "half_year"),
        )
    ),
    "data.timezone": optional(text),
    "data.gaps": choice("allow", "error", "fill", "split"),
    "data.duplicates": choice("error", "first", "last"),
    "data.fold": optional(
        Rule("such as 2/5, the second of five folds", lambda v: re.fullmatch(r"\d+/\d+", str(v)) is not None)
    ),
    "data.train_steps": optional(whole(1)),
    "data.planted": whole(0),
    "task.rate": number(" above 0 and below 1", lambda value: 0 < value < 1),
    "task.spans": list_of(whole(1), "[1, 4, 16, 48]"),
    "data.x": text,
    "data.y": text,
    "data.lengths": either(text, list_of(whole(1), "[20, 50, 100]")),
    "data.groups": optional(text),
    "data.classes": optional(text),
    "data.test_groups": optional(list_of(column, "[3, 5, 9]")),
    "data.read_by": choice("rows", "columns", "pixels"),
    "data.scale": choice("features", "all", "none"),
    "data.copies": whole(1),
    "data.crop": optional(whole(1)),
    "data.shift": not_negative,
    "data.turn": not_negative,
    "data.slant": not_negative,
    "data.zoom": below_one,
    "data.tilt": not_negative,
    "data.gain": below_one,
    "data.noise": not_negative,
    "data.missing": choice("error", "drop", "interpolate", "end"),
    "data.target_path": optional(text),
    "data.format": choice("auto", "tsv", "csv", "lexicon", "lines"),
    "data.source": optional(column),
    "data.source_level": choice("character", "word", "symbols", "subword"),
    "data.target_level": choice("character", "word", "symbols", "subword"),
    "data.source_size": optional(whole(2)),
    "data.target_size": optional(whole(2)),
    "data.subword_kind": choice("unigram", "bpe"),
    "data.max_source": optional(whole(1)),
    "data.max_target": optional(whole(1)),
    "data.val_fraction": below_one,
    "data.test_fraction": below_one,
    "data.seed": whole(0),
    "data.unit": choice("drawing", "stroke"),
    "data.points": optional(whole(2)),
    "data.level": choice("character", "byte", "word"),
    "data.min_count": whole(1),
    "data.max_size": optional(whole(1)),
    "data.cache_dir": optional(text),
    "data.max_length": optional(whole(1)),
    "data.alphabet": choice("dna", "protein"),
    "data.labels": choice("coding", "structure"),
    "data.ambiguous": choice("unknown", "error"),
    "data.kmer": whole(1),
    "data.deltas": whole(0, 2),
    "data.pattern": optional(text),
    "data.sample_rate": optional(whole(1000)),
    "data.spectrum": choice("filterbank", "mfcc"),
    "data.mel_bins": whole(4),
    "data.coefficients": whole(1),
    "data.frame_length": positive,
    "data.frame_shift": positive,
    "data.stack": whole(1),
    "data.normalise": choice("recording", "train", "none"),
    "data.speeds": list_of(number(" from 0.5 to 2", lambda value: 0.5 <= value <= 2), "[0.9, 1.0, 1.1]"),
    "data.mismatch": choice("resample", "error"),
    "data.stereo": choice("mean", "error"),
    "data.silence": choice("drop", "error"),
    "data.val_groups": optional(list_of(column, "[jackson]")),
    "data.train_size": whole(1),
    "data.val_size": whole(0),
    "data.test_size": whole(0),
    "data.steps": whole(1),
    "data.largest": whole(1),
    "data.delay": whole(1),
    "data.length": whole(1),
    "data.symbols": whole(2, 26),
    "data.shortest": whole(1),
    "data.longest": whole(1),
    "task.label_smoothing": below_one,
    "task.lengths": optional(list_of(whole(1), "[20, 50, 100]")),
    "task.class_weights": choice("none", "balanced"),
    "task.segments": optional(Rule("a list of tags, such as [coding]", lambda v: _all_text(v) and len(v) > 0)),
    "task.threshold": between,
    "task.loss": choice("mse", "mae", "huber"),
    "task.huber_delta": positive,
    "task.output": choice("point", "quantiles", "gaussian", "student_t", "negative_binomial"),
    "task.quantiles": list_of(between, "[0.1, 0.5, 0.9]"),
    "task.interval": between,
    "task.ridge_window": whole(1),
    "task.shown": whole(1),
    "task.beam": whole(1),
    "task.length_penalty": not_negative,
    "task.max_length_ratio": optional(positive),
    "task.sample_steps": whole(1),
    "task.temperature": optional(positive),
    "task.components": whole(1),
    "task.top_k": optional(whole(1)),
    "task.top_p": optional(number(" above 0 and at most 1", lambda value: 0 < value <= 1)),
    "task.ngram_orders": list_of(whole(1), "[1, 3]"),
    "task.markov_order": optional(whole(1, 20)),
    "optimizer.lr": positive,
    "optimizer.betas": list_of(below_one, "[0.9, 0.999]", length=2),
    "optimizer.eps": positive,
    "optimizer.weight_decay": not_negative,
    "optimizer.momentum": below_one,
    "optimizer.dampening": share,
    "optimizer.alpha": below_one,
    "scheduler.pct_start": between,
    "scheduler.anneal_strategy": choice("cos", "linear"),
    "scheduler.div_factor": positive,
    "scheduler.final_div_factor": positive,
    "scheduler.warmup_steps": whole(0),
    "scheduler.min_lr": not_negative,
    "scheduler.factor": between,
    "scheduler.patience": whole(0),
    "scheduler.threshold": not_negative,
    "scheduler.cooldown": whole(0),
    "trainer.max_epochs": endless,
    "trainer.max_steps": endless,
    "trainer.max_time": optional(duration),
    "trainer.min_epochs": optional(whole(1)),
    "trainer.accelerator": choice("auto", "cpu", "gpu", "cuda", "mps", "tpu"),
    "trainer.devices": either(whole(1), choice("auto"), list_of(whole(0), "[0, 1]")),
    "trainer.num_nodes": whole(1),
    "trainer.precision": choice(*PRECISIONS),
    "trainer.gradient_clip_val": optional(positive),
    "trainer.gradient_clip_algorithm": choice("norm", "value"),
    "trainer.accumulate_grad_batches": whole(1),
    "trainer.val_check_interval": optional(either(whole(1), number(" between 0 and 1", lambda v: 0 < v <= 1))),
    "trainer.check_val_every_n_epoch": optional(whole(1)),
    "trainer.limit_train_batches": batches,
    "trainer.limit_val_batches": batches,
    "trainer.limit_test_batches": batches,
    "trainer.overfit_batches": batches,
    "trainer.num_sanity_val_steps": whole(-1),
    "trainer.log_every_n_steps": whole(1),
    "trainer.deterministic": either(boolean, choice("warn")),
    "trainer.benchmark": optional(boolean),
}


def rule_for(path: str, default: Any) -> Rule | None:
    """The rule for a setting of seqmodels' own: as in the table, else by its default's type.

    >>> rule_for("optimizer.lr", 0.002).words
    'a number above 0'
    """
    # A head may have a cell of its own, with the same settings.
    return RULES.get(path.replace("model.head.cell.", "model.cell.")) or rule_by_type(default)


def rule_by_type(default: Any) -> Rule | None:
    """The rule of a default's type; None where the default does not tell."""
    if default is None or default == "???":
        return None
    if isinstance(default, bool):
        return boolean
    if isinstance(default, int):
        return Rule("a whole number", lambda value: isinstance(value, int) and not isinstance(value, bool))
    if isinstance(default, float):
        return any_number
    if isinstance(default, list):
        return Rule("a list such as [a, b]", lambda value: isinstance(value, list))
    return text
