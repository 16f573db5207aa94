"""Small models that the tests of the core share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from interpzoo.model import InterpolationModel
from tests.tiny import tiny_model


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    """Results that are compared bit for bit come from the same number of threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def model() -> InterpolationModel:
    """A deterministic model of 1x16x16 images with codes of (2, 4, 4)."""
    return tiny_model()
