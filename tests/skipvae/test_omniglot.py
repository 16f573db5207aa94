"""Omniglot: strokes are light, images the model's size, a tenth held out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from PIL import Image, ImageDraw
from torch import Generator

from interpzoo.build import build_component
from interpzoo.config import Component, ImageSpec
from interpzoo.data.sources import ROOT_VARIABLE
from interpzoo.interfaces import DataSet

IMAGE = ImageSpec(channels=1, height=32, width=32)


def made(root: Path | None) -> DataSet:
    return build_component(DataSet, Component(name="omniglot"), IMAGE, root)


def test_drawings_become_light_strokes_on_black(tmp_path: Path) -> None:
    """Of black and white files of 105x105: a square of 21 pixels is 6.4 pixels wide at 32x32."""
    folder = tmp_path / "omniglot_small"
    folder.mkdir()
    for i in range(20):
        image = Image.new("1", (105, 105), 1)
        ImageDraw.Draw(image).rectangle((42, 42, 62, 62), fill=0)
        image.save(folder / f"{i}.png")
    data = made(tmp_path)
    assert data.size == 18
    for batch in (data.train(torch.arange(18), Generator()), data.test()):
        images = batch["image"]
        assert images.shape[1:] == IMAGE.shape
        assert images[:, :, :8].max() == 0
        assert images[:, :, 15:17, 15:17].min() == 1
        assert images.sum((1, 2, 3)).tolist() == pytest.approx([6.4**2] * len(images), rel=0.05)
    assert len(data.test()["image"]) == 2


@pytest.mark.skipif(
    not Path(os.environ.get(ROOT_VARIABLE, "."), "omniglot_small").is_dir(), reason="there is no local omniglot_small"
)
def test_the_local_copy() -> None:
    data = made(None)
    assert data.size == 4356
    images = data.test()["image"]
    assert len(images) == 484
    assert (images.min(), images.max()) == (0, 1)
    assert 0.03 < images.mean() < 0.15
    assert images[:, :, 0].mean() < 0.02
