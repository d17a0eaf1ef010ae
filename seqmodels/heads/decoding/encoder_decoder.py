"""Encoder-decoder head: a sequence to a sequence of another length."""

from __future__ import annotations

from seqmodels.heads.decoding.decoder import DecoderHead
from seqmodels.registry import register


@register("head", "encoder_decoder")
class EncoderDecoder(DecoderHead):
    """Decoder that starts after all input steps are read (delayed many-to-many).

    >>> import torch
    >>> head = EncoderDecoder(4, 10, stop=9, attention="dot", hidden_sizes=[8])
    >>> features, lengths = torch.zeros(2, 5, 4), torch.tensor([5, 2])
    >>> head(features, lengths, teacher=torch.tensor([[1, 2, 9], [3, 9, 9]])).shape
    torch.Size([2, 3, 10])
    >>> tokens, ends = head.generate(features, lengths, max_steps=6, beam=3)
    >>> len(tokens), bool((ends <= 6).all())
    (2, True)

    Arguments as for `DecoderHead`.
    """
