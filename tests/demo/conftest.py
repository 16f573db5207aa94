"""A page with two models of digits and one of colors, as a folder, on a server and in a browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import interpzoo
from interpzoo.config import Component, Framing
from interpzoo.demo import write_demo
from interpzoo.demo.serve import address
from interpzoo.directions import Direction
from interpzoo.fitness import FEWEST, measured
from interpzoo.model import InterpolationModel
from tests.browsing import Page, serving
from tests.models.conftest import register_mine as register_mine
from tests.tiny import random_images, tiny_model


@pytest.fixture(scope="session")
def digits() -> InterpolationModel:
    return interpzoo.load("acai-mnist")


@pytest.fixture(scope="session")
def colors() -> InterpolationModel:
    """A model of 16x16 pixels whose faces have their eyes at a fixed place, with a direction and a path of its own."""
    model = tiny_model("vae", channels=3)
    own = {"framing": Framing(eyes=((0.25, 0.5), (0.75, 0.5))), "interpolator": Component(name="metamorphosis")}
    model.config = model.config.model_copy(update=own)
    images, others = random_images(2 * FEWEST, model.config.image).mul(0.3).split(FEWEST)
    model.fitness = measured(images, model.reconstruct(images), others, model.reconstruct(others))
    model.examples = model.encode(random_images(4, model.config.image)).detach()
    model.directions["smile"] = Direction("smile", torch.linspace(-1, 1, 32).reshape(model.latent_shape))
    return model


@pytest.fixture(scope="session")
def folder(digits: InterpolationModel, colors: InterpolationModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("onnxscript")
    with pytest.warns(UserWarning, match="a straight line or a great circle for .*: the model's own path"):
        return write_demo([digits, "ae-mnist", colors], tmp_path_factory.mktemp("demo") / "page")


@pytest.fixture(scope="session")
def site(folder: Path) -> Iterator[str]:
    """The address of a server of the folder."""
    with serving(folder) as served:
        yield address(served)


@pytest.fixture(scope="module")
def opened(browser: Any, folder: Path) -> Iterator[Page]:
    """The page, opened from the disk once for all tests."""
    found = Page(browser, f"file://{folder}/").open()
    yield found
    found.context.close()


@pytest.fixture
def page(opened: Page) -> Iterator[Page]:
    """The page as on a first visit."""
    opened.link("")
    opened.tab.evaluate("document.activeElement.blur()")
    yield opened
    assert opened.elsewhere == []
    assert opened.errors == []


def picture(page: Page, n: int, model: InterpolationModel) -> Tensor:
    """The example number `n`, as the page shows it."""
    return page.pixels(f"#examples button:nth-child({n + 1}) canvas", model.config.image.channels)
