"""The models `pixels` and `metamorphosis` on pictures of their own size."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

import interpzoo
from interpzoo.errors import ImageError
from interpzoo.model import InterpolationModel
from interpzoo.pictures import save_image
from tests.metamorphosis.test_morph import texture


@pytest.fixture(scope="module")
def metamorphosis() -> InterpolationModel:
    return interpzoo.load("metamorphosis")


@pytest.fixture(scope="module")
def pixels() -> InterpolationModel:
    return interpzoo.load("pixels")


def test_pixels_fade_at_the_pictures_own_size(pixels: InterpolationModel) -> None:
    a, b = texture(2, 20, 33, 3)
    frames = pixels.interpolate(a, b, 3)
    torch.testing.assert_close(frames, torch.stack([a, (a + b) / 2, b]))


def test_every_path_without_a_search_takes_pictures(pixels: InterpolationModel) -> None:
    a, b = texture(2, 6, 9, 3)
    for path in ("slerp", "mixup", "bernoulli", "geodesic", "metamorphosis"):
        frames = pixels.interpolate(a, b, 3, interpolator=path)
        assert torch.equal(frames[0], a)
        assert torch.equal(frames[2], b)
        assert bool(frames.isfinite().all())


def test_a_photo_on_its_side_is_morphed_upright(metamorphosis: InterpolationModel, tmp_path: Path) -> None:
    a, b = texture(2, 24, 40, 3)
    save_image(tmp_path / "b.png", b)
    sideways = Image.fromarray(a.mul(255).byte().movedim(0, -1).numpy()).transpose(Image.Transpose.ROTATE_90)
    exif = sideways.getexif()
    exif[0x0112] = 6
    sideways.save(tmp_path / "a.png", exif=exif)
    frames = metamorphosis.interpolate(tmp_path / "a.png", tmp_path / "b.png", 3)
    assert frames.shape == (3, 3, 24, 40)
    torch.testing.assert_close(frames[0], a, atol=1 / 255, rtol=0)
    torch.testing.assert_close(frames[2], b, atol=1 / 255, rtol=0)


def test_two_sizes_and_two_kinds_of_channels_are_brought_together(metamorphosis: InterpolationModel) -> None:
    color, gray = texture(1, 24, 40, 3), texture(1, 50, 30, 1)
    assert metamorphosis.interpolate(color, gray, 3).shape == (1, 3, 3, 24, 40)
    assert metamorphosis.interpolate(gray, color, 3).shape == (1, 3, 3, 50, 30)


def test_a_single_pixel_a_constant_and_a_picture_with_itself(metamorphosis: InterpolationModel) -> None:
    dot = torch.full((3, 1, 1), 0.25)
    torch.testing.assert_close(metamorphosis.interpolate(dot, 1 - dot, 3)[1], torch.full((3, 1, 1), 0.5))
    flat = torch.full((3, 30, 20), 0.25)
    torch.testing.assert_close(metamorphosis.interpolate(flat, 1 - flat, 3)[1], torch.full((3, 30, 20), 0.5))
    a = texture(1, 40, 40, 3)[0]
    assert (metamorphosis.interpolate(a, a, 3) - a).abs().max() < 0.01


def test_pictures_that_are_not_finite_are_refused(metamorphosis: InterpolationModel) -> None:
    with pytest.raises(ImageError, match="they are not finite"):
        metamorphosis.interpolate(torch.full((3, 8, 8), torch.nan), torch.zeros(3, 8, 8))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_huge_picture_is_reduced_and_a_huge_file_refused(pixels: InterpolationModel, tmp_path: Path) -> None:
    """10,000 x 10,000: as a tensor reduced, as a JPEG reduced while it is read, as a PNG refused before it is read."""
    huge: Tensor = torch.zeros(3, 1, 1).expand(3, 10_000, 10_000)
    assert pixels.encode(huge).shape == (1, 3, 2048, 2048)
    for height, width, name in ((10_000, 10_000, "huge.png"), (10_000, 10_000, "huge.jpg"), (3000, 4000, "phone.jpg")):
        Image.new("L", (width, height)).save(tmp_path / name)
    assert pixels.encode(tmp_path / "huge.jpg").shape == (1, 3, 2048, 2048)
    assert pixels.encode(tmp_path / "phone.jpg").shape == (1, 3, 1536, 2048)
    with pytest.raises(ImageError, match=r"10000x10000 pixels would take \d+ MiB in memory, expected at most 256 MiB"):
        pixels.encode(tmp_path / "huge.png")
