"""A page with two models of digits and one of colors, and a browser that opens it."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import interpzoo
from interpzoo.config import Component, Framing
from interpzoo.demo import write_demo
from interpzoo.demo.serve import address, server
from interpzoo.directions import Direction
from interpzoo.fitness import FEWEST, measured
from interpzoo.model import InterpolationModel
from tests.models.conftest import register_mine as register_mine
from tests.tiny import random_images, tiny_model

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")


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
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("there is no Chromium: apt-get install chromium")
    flags = [*FLAGS, "--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else [*FLAGS]
    with sync_api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield found
        found.close()


@pytest.fixture(scope="session")
def site(folder: Path) -> Iterator[str]:
    """The address of a server of the folder."""
    with serving(folder) as served:
        yield address(served)


@contextmanager
def serving(folder: Path) -> Generator[ThreadingHTTPServer]:
    """A server of a folder, which answers while the context is open."""
    with server(folder) as served:
        thread = threading.Thread(target=served.serve_forever, daemon=True)
        thread.start()
        yield served
        served.shutdown()
        thread.join()


class Page:
    """The page in a tab of its own, which may load only what lies below `home`."""

    def __init__(self, browser: Any, home: str, **context: Any) -> None:
        self.home = home
        self.elsewhere: list[str] = []
        self.errors: list[str] = []
        self.context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **context})
        self.context.set_default_timeout(20_000)
        self.tab = self.context.new_page()
        self.tab.on("request", lambda request: self._note(request.url))
        self.tab.on("pageerror", lambda error: self.errors.append(str(error)))
        self.tab.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)

    def _note(self, url: str) -> None:
        if not url.startswith((self.home, "data:", "blob:")):
            self.elsewhere.append(url)

    def open(self) -> Page:
        self.tab.goto(f"{self.home}index.html")
        return self.settled()

    def link(self, link: str) -> Page:
        """Follow a link to another state of the page."""
        self.tab.evaluate(
            "link => { document.body.dataset.state = ''; location.hash = `${link}&r=${Math.random()}`; }", link
        )
        return self.settled()

    def settled(self) -> Page:
        """Wait until everything is computed."""
        self.tab.wait_for_selector("body[data-state=ready]")
        return self

    def __getitem__(self, selector: str) -> Any:
        return self.tab.locator(selector)

    def click(self, selector: str) -> Page:
        self[selector].first.click()
        return self.settled()

    def go(self, place: float) -> Page:
        self["#place"].fill(str(place))
        return self.settled()

    def pixels(self, selector: str, channels: int = 1) -> Tensor:
        """What a canvas shows, (C, H, W) in [0, 1]."""
        found = self[selector].first.evaluate(
            "c => [c.width, c.height, [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]]"
        )
        width, height, values = found
        planes = np.array(values, np.float32).reshape(height, width, 4)[..., :channels] / 255
        return torch.from_numpy(planes).movedim(-1, 0)

    def frame(self, model: InterpolationModel) -> Tensor:
        return self.pixels(f"[data-model={model.name}] .frame", model.config.image.channels)

    def strip(self, model: InterpolationModel) -> Tensor:
        """The frames of a model's strip, (T, C, H, W)."""
        width = model.config.image.width
        found = self.pixels(f"[data-model={model.name}] .strip", model.config.image.channels)
        return torch.stack([found[:, :, x : x + width] for x in range(0, found.shape[2], width + 2)])


@pytest.fixture(scope="session")
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
