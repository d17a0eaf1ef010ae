"""Laws that every head obeys, found over the registry: rows, causality, padding, gradients, refusal."""

import inspect
import itertools
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor

from seqmodels.batch import step_mask
from seqmodels.heads import Head
from seqmodels.registry import find, make, names

FEATURES, OUTPUTS, ROWS, TARGET_STEPS, STOP = 3, 5, 4, 4, 2

# Options that choose a way of working: every head is held to the laws with each of their values.
CHOICES: dict[str, list[Any]] = {
    "pooling": ["last", "ends", "middle", "mean", "max", "attention"],
    "attention": [None, "additive", "dot"],
    "targets": ["tokens", "values"],
    "feed": [True, False],
}
SMALL: dict[str, Any] = {"hidden_sizes": [4, 3], "embedding_size": 2, "max_steps": TARGET_STEPS}


@dataclass
class Case:
    name: str
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def own(self) -> bool:
        """Whether it unrolls a sequence of its own, and so takes a teacher."""
        head = find("head", self.name)
        return head.target_shape == "own" and not head.unaligned

    @property
    def stepwise(self) -> bool:
        head = find("head", self.name)
        return head.target_shape == "step" or head.unaligned

    @property
    def tokens(self) -> bool:
        return self.options.get("targets") == "tokens"

    def head(self) -> Head:
        torch.manual_seed(1)
        return make("head", self.name, FEATURES, OUTPUTS, **self.options).double()

    def features(self) -> tuple[Tensor, Tensor]:
        """Features of ragged rows, one of them empty."""
        torch.manual_seed(2)
        steps = 1 if self.name.startswith("one_to") else 6
        return torch.randn(ROWS, steps, FEATURES).double(), torch.tensor([steps, min(3, steps), 1, 0])

    def teacher(self) -> Tensor | None:
        torch.manual_seed(3)
        if not self.own:
            return None
        if self.tokens:
            return torch.randint(OUTPUTS, (ROWS, TARGET_STEPS))
        return torch.randn(ROWS, TARGET_STEPS, OUTPUTS).double()


def find_cases() -> list[Any]:
    cases = []
    for name in names("head"):
        accepted = inspect.signature(find("head", name)).parameters
        choices = {option: values for option, values in CHOICES.items() if option in accepted}
        small = {option: value for option, value in SMALL.items() if option in accepted}
        for values in itertools.product(*choices.values()):
            options = dict(zip(choices, values, strict=True), **small)
            if options.get("targets") == "tokens":
                options["stop"] = STOP
            cases.append(pytest.param(Case(name, options), id="-".join(map(str, (name, *values)))))
    return cases


every_head = pytest.mark.parametrize("case", find_cases())
step_heads = pytest.mark.parametrize("case", [c for c in find_cases() if c.values[0].stepwise])
decoders = pytest.mark.parametrize("case", [c for c in find_cases() if c.values[0].own])
token_decoders = pytest.mark.parametrize("case", [c for c in find_cases() if c.values[0].own and c.values[0].tokens])
close = torch.testing.assert_close


def searched(case: Case) -> tuple[Any, Tensor, Tensor]:
    """A decoder of strong opinions, so that beams overtake each other, and a dozen rows for it."""
    head = case.head().eval()
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.mul_(5)
    steps = case.features()[0].shape[1]
    torch.manual_seed(4)
    return head, 2 * torch.randn(12, steps, FEATURES).double(), torch.randint(1, steps + 1, (12,))


def used(case: Case, prediction: Tensor, lengths: Tensor) -> Tensor:
    """What of a prediction means something."""
    if not case.stepwise:
        return prediction
    return prediction[step_mask(lengths, prediction.shape[1])]


def gradients(head: Head, prediction: Tensor) -> list[Tensor]:
    wanted = [p for p in head.parameters() if p.requires_grad]
    found = torch.autograd.grad(prediction.square().sum(), wanted, retain_graph=True, allow_unused=True)
    return [torch.zeros_like(p) if g is None else g for p, g in zip(wanted, found, strict=True)]


