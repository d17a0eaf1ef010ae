"""Decoding of per-step labels: the best path, and the prefix beam search against all paths."""

import itertools
import math

import pytest
import torch

from seqmodels.heads.ctc import CTC, collapse, prefix_search


def collapsed(path, blank):
    return tuple(token for token, _ in itertools.groupby(path) if token != blank)


def every_sequence(log_p):
    """Of each sequence the log-probability of all its paths together."""
    steps, size = log_p.shape
    found = {}
    for path in itertools.product(range(size), repeat=steps):
        weight = math.exp(sum(float(log_p[t, token]) for t, token in enumerate(path)))
        found[collapsed(path, size - 1)] = found.get(collapsed(path, size - 1), 0.0) + weight
    return {tokens: math.log(weight) for tokens, weight in found.items()}


def rows_of(tokens, lengths):
    return [tuple(row[:n]) for row, n in zip(tokens.tolist(), lengths.tolist(), strict=True)]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("size", "steps"), [(2, 5), (3, 4), (4, 3)])
def test_a_wide_beam_is_exact(seed, size, steps):
    torch.manual_seed(seed)
    logits, lengths = 2 * torch.randn(5, steps, size), torch.tensor([steps, steps - 1, 1, 0, steps])
    tokens, counts, scores = prefix_search(logits, lengths, beam=200)
    for row, found in enumerate(rows_of(tokens, counts)):
        truth = every_sequence(logits[row, : lengths[row]].double().log_softmax(-1))
        best = max(truth, key=truth.__getitem__)
        assert found == best
        assert scores[row].item() == pytest.approx(truth[best], abs=1e-9)
        assert (tokens[row, counts[row] :] == size - 1).all()


@pytest.mark.parametrize("beam", [1, 2, 3, 6])
def test_a_narrow_beam_never_counts_a_path_twice(beam):
    torch.manual_seed(beam)
    logits, lengths = torch.randn(20, 5, 3), torch.randint(0, 6, (20,))
    tokens, counts, scores = prefix_search(logits, lengths, beam)
    for row, found in enumerate(rows_of(tokens, counts)):
        truth = every_sequence(logits[row, : lengths[row]].double().log_softmax(-1))
        assert scores[row].item() <= truth[found] + 1e-9


def test_the_beam_sums_paths_where_the_best_path_does_not():
    """Two steps, both more likely blank than not, and yet one token is likelier than none (Graves 2012, 7.5)."""
    logits = torch.tensor([[[0.4, 0.6], [0.4, 0.6]]]).log()
    head = CTC(2, 2)
    with torch.no_grad():
        head.output.weight.copy_(torch.eye(2))
        head.output.bias.zero_()
    assert rows_of(*head.generate(logits)) == [()]
    assert rows_of(*head.generate(logits, beam=2)) == [(0,)]


@pytest.mark.parametrize("beam", [1, 4])
def test_rows_are_decoded_alone_and_padding_is_not_read(beam):
    torch.manual_seed(0)
    head = CTC(3, 4).eval()
    features, lengths = 3 * torch.randn(6, 9, 3), torch.tensor([9, 0, 4, 7, 1, 9])
    found = rows_of(*head.generate(features, lengths, beam))
    order = torch.tensor([3, 1, 5, 0, 2, 4])
    assert rows_of(*head.generate(features[order], lengths[order], beam)) == [found[i] for i in order.tolist()]
    spoilt = features.clone()
    for row, length in enumerate(lengths.tolist()):
        spoilt[row, length:] = torch.nan
        if length:
            assert rows_of(*head.generate(features[row : row + 1, :length], None, beam)) == found[row : row + 1]
    assert rows_of(*head.generate(spoilt, lengths, beam)) == found
    assert found[1] == ()


def test_paths_collapse():
    torch.manual_seed(0)
    paths, lengths = torch.randint(3, (50, 7)), torch.randint(0, 8, (50,))
    tokens, counts = collapse(paths, lengths, 2)
    wanted = [collapsed(path[:n], 2) for path, n in zip(paths.tolist(), lengths.tolist(), strict=True)]
    assert rows_of(tokens, counts) == wanted


def test_a_beam_below_one_is_refused():
    with pytest.raises(ValueError, match="beam must be a whole number of at least 1, got 0"):
        CTC(2, 3).generate(torch.zeros(1, 2, 2), beam=0)
