"""A Hub for each test, and this process's client kept to it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

from tests.hubserver import Hub


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """A fresh Hub, to be named to the client (``endpoint=hub.endpoint``) in each call."""
    # With Xet the client uploads by a protocol of its own, and telemetry asks the real Hub, whatever the endpoint.
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", True)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    # The client's own way to upload a large file, of which its HTTP library disapproves.
    warnings.filterwarnings("ignore", "Use 'content=", DeprecationWarning)
    with Hub() as hub:
        yield hub