def test_discovery_finds_the_heads() -> None:
    assert {"one_to_one", "one_to_many", "many_to_one", "many_to_many", "encoder_decoder", "ctc"} <= set(names("head"))
    assert len(find_cases()) >= 1 + 1 + 4 + 4 + 12


@every_head
def test_row_law(case: Case) -> None:
    head, (features, lengths), teacher = case.head(), case.features(), case.teacher()
    prediction = head(features, lengths, teacher)
    order = torch.tensor([2, 0, 3, 1])
    close(head(features[order], lengths[order], None if teacher is None else teacher[order]), prediction[order])
    for row in range(ROWS):
        rows = slice(row, row + 1)
        close(head(features[rows], lengths[rows], None if teacher is None else teacher[rows]), prediction[rows])


@every_head
def test_no_row_sees_its_neighbours(case: Case) -> None:
    head, (features, lengths), teacher = case.head(), case.features(), case.teacher()
    features.requires_grad_()
    prediction = head(features, lengths, teacher)
    gradient = torch.autograd.grad(prediction[1].square().sum(), features)[0]
    assert gradient[1].abs().sum() > 0
    assert gradient[[0, 2, 3]].abs().sum() == 0


@every_head
@pytest.mark.parametrize("number", [torch.nan, torch.inf, -torch.inf, 1.7e308])
def test_no_row_is_changed_by_its_neighbours_numbers(case: Case, number: float) -> None:
    head, (features, lengths), teacher = case.head(), case.features(), case.teacher()
    others, found = [1, 2, 3], []
    for wild in (features, features.index_fill(0, torch.tensor([0]), number)):
        wild.requires_grad_()
        prediction = head(wild, lengths, teacher)
        gradient = torch.autograd.grad(prediction.sum(), wild)[0]
        found.append((prediction[others], gradient[others]))
    close(found[1], found[0], rtol=0, atol=0)


@every_head
@pytest.mark.parametrize("number", [torch.nan, torch.inf, -torch.inf, 1.7e308, 5e-324])
def test_padding_law(case: Case, number: float) -> None:
    head, (features, lengths), teacher = case.head(), case.features(), case.teacher()
    clean = used(case, head(features, lengths, teacher), lengths)
    garbage = features.masked_fill(~step_mask(lengths, features.shape[1]).unsqueeze(-1), number)
    dirty = used(case, head(garbage.requires_grad_(), lengths, teacher), lengths)
    close(dirty, clean, rtol=0, atol=0)
    for one, other in zip(gradients(head, dirty), gradients(head, clean), strict=True):
        close(one, other)
    assert torch.autograd.grad(dirty.square().sum(), garbage)[0].isfinite().all()


@every_head
def test_lengths_of_all_steps_change_nothing(case: Case) -> None:
    head, (features, _), teacher = case.head(), case.features(), case.teacher()
    full = torch.full((ROWS,), features.shape[1])
    close(head(features, full, teacher), head(features, None, teacher), rtol=0, atol=0)


@every_head
def test_gradcheck(case: Case) -> None:
    head, (features, lengths), teacher = case.head(), case.features(), case.teacher()
    parameters = list(head.parameters())
    assert torch.autograd.gradcheck(
        lambda x, *_: head(x, lengths, teacher), (features.requires_grad_(), *parameters), fast_mode=True
    )


@every_head
@pytest.mark.filterwarnings("ignore")
def test_bfloat16_autocast_is_finite(case: Case) -> None:
    head, (features, lengths), teacher = case.head().float(), case.features(), case.teacher()
    teacher = teacher.float() if teacher is not None and teacher.is_floating_point() else teacher
    with torch.autocast("cpu", torch.bfloat16):
        prediction = head(features.float(), lengths, teacher)
        prediction.float().square().sum().backward()
    assert prediction.isfinite().all()
    close(prediction.float(), head(features.float(), lengths, teacher), atol=0.05, rtol=0.05)


@step_heads
def test_causal_law(case: Case) -> None:
    head, (features, _) = case.head(), case.features()
    before = head(features)
    features[:, 3:] += 1
    after = head(features)
    close(after[:, :3], before[:, :3], rtol=0, atol=0)
    assert not torch.allclose(after[:, 3:], before[:, 3:])


