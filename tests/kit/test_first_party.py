"""The first-party plugins keep to what every plugin must, by the kit that is shipped for all."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import entry_points

import pytest
from huggingface_hub import constants

from interpzoo.testing import Check, conformance

NARROW = ("encoder.width=2", "decoder.width=2")
"""Fewer weights, so that the checks are fast."""
CHANGES = {
    "timm": ("decoder.width=2",),
    # Fulfilled from the first step, so that what waits for it is trained.
    "fmvae": (*NARROW, "regularizer.constraint.kappa=1000"),
}
SLOW = ("geodesic-paper: path",)


@pytest.fixture(autouse=True)
def unplugged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Data that is not here is not looked for on the Hub."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


def checks() -> Iterator[object]:
    for plugin in sorted(entry.name for entry in entry_points(group="interpzoo") if entry.dist.name == "interpzoo"):
        for check in conformance(plugin, CHANGES.get(plugin, NARROW)):
            slow = pytest.mark.slow if str(check).endswith(SLOW) else ()
            yield pytest.param(check, id=f"{plugin}: {check}", marks=slow)


@pytest.mark.usefixtures("torchvision_shim")
@pytest.mark.parametrize("check", [*checks()])
def test_it_conforms(check: Check) -> None:
    check()
