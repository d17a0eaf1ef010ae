"""For all tests: the same random numbers in each."""

import pytest
import torch


def pytest_configure(config: pytest.Config) -> None:
    # torch's own, once per process, and true.
    config.addinivalue_line("filterwarnings", "ignore:LSTM with projections is not supported with oneDNN")


@pytest.fixture(autouse=True)
def _same_random_numbers() -> None:
    torch.manual_seed(0)
