"""A Hub, and a process that loads from it and pushes to it; both start once for all tests of the folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.hub.warm import Warm
from tests.hubserver import Hub, environment


@pytest.fixture(scope="session")
def server() -> Iterator[Hub]:
    with Hub() as hub:
        yield hub


@pytest.fixture(scope="session")
def process(server: Hub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warm]:
    """A process that has imported torch and this package."""
    with Warm(environment(server, tmp_path_factory.mktemp("home"))) as process:
        process("import torch")
        yield process


@pytest.fixture
def hub(server: Hub) -> Hub:
    """The Hub without repositories, faults and noted requests."""
    server.heal()
    server.requests.clear()
    server.clear()
    return server
