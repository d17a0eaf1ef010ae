"""What a scan refuses, which engine it picks, and which roads are taken to be fast."""

import logging
from typing import Any

import pytest
import torch

from seqmodels.cells import ElmanCell, FeedforwardCell, GRUCell, LSTMCell, LSTMState
from seqmodels.layers import Recurrent
from seqmodels.scan import choose, dispatch, engines_for, scan
from seqmodels.scan.derivative import FusedCall, differentiable_again

X = torch.zeros(2, 7, 3)
STATE = LSTMState(torch.zeros(2, 5), torch.zeros(2, 5))

REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"inputs": [1.0]}, r"inputs must be a tensor \(batch, steps, 3\), got list"),
    ({"inputs": torch.zeros(2, 7, dtype=torch.long)}, "inputs must be floating point, got torch.int64: embed tokens"),
    ({"inputs": torch.zeros(7, 3)}, r"inputs must be \(batch, steps, 3\), got \(7, 3\)"),
    ({"inputs": torch.zeros(2, 7, 4)}, "built with input_size=3"),
    ({"inputs": torch.zeros(2, 0, 3)}, "inputs must hold at least one step"),
    ({"inputs": X.double()}, r"inputs must have the dtype of the weights, torch.float32, got torch.float64: .*\.to\("),
    ({"state": torch.zeros(2, 5)}, r"state must be LSTMState\(h: \(2, 5\), c: \(2, 5\)\), got \(2, 5\)"),
    ({"state": tuple(STATE)}, r"state must be LSTMState"),
    ({"state": LSTMState(torch.zeros(3, 5), torch.zeros(3, 5))}, r"state must be .*\(2, 5\).* got .*\(3, 5\)"),
    ({"state": LSTMState(STATE.h, STATE.c.double())}, "state must have the dtype of inputs"),
    ({"lengths": [7, 7]}, r"lengths must be a tensor of whole numbers \(int64\) of shape \(2,\), got list"),
    ({"lengths": torch.tensor([7.0, 7.0])}, "lengths must be .* got torch.float32"),
    ({"lengths": torch.tensor([7])}, r"lengths must be .* of shape \(2,\), got torch.int64 \(1,\)"),
    ({"lengths": torch.tensor([8, 7])}, r"lengths must be from 0 to 7 \(the steps in inputs\), got \[8, 7\]"),
    ({"lengths": torch.tensor([-1, 7])}, "lengths must be from 0 to 7"),
    ({"reset": torch.zeros(2)}, r"reset must be a bool tensor of shape \(2,\) or \(2, 7\), got torch.float32"),
    ({"reset": torch.zeros(7, 2, dtype=torch.bool)}, "reset must be a bool tensor"),
    (
        {"reset": torch.zeros(2, 7, dtype=torch.bool), "reverse": True},
        r"reset must be \(2,\) for a layer that runs back",
    ),
    ({"engine": "cuda"}, "engine must be one of auto, stateless, .*reference; got 'cuda'"),
    ({"engine": "stateless"}, "engine='stateless' cannot run this: LSTMCell has a state; use engine='auto'"),
    ({"engine": "vendor", "reset": torch.ones(2, 7, dtype=torch.bool)}, "cannot reset rows inside a window"),
]


