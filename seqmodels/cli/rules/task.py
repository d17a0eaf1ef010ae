"""What each setting under ``task`` may be."""

from __future__ import annotations

from seqmodels.cli.rules.kinds import (
    Rule,
    all_text,
    below_one,
    between,
    choice,
    list_of,
    not_negative,
    number,
    optional,
    positive,
    up_to_one,
    whole,
)

TASK: dict[str, Rule] = {
    # labels and tags
    "task.label_smoothing": below_one,
    "task.lengths": optional(list_of(whole(1), "[20, 50, 100]")),
    "task.class_weights": choice("none", "balanced"),
    "task.segments": optional(Rule("a list of tags, such as [coding]", lambda v: all_text(v) and len(v) > 0)),
    "task.threshold": between,
    # values and forecasts
    "task.loss": choice("mse", "mae", "huber"),
    "task.huber_delta": positive,
    "task.output": choice("point", "quantiles", "gaussian", "student_t", "negative_binomial"),
    "task.quantiles": list_of(between, "[0.1, 0.5, 0.9]"),
    "task.interval": between,
    "task.ridge_window": whole(1, 100_000),
    # anomalies
    "task.rate": number(" above 0 and below 1", lambda value: 0 < value < 1),
    "task.spans": list_of(whole(1), "[1, 4, 16, 48]"),
    # what is written: search and samples
    "task.beam": whole(1, 10_000),
    "task.length_penalty": not_negative,
    "task.max_length_ratio": optional(positive),
    "task.sample_steps": whole(1, 1_000_000),
    "task.temperature": optional(positive),
    "task.components": whole(1, 10_000),
    "task.top_k": optional(whole(1)),
    "task.top_p": optional(up_to_one),
    # baselines and pictures
    "task.ngram_orders": list_of(whole(1, 100), "[1, 3]"),
    "task.markov_order": optional(whole(1, 20)),
    "task.shown": whole(1, 10_000),
}
