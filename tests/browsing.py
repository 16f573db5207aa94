"""A server of a folder, and a page in a tab of a browser."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from interpzoo.demo.serve import server
from interpzoo.model import InterpolationModel


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
