"""The linear chain: against every path there is, a plain loop, and numerical gradients."""

import itertools

import pytest
import torch
from torch import Tensor

from seqmodels.heads.chain import best_tags, forward_scores, highest, log_partition, score, tag_probabilities
from seqmodels.heads.crf import LinearChainCRF

close = torch.testing.assert_close


def chain(rows: int, steps: int, tags: int, seed: int = 0, scale: float = 1.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(rows, steps, tags, tags, generator=generator, dtype=torch.float64)


def paths(potentials: Tensor) -> tuple[Tensor, Tensor]:
    """All tag sequences of one row's potentials, and their scores."""
    steps, size = potentials.shape[0], potentials.shape[-1]
    every = torch.tensor(list(itertools.product(range(size), repeat=steps)))
    before = torch.cat((torch.zeros_like(every[:, :1]), every[:, :-1]), dim=1)
    return every, potentials[torch.arange(steps), before, every].sum(1)


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize("tags", [1, 2, 3])
def test_sums_maxima_and_probabilities_are_those_of_all_paths(steps, tags):
    potentials = chain(4, 6, tags, seed=steps)
    lengths = torch.tensor([steps, 6, 1, 4])
    total, best = log_partition(potentials, lengths), best_tags(potentials, lengths)
    probabilities = tag_probabilities(potentials, lengths)
    for row, length in enumerate(lengths.tolist()):
        every, scores = paths(potentials[row, :length])
        close(total[row], scores.logsumexp(0))
        assert best[row, :length].tolist() == every[scores.argmax()].tolist()
        assert not best[row, length:].any()
        share = scores.softmax(0)
        for tag in range(tags):
            close(probabilities[row, :length, tag], ((every == tag) * share.unsqueeze(1)).sum(0))
        index = int(torch.randint(len(every), (1,), generator=torch.Generator().manual_seed(row)))
        padded = torch.full((1, 6), 10**6)
        padded[0, :length] = every[index]
        close(score(potentials[row : row + 1], padded, lengths[row : row + 1])[0], scores[index])


@pytest.mark.parametrize("steps", [7, 64, 129])
@pytest.mark.parametrize("reduce", [torch.logsumexp, torch.amax])
def test_a_plain_loop_says_the_same(steps, reduce):
    potentials = chain(2, steps, 4, scale=10.0)
    scores = [potentials[:, 0, 0]]
    for t in range(1, steps):
        scores.append(reduce(scores[-1].unsqueeze(-1) + potentials[:, t], 1))
    found = forward_scores(potentials, highest) if reduce is torch.amax else forward_scores(potentials)
    close(found, torch.stack(scores, 1))


def test_gradients_are_exact():
    lengths = torch.tensor([5, 2, 1])
    potentials = chain(3, 5, 3).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: log_partition(x, lengths), potentials)
    crf = LinearChainCRF(2, 3).double()
    features = torch.randn(3, 5, 2, dtype=torch.float64, requires_grad=True)
    tags = torch.randint(3, (3, 5))

    def loss(features, *_):
        prediction = crf(features, lengths)
        return log_partition(prediction, lengths) - score(prediction, tags, lengths)

    assert torch.autograd.gradcheck(loss, (features, *crf.parameters()))


def test_garbage_after_the_end_changes_nothing():
    lengths = torch.tensor([3, 1])
    clean = chain(2, 5, 3).requires_grad_()
    dirty = clean.detach().clone()
    dirty[0, 3:], dirty[1, 1:] = torch.nan, torch.inf
    dirty.requires_grad_()
    tags = torch.randint(3, (2, 5))
    for potentials in (clean, dirty):
        (log_partition(potentials, lengths) - score(potentials, tags, lengths)).sum().backward()
    close(dirty.grad, clean.grad, rtol=0, atol=0)
    assert dirty.grad.isfinite().all()
    assert torch.equal(best_tags(dirty, lengths), best_tags(clean, lengths))
    assert torch.equal(tag_probabilities(dirty, lengths)[0, :3], tag_probabilities(clean, lengths)[0, :3])


def test_the_potentials_are_the_equations():
    torch.manual_seed(0)
    crf = LinearChainCRF(2, 3, allowed=[[0, 0], [0, 1], [1, 2], [2, 0]]).double()
    for parameter in crf.parameters():
        torch.nn.init.normal_(parameter)
    features, lengths = torch.randn(2, 4, 2).double(), torch.tensor([4, 2])
    found = crf(features, lengths)
    for row, length in enumerate(lengths.tolist()):
        for t, i, j in itertools.product(range(length), range(3), range(3)):
            wanted = (crf.output.weight @ features[row, t] + crf.output.bias)[j]
            wanted = wanted + (10 * crf.start[j] if t == 0 else 10 * crf.transition[i, j] + crf.forbidden[i, j])
            close(found[row, t, i, j], wanted + (10 * crf.end[j] if t == length - 1 else 0))


def test_forbidden_steps_are_never_taken():
    torch.manual_seed(0)
    allowed = [[0, 1], [1, 2], [2, 0]]
    crf = LinearChainCRF(2, 3, allowed=allowed)
    features, lengths = 50 * torch.randn(4, 33, 2), torch.tensor([33, 20, 2, 1])
    potentials = crf(features, lengths)
    tags = best_tags(potentials, lengths)
    for row, length in zip(tags.tolist(), lengths.tolist(), strict=True):
        assert all([a, b] in allowed for a, b in itertools.pairwise(row[:length]))
    with pytest.raises(ValueError, match=r"allowed must hold pairs of tags from 0 to 2, got \[0, 3\]"):
        LinearChainCRF(2, 3, allowed=[[0, 3]])


def test_five_thousand_steps_in_single_precision():
    potentials = chain(2, 5000, 6, scale=5.0)
    lengths = torch.tensor([5000, 3001])
    single = potentials.float().requires_grad_()
    close(log_partition(single, lengths).double(), log_partition(potentials, lengths), rtol=1e-5, atol=0)
    log_partition(single, lengths).sum().backward()
    close(single.grad.sum((2, 3))[0].double(), torch.ones(5000).double(), rtol=0, atol=0.05)
