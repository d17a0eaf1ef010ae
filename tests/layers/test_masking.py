"""Masks on features: where they lie, how long they are, and that they are for training only."""

import pytest
import torch

from seqmodels.layers import Masking
from seqmodels.spec import Spec


def runs(hidden: list[bool]) -> list[int]:
    lengths, count = [], 0
    for one in [*hidden, False]:
        if one:
            count += 1
        elif count:
            lengths.append(count)
            count = 0
    return lengths


def test_nothing_is_changed_in_evaluation_or_by_default():
    x = torch.randn(3, 8, 4)
    assert torch.equal(Masking(0.5, 2, 3, 2, 2).eval()(x), x)
    assert torch.equal(Masking()(x), x)
    assert not Masking(time_masks=2, time_mask=0).active


@pytest.mark.parametrize("seed", range(5))
def test_runs_of_steps_lie_within_the_row_and_its_fifth(seed):
    torch.manual_seed(seed)
    lengths = torch.tensor([50, 20, 4, 0])
    found = Masking(time_masks=1, time_mask=6)(torch.ones(4, 50, 3), lengths)
    hidden = (found == 0).all(2)
    assert torch.equal(hidden, (found == 0).any(2))
    for row, most in enumerate((6, 4, 0, 0)):
        assert max(runs(hidden[row].tolist()), default=0) <= most
        assert not hidden[row, lengths[row] :].any()


def test_every_length_and_place_comes_up():
    torch.manual_seed(0)
    hidden = (Masking(feature_masks=1, feature_mask=3)(torch.ones(2000, 2, 6)) == 0)[:, 0]
    counts = torch.bincount(hidden.sum(1), minlength=4)
    assert counts.tolist() == pytest.approx([500] * 4, abs=80)
    assert (hidden.float().mean(0) > 0.1).all()
    assert all(len(runs(row)) <= 1 for row in hidden.tolist())


def test_noise_leaves_padding_alone():
    torch.manual_seed(0)
    x = torch.zeros(2, 400, 5)
    found = Masking(noise=0.3)(x, torch.tensor([400, 100]))
    assert found[0].std().item() == pytest.approx(0.3, rel=0.05)
    assert not found[1, 100:].any()


def test_the_seed_decides():
    def draw() -> torch.Tensor:
        torch.manual_seed(7)
        return Masking(0.1, 2, 4, 2, 2)(torch.ones(4, 20, 8))

    assert torch.equal(draw(), draw())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"noise": -0.1}, "noise must be a number of at least 0"),
        ({"time_masks": 1.5}, "time_masks must be a whole number"),
        ({"feature_mask": -1}, "feature_mask must be a whole number"),
    ],
)
def test_what_is_out_of_range_is_refused(options, said):
    with pytest.raises(ValueError, match=said):
        Masking(**options)


def test_tokens_are_not_masked():
    from seqmodels.build import build_model

    spec = Spec("tokens", 5, "labels", 2, "sequence")
    with pytest.raises(ValueError, match=r"model.masking hides features .* this data has tokens"):
        build_model({"model": {"masking": {"noise": 0.1}}}, spec, None)
