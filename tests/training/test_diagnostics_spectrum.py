"""Spectral radii against eigenvalues."""

import math

import pytest
import torch

from seqmodels.cells import ElmanCell, FeedforwardCell, GRUCell, LSTMCell
from seqmodels.training.diagnostics.spectrum import recurrent_blocks, spectral_radii, spectral_radius
from tests.training.diagnostics_parts import model_for


def by_eigenvalues(matrix: torch.Tensor) -> float:
    return float(torch.linalg.eigvals(matrix.detach().double()).abs().max())


@pytest.mark.parametrize("size", [1, 2, 3, 16, 64])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 50.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_random_matrices(size, scale, dtype):
    matrices = scale * torch.randn(3, size, size, dtype=dtype)
    found = spectral_radius(matrices)
    assert found.dtype == dtype
    for matrix, radius in zip(matrices, found, strict=True):
        assert float(radius) == pytest.approx(by_eigenvalues(matrix), rel=2e-3)


def test_matrices_that_power_iteration_gets_wrong():
    turn = 1.5 * torch.tensor([[math.cos(1), -math.sin(1)], [math.sin(1), math.cos(1)]])
    assert float(spectral_radius(turn)) == pytest.approx(1.5, rel=1e-3)
    assert float(spectral_radius(0.7 * torch.eye(9))) == pytest.approx(0.7, rel=1e-3)
    assert float(spectral_radius(torch.diag(torch.tensor([1.0, -1.0])))) == pytest.approx(1, rel=1e-3)
    assert float(spectral_radius(torch.tensor([[0.5, 100.0], [0.0, 0.5]]))) == pytest.approx(0.5, rel=2e-3)
    assert float(spectral_radius(torch.zeros(4, 4))) == 0
    assert float(spectral_radius(torch.tensor([[0.0, 1.0], [0.0, 0.0]]))) == 0


def test_half_precision_weights():
    matrix = torch.randn(8, 8).bfloat16()
    assert float(spectral_radius(matrix)) == pytest.approx(by_eigenvalues(matrix), rel=2e-3)


@pytest.mark.parametrize("cell", [LSTMCell(3, 6), LSTMCell(3, 6, coupled=True), GRUCell(3, 6), ElmanCell(3, 6)])
def test_blocks_are_the_gates_rows(cell):
    blocks = recurrent_blocks(cell)
    assert tuple(blocks) == cell.gates
    assert torch.equal(torch.cat(list(blocks.values())), cell.weight_hh)


def test_a_projection_is_part_of_the_matrix():
    cell = LSTMCell(3, 6, proj_size=2)
    torch.testing.assert_close(recurrent_blocks(cell)["f"], cell.weight_hh[6:12] @ cell.weight_hr)


def test_cells_without_recurrent_weights_are_left_out():
    assert recurrent_blocks(FeedforwardCell(3, 6)) == {}


def test_every_layer_of_a_model():
    model, _, _ = model_for("encoder_decoder", "bidirectional")
    found = spectral_radii(model)
    assert list(found) == ["layer0", "layer0_reverse", "layer1", "layer1_reverse", "decoder0"]
    cell = model.layers.layers[0].backward_layer.cell
    assert found["layer0_reverse"]["z"] == pytest.approx(by_eigenvalues(cell.weight_hh[8:16]), rel=2e-3)
