"""What each setting under ``model`` may be: encoder, layers, cell, head."""

from __future__ import annotations

from seqmodels.cli.rules.kinds import (
    Rule,
    any_number,
    below_one,
    choice,
    list_of,
    not_negative,
    number,
    optional,
    positive,
    share,
    up_to_one,
    whole,
)

# Units of a layer: with more, the weights of one matrix fill no memory that there is.
WIDE = 100_000

MODEL: dict[str, Rule] = {
    # encoder and masks
    "model.embedding_size": whole(1, WIDE),
    "model.ngrams": whole(1, 8),
    "model.ngram_buckets": whole(1, 100_000_000),
    "model.input_dropout": below_one,
    "model.masking.noise": not_negative,
    "model.masking.time_masks": whole(0),
    "model.masking.time_mask": whole(0),
    "model.masking.feature_masks": whole(0),
    "model.masking.feature_mask": whole(0),
    # layers
    "model.hidden_sizes": list_of(whole(1, WIDE), "[256]"),
    "model.merge": choice("concat", "sum"),
    "model.dropout": below_one,
    "model.skip_steps": whole(0, WIDE),
    "model.skip_fit": choice("trained", "ridge"),
    "model.initial_state": choice("zero", "learned"),
    "model.engine": choice("auto", "reference", "vendor", "fused", "parallel", "stateless"),
    "model.regularisers.input_dropout": below_one,
    "model.regularisers.recurrent_dropout": below_one,
    "model.regularisers.zoneout_h": below_one,
    "model.regularisers.zoneout_c": below_one,
    "model.regularisers.weight_drop": below_one,
    "model.regularisers.output_dropout": below_one,
    "model.regularisers.clip_gradient": optional(positive),
    # cells
    "model.cell.nonlinearity": choice("tanh", "relu"),
    "model.cell.init": choice("uniform", "orthogonal", "chrono", "identity"),
    "model.cell.forget_bias": optional(any_number),
    "model.cell.chrono_steps": optional(whole(3)),
    "model.cell.proj_size": whole(0),
    "model.cell.heads": whole(1),
    "model.cell.eps": positive,
    "model.cell.longest_dependency": optional(whole(1)),
    "model.cell.r_min": below_one,
    "model.cell.r_max": up_to_one,
    "model.cell.max_phase": number(" above 0 and at most 2 pi", lambda value: 0 < value <= 6.2831853071795865),
    "model.cell.exponent": positive,
    "model.cell.reset_gate": choice("after", "before"),
    # heads
    "model.head.dropout": below_one,
    "model.head.allowed": optional(list_of(list_of(whole(0), "[0, 1]", length=2), "[[0, 1], [1, 0]]")),
    "model.head.pooling": choice("last", "ends", "middle", "mean", "max", "attention"),
    "model.head.hidden_sizes": list_of(whole(1, WIDE), "[128]"),
    "model.head.embedding_size": whole(1, WIDE),
    "model.head.attention": optional(choice("additive", "dot")),
    "model.head.max_steps": whole(1, 1_000_000),
    "model.head.components": whole(1, 10_000),
    "model.head.teacher_schedule": choice("constant", "linear", "exponential", "inverse_sigmoid"),
    "model.head.teacher_start": share,
    "model.head.teacher_end": optional(share),
}