@decoders
def test_causal_law_of_the_teacher(case: Case) -> None:
    head, (features, lengths), teacher = case.head(), case.features(), case.teacher()
    assert teacher is not None
    before = head(features, lengths, teacher)
    changed = teacher.clone()
    changed[:, 1] = (teacher[:, 1] + 1) % OUTPUTS if case.tokens else teacher[:, 1] + 1
    after = head(features, lengths, changed)
    close(after[:, :2], before[:, :2], rtol=0, atol=0)
    assert (after[:, 2:] != before[:, 2:]).flatten(2).any(2).all()


@decoders
def test_padding_law_of_the_teacher(case: Case) -> None:
    head, (features, lengths), teacher = case.head(), case.features(), case.teacher()
    assert teacher is not None
    real = step_mask(torch.tensor([4, 2, 1, 3]), TARGET_STEPS)
    clean = head(features, lengths, teacher)[real]
    for garbage in (-100, 10**9) if case.tokens else (torch.nan, torch.inf):
        dirty_teacher = teacher.clone()
        dirty_teacher[~real] = garbage
        dirty = head(features, lengths, dirty_teacher)[real]
        close(dirty, clean, rtol=0, atol=0)
        for one, other in zip(gradients(head, dirty), gradients(head, clean), strict=True):
            close(one, other)


@decoders
def test_teacher_probabilities_one_and_zero_are_forced_and_free(case: Case) -> None:
    head, (features, lengths), teacher = case.head(), case.features(), case.teacher()
    assert teacher is not None
    forced = head(features, lengths, teacher)
    head.teacher_forcing = 1 - 1e-12  # every coin falls for the teacher, but step by step
    close(head(features, lengths, teacher), forced)
    free = head(features, lengths)
    head.teacher_forcing = 1e-12  # every coin falls for the head's own
    close(head(features, lengths, teacher), free)
    head.teacher_forcing = 0.0
    close(head(features, lengths, teacher), free, rtol=0, atol=0)
    assert not torch.allclose(free, forced)


@decoders
def test_free_output_fed_back_as_teacher_reproduces_itself(case: Case) -> None:
    head, (features, lengths) = case.head(), case.features()
    free = head(features, lengths)
    fed_back = head.items.own(free)
    close(head(features, lengths, fed_back), free)


@decoders
def test_generate_is_the_free_output(case: Case) -> None:
    head, (features, lengths) = case.head().eval(), case.features()
    free = head(features, lengths)
    if not case.tokens:
        made = head.generate(features, lengths)  # ends where the head says so
        close(made, head.items.own(free)[:, : made.shape[1]], rtol=0, atol=0)
        return
    tokens, ends = head.generate(features, lengths)
    real = step_mask(ends, tokens.shape[1])
    assert torch.equal(tokens[real], free.argmax(-1)[:, : tokens.shape[1]][real])
    assert (tokens[~real] == STOP).all()


@decoders
def test_all_of_a_decoder_is_used(case: Case) -> None:
    head, (features, lengths), teacher = case.head(), case.features(), case.teacher()
    head(features, lengths, teacher).square().sum().backward()
    for name, parameter in head.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


@token_decoders
def test_a_beam_of_one_is_greedy(case: Case) -> None:
    head, features, lengths = searched(case)
    greedy = head.generate(features, lengths)
    for penalty in (0.0, 1.0):
        found = head.beam(features, lengths, beam=1, length_penalty=penalty)
        assert torch.equal(found.tokens, greedy[0])
        assert torch.equal(found.lengths, greedy[1])


@token_decoders
def test_a_beam_scores_what_the_teacher_would(case: Case) -> None:
    head, features, lengths = searched(case)
    found = head.beam(features, lengths, beam=4, length_penalty=0.6)
    logits = head(features, lengths, found.tokens).log_softmax(-1)
    scores = logits.gather(-1, found.tokens.unsqueeze(-1)).squeeze(-1)
    close((scores * step_mask(found.lengths, scores.shape[1])).sum(1), found.log_probability)