@pytest.mark.parametrize(("change", "message"), REFUSED)
def test_refusal(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        scan(**{"cell": LSTMCell(3, 5), "inputs": X, **change})


def test_choice_and_reason() -> None:
    assert choose(LSTMCell(3, 5)) == ("fused", "its step is compiled into code of its own")
    assert choose(GRUCell(3, 5, reset_gate="before"))[0] == "reference"
    assert choose(FeedforwardCell(3, 5))[0] == "stateless"
    inside = torch.ones(2, 7, dtype=torch.bool)
    assert choose(LSTMCell(3, 5), X, inside)[0] == "fused"
    assert choose(LSTMCell(3, 5), X[:, :1]) == ("reference", "a single step is taken by the cell itself")
    assert engines_for(LSTMCell(3, 5, peephole=True)) == ["fused", "reference"]


class Looks(ElmanCell):
    def update(self, u: torch.Tensor, r: torch.Tensor, state: Any) -> Any:
        return super().update(u, r, state) if u.sum() > 0 else state


def test_a_fallback_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    dispatch._reported.clear()
    with caplog.at_level(logging.WARNING):
        scan(LSTMCell(3, 5), X)
        scan(LSTMCell(3, 5, peephole=True), X)
        assert not caplog.records
        for _ in range(2):
            scan(Looks(3, 5), X)
    (record,) = caplog.records
    words = record.getMessage()
    assert words.startswith("Looks falls back to the reference engine, which is slower: ")
    assert "test_scan.py:" in words
    assert "if u.sum() > 0" in words


def test_full_lengths_and_first_step_resets_take_the_fast_road(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    engine = dispatch.ENGINES["fused"]

    def spy(cell: Any, inputs: Any, state: Any, lengths: Any, reset: Any) -> Any:
        seen.append((lengths, reset))
        return engine.run(cell, inputs, state, lengths, reset)

    monkeypatch.setitem(dispatch.ENGINES, "fused", engine._replace(run=spy))
    first = torch.zeros(2, 7, dtype=torch.bool)
    first[0, 0] = True
    scan(LSTMCell(3, 5), X, lengths=torch.tensor([7, 7]), reset=first)
    assert seen == [(None, None)]


def test_no_rows_is_an_answer_too() -> None:
    for cell in (LSTMCell(3, 5), LSTMCell(3, 5, peephole=True), FeedforwardCell(3, 5)):
        y, _ = scan(cell, torch.zeros(0, 7, 3), lengths=torch.zeros(0, dtype=torch.long))
        assert y.shape == (0, 7, 5)


@pytest.mark.parametrize("kind", ["rnn_tanh", "gru", "lstm"])
def test_second_derivatives_past_a_kernel_that_has_none(kind: str) -> None:
    """The road that CUDA takes, on CPU: two windows in a row, so that the state depends on the weights."""
    size = {"rnn_tanh": 1, "gru": 3, "lstm": 4}[kind] * 4
    shapes = [(size, 3), (size, 4), (size,), (size,)]
    weights = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]
    x = torch.randn(2, 6, 3, dtype=torch.float64, requires_grad=True)
    zeros = [torch.zeros(1, 2, 4, dtype=torch.float64)] * (2 if kind == "lstm" else 1)
    call = FusedCall(kind, has_bias=True)
    results = []
    for wrap in (
        lambda outputs, tensors: outputs,
        lambda outputs, tensors: differentiable_again(call, outputs, tensors),
    ):
        first = (x, *zeros, *weights)
        _, *state = wrap(call(first), first)
        second = (x, *state, *weights)
        outputs = wrap(call(second), second)
        total = outputs[0].sin().sum() + outputs[-1].sum()
        plain = torch.autograd.grad(total, [x, *weights], retain_graph=True)
        gradients = torch.autograd.grad(total, [x, *weights], create_graph=True)
        again = torch.autograd.grad(sum(gradient.pow(2).sum() for gradient in gradients), [x, *weights])
        results.append([*outputs, *plain, *gradients, *again])
    torch.testing.assert_close(results[1], results[0], rtol=1e-10, atol=1e-10)
    assert torch.backends.mkldnn.enabled


def test_checkpointing_and_saved_tensor_hooks_work() -> None:
    layer = Recurrent(LSTMCell(3, 5))
    x = torch.randn(2, 7, 3, requires_grad=True)
    expected = torch.autograd.grad(layer(x)[0].sum(), [x, *layer.parameters()])
    recomputed = torch.utils.checkpoint.checkpoint(lambda x: layer(x)[0], x, use_reentrant=False)
    torch.testing.assert_close(torch.autograd.grad(recomputed.sum(), [x, *layer.parameters()]), expected)
    with torch.autograd.graph.save_on_cpu():
        y = layer(x)[0]
    torch.testing.assert_close(torch.autograd.grad(y.sum(), [x, *layer.parameters()]), expected)
