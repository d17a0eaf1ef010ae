"""What each setting under ``model`` may be that is not of a cell or a head: encoder and layers."""

from __future__ import annotations

from seqmodels.kinds import (
    Rule,
    below_one,
    choice,
    list_of,
    not_negative,
    optional,
    positive,
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
}
