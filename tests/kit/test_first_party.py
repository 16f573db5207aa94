"""The first-party plugins pass the checks that are shipped for all plugins."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points

import pytest
from huggingface_hub import constants

from interpzoo.testing import ConformanceError, conformance

NARROW = ("encoder.width=2", "decoder.width=2")
"""Fewer weights, so that the checks are fast."""
CHANGES = {
    "timm": ("decoder.width=2",),
    "metamorphosis": (
        *("image.height=32", "image.width=32", "regularizer.rounds=1"),
        *("encoder.shapes=3", "decoder.shapes=3", "encoder.looks=3"),
    ),
    # Fulfilled from the first step, so that what waits for it is trained.
    "fmvae": (*NARROW, "regularizer.constraint.kappa=1000"),
}
SLOW = "interpolator riemannian:geodesic-paper: path"
ELSEWHERE = "a new process"


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Missing data is not looked for on the Hub."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


PLUGINS = sorted(e.name for e in entry_points(group="interpzoo") if e.dist is not None and e.dist.name == "interpzoo")


def problems(plugin: str, checks: Callable[[str], bool]) -> list[str]:
    """What those checks of a plugin say whose names `checks` accepts."""
    said: list[str] = []
    for check in conformance(plugin, CHANGES.get(plugin, NARROW)):
        if checks(str(check)):
            try:
                check()
            except ConformanceError as error:
                said.append(f"{check}: {error}")
    return said


LARGE = ("skipvae", "timm", "diffusers", "tae", "metamorphosis")
"""A PixelCNN, a backbone and images of 256 pixels cannot be made small; diffusers and fits take seconds."""


@pytest.mark.usefixtures("torchvision_shim")
@pytest.mark.parametrize("plugin", [pytest.param(p, marks=pytest.mark.slow if p in LARGE else ()) for p in PLUGINS])
def test_a_plugin_conforms(plugin: str) -> None:
    # Every bundled model is loaded and verified by the tests of the zoo.
    assert not problems(plugin, lambda name: name not in (SLOW, ELSEWHERE) and not name.startswith("model "))


@pytest.mark.slow
@pytest.mark.parametrize("plugin", PLUGINS)
def test_a_plugin_conforms_in_a_new_process(plugin: str) -> None:
    assert not problems(plugin, lambda name: name == ELSEWHERE)


@pytest.mark.slow
def test_the_geodesic_of_the_paper_conforms() -> None:
    (check,) = [check for check in conformance("riemannian") if str(check) == SLOW]
    check()