@token_decoders
def test_a_wide_beam_finds_the_likeliest_of_all_sequences(case: Case) -> None:
    head, features, lengths = searched(case)
    found = head.beam(features, lengths, max_steps=3, beam=OUTPUTS**3)
    every = torch.tensor(list(itertools.product(range(OUTPUTS), repeat=3)))
    for row in range(len(features)):
        rows = torch.full((len(every),), row)
        scores = head(features[rows], lengths[rows], every).log_softmax(-1).gather(-1, every.unsqueeze(-1)).squeeze(-1)
        stopped = every == STOP
        real = step_mask(torch.where(stopped.any(1), stopped.int().argmax(1) + 1, 3), 3)
        close(found.log_probability[row], (scores * real).sum(1).max())


@token_decoders
def test_rows_are_searched_alone(case: Case) -> None:
    head, features, lengths = searched(case)
    found = head.beam(features, lengths, beam=3)
    for row in range(len(features)):
        alone = head.beam(features[row : row + 1], lengths[row : row + 1], beam=3)
        width = int(alone.lengths)
        assert int(found.lengths[row]) == width
        assert torch.equal(found.tokens[row, :width], alone.tokens[0])
        close(found.log_probability[row], alone.log_probability[0])


@token_decoders
def test_equal_seeds_give_equal_samples(case: Case) -> None:
    head, (features, lengths) = case.head().eval(), case.features()

    def sample(seed: int) -> list[list[int]]:
        generator = torch.Generator().manual_seed(seed)
        return head.generate(features, lengths, 20, temperature=1.0, top_p=0.95, generator=generator)[0].tolist()

    assert sample(5) == sample(5)
    assert len({str(sample(seed)) for seed in range(5)}) > 1


@every_head
@pytest.mark.parametrize(
    ("features", "lengths", "said"),
    [
        (torch.zeros(2, FEATURES), None, r"features must be \(batch, steps, 3\).*got \(2, 3\)"),
        (torch.zeros(2, 1, FEATURES + 1), None, r"features must be \(batch, steps, 3\).*input_size=3"),
        (torch.zeros(2, 0, FEATURES), None, "at least one of each"),
        (torch.zeros(2, 1, FEATURES), torch.tensor([1]), r"lengths .* shape \(2,\)"),
        (torch.zeros(2, 1, FEATURES), torch.tensor([1.0, 1.0]), "lengths must be .* whole numbers"),
        (torch.zeros(2, 1, FEATURES), torch.tensor([1, 2]), "lengths must be from 0 to 1"),
        (torch.zeros(2, 1, FEATURES), torch.tensor([-1, 1]), "lengths must be from 0 to 1"),
    ],
)
def test_refusal_of_features_and_lengths(case: Case, features: Tensor, lengths: Tensor | None, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        case.head()(features.double(), lengths)


@every_head
def test_refusal_of_a_wrong_teacher(case: Case) -> None:
    head, (features, lengths), teacher = case.head(), case.features(), case.teacher()
    if teacher is None:
        with pytest.raises(ValueError, match="teacher is only for heads that feed on their own output"):
            head(features, lengths, torch.zeros(ROWS, 2))
        return
    wrong_kind = teacher.double() if case.tokens else teacher.long()
    for wrong in (wrong_kind, teacher[:2], teacher[:, :0], teacher[0]):
        with pytest.raises(ValueError, match="teacher must be " + ("tokens" if case.tokens else "values")):
            head(features, lengths, wrong)


@pytest.mark.parametrize("name", names("head"))
@pytest.mark.parametrize("size", [0, -1, 2.5, True])
def test_refusal_of_sizes(name: str, size: Any) -> None:
    with pytest.raises(ValueError, match="input_size must be a whole number of at least 1"):
        make("head", name, size, OUTPUTS)
    with pytest.raises(ValueError, match="output_size must be a whole number of at least 1"):
        make("head", name, FEATURES, size)


@pytest.mark.parametrize("name", names("head"))
def test_refusal_of_dropout(name: str) -> None:
    with pytest.raises(ValueError, match=r"dropout must be a number of at least 0 and below 1, got 1\.5"):
        make("head", name, FEATURES, OUTPUTS, dropout=1.5)
