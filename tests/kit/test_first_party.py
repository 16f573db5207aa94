"""The first-party plugins pass the checks that are shipped for all plugins."""

from __future__ import annotations

from importlib.metadata import entry_points

import pytest
from huggingface_hub import constants

from interpzoo.data import images
from interpzoo.testing import conformance

NARROW = ("encoder.width=2", "decoder.width=2")
"""Fewer weights, so that the checks are fast."""
CHANGES = {
    "timm": ("decoder.width=2",),
    # Fulfilled from the first step, so that what waits for it is trained.
    "fmvae": (*NARROW, "regularizer.constraint.kappa=1000"),
}
SLOW = "interpolator riemannian:geodesic-paper: path"


@pytest.fixture(autouse=True)
def few_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """Missing data is not looked for on the Hub, and of local data only the images that are asked for are decoded."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(images, "MEMORY", 0)


PLUGINS = sorted(entry.name for entry in entry_points(group="interpzoo") if entry.dist.name == "interpzoo")


@pytest.mark.usefixtures("torchvision_shim")
@pytest.mark.parametrize("plugin", PLUGINS)
def test_a_plugin_conforms(plugin: str) -> None:
    problems: list[str] = []
    for check in conformance(plugin, CHANGES.get(plugin, NARROW)):
        if str(check) != SLOW:
            try:
                check()
            except Exception as error:
                problems.append(f"{check}: {type(error).__name__}: {error}")
    assert not problems


@pytest.mark.slow
def test_the_geodesic_of_the_paper_conforms() -> None:
    (check,) = [check for check in conformance("riemannian") if str(check) == SLOW]
    check()
