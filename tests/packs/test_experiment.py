"""The page of a pack in a browser: it shows every frame without the internet, and says what is missing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import interpzoo
from interpzoo.demo.serve import address
from interpzoo.packs.texts import JSPSYCH, JSPSYCH_FILES
from tests.browsing import Page, serving
from tests.tiny import random_images, tiny_model

pytestmark = pytest.mark.slow  # a browser


@pytest.fixture
def pack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pack of two paths of three frames."""
    monkeypatch.chdir(tmp_path)
    model = tiny_model()
    model.save_pretrained("model")
    for number, picture in enumerate(random_images(4, model.config.image)):
        interpzoo.save_image(f"{number}.png", picture)
    return interpzoo.stimuli("./model", [("0.png", "1.png"), ("2.png", "3.png")], "pack", steps=3).parent


@pytest.fixture
def home(pack: Path) -> Iterator[str]:
    """The address of a server of the pack."""
    with serving(pack) as served:
        yield address(served)


def test_every_frame_is_shown_without_the_internet(browser: Any, home: str) -> None:
    page = Page(browser, home)
    page.tab.goto(f"{home}experiment.html?seconds=0.05")
    page["pre"].wait_for()
    header, *rows = page["pre"].inner_text().strip().splitlines()
    assert [*header.replace('"', "").split(",")].count("stimulus") == 1
    assert [row.count("frames/") for row in rows] == [1] * 6
    page.context.close()
    assert page.elsewhere == page.errors == []


def test_what_is_missing_is_said(browser: Any, home: str, pack: Path) -> None:
    page = Page(browser, f"file://{pack.resolve()}/")
    page.tab.goto(f"{page.home}experiment.html")
    page["body"].get_by_text("run python -m http.server in this folder").wait_for()
    assert {file.name for file in (pack / JSPSYCH).iterdir()} == {*JSPSYCH_FILES}
    shutil.rmtree(pack / JSPSYCH)
    page.tab.goto(f"{home}experiment.html")
    page["body"].get_by_text("jsPsych cannot be loaded: copy the whole folder").wait_for()
    page.context.close()
