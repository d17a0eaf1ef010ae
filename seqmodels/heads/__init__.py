"""Heads: features to a prediction, one small file per shape.

To add one: a file here with a class under ``@register("head", "name")``; its options are its constructor's ("Adding
something" in ``docs/design.md`` has the whole list).
"""

from seqmodels.heads.base import Head
from seqmodels.heads.decoding.encoder_decoder import EncoderDecoder
from seqmodels.heads.decoding.one_to_many import OneToMany
from seqmodels.heads.many_to_many import ManyToMany
from seqmodels.heads.many_to_one import ManyToOne
from seqmodels.heads.one_to_one import OneToOne

__all__ = ["EncoderDecoder", "Head", "ManyToMany", "ManyToOne", "OneToMany", "OneToOne"]
