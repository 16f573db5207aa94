"""Models that take images of any size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from interpzoo import sizes, wrap
from interpzoo.errors import ImageError, InputError
from interpzoo.images import ImageInput
from interpzoo.model import InterpolationModel
from tests.tiny import noise, tiny_model


@pytest.fixture(scope="module")
def identity() -> InterpolationModel:
    """Codes are the images, of any size."""
    return wrap(nn.Identity(), nn.Identity(), image=(3, 8, 8), size_multiple=1).eval()


@pytest.fixture(scope="module")
def halving() -> InterpolationModel:
    """Codes have half the height and width of the images, which are multiples of 4."""
    return wrap(nn.AvgPool2d(2), nn.Upsample(scale_factor=2), image=(3, 8, 12), size_multiple=4).eval()


def test_the_first_image_says_the_size(identity: InterpolationModel, halving: InterpolationModel) -> None:
    assert identity.encode(noise(2, 3, 5, 7)).shape == (2, 3, 5, 7)
    assert torch.equal(identity.reconstruct(noise(3, 5, 7)), noise(1, 3, 5, 7))
    assert halving.encode(noise(2, 3, 16, 4)).shape == (2, 3, 8, 2)
    assert halving.reconstruct(noise(2, 3, 16, 4)).shape == (2, 3, 16, 4)
    assert halving.encode([noise(3, 16, 4), noise(3, 5, 5)]).shape == (2, 3, 8, 2)


def test_a_size_between_two_multiples_becomes_the_nearer_one(halving: InterpolationModel) -> None:
    assert halving.reconstruct(noise(1, 3, 9, 11)).shape == (1, 3, 8, 12)
    assert halving.reconstruct(noise(1, 3, 1, 1)).shape == (1, 3, 4, 4)


def test_every_call_takes_a_size(identity: InterpolationModel) -> None:
    a, b = noise(2, 3, 5, 7)
    size = (4, 6)
    assert identity.encode(a, size=size).shape == (1, 3, 4, 6)
    assert identity.reconstruct(a, size=size).shape == (1, 3, 4, 6)
    assert identity.interpolate(a, b, 3, size=size).shape == (3, 3, 4, 6)
    assert identity.morph([a, b, a], 3, size=size).shape == (5, 3, 4, 6)
    assert identity.mix([a, b], [0.5, 0.5], size=size, mixer="mixup").shape == (3, 4, 6)
    assert identity.grid(a, b, b, a, 2, 3, size=size).shape == (2, 3, 3, 4, 6)


def test_all_images_are_fitted_to_the_first(identity: InterpolationModel) -> None:
    a, b = noise(3, 6, 4), noise(3, 10, 10)
    frames = identity.interpolate(a, b, 3)
    assert torch.equal(frames[0], a)
    assert torch.equal(frames[2], identity.encode(b, size=(6, 4))[0])
    assert identity.grid(a, b, b, b, 2, 2).shape == (2, 2, 3, 6, 4)
    assert identity.mix([a, b], [0.0, 1.0], mixer="mixup").shape == a.shape


def test_codes_say_the_size_of_their_images(halving: InterpolationModel) -> None:
    assert halving.decode(noise(2, 3, 6, 2)).shape == (2, 3, 12, 4)
    for codes in (noise(1, 3, 3, 2), noise(1, 2, 4, 4), noise(1, 3, 4), noise(1, 3, 0, 2), torch.tensor(1.0)):
        with pytest.raises(InputError, match=r"codes (have shape|of 3x2: size = 6x4: expected multiples of 4)"):
            halving.decode(codes)
    with pytest.raises(InputError, match="cannot be paired"):
        halving.solve(noise(1, 3, 2, 2), noise(1, 3, 4, 2), [0.5])


@pytest.mark.parametrize(
    ("images", "size"),
    [
        (np.zeros((5, 7, 3), np.uint8), (5, 7)),
        (np.zeros((2, 5, 7, 3), np.uint8), (5, 7)),
        (np.zeros((3, 5, 7), np.float32), (5, 7)),
        (np.zeros((3, 1, 1), np.float32), (1, 1)),
        (np.zeros((5, 7), np.uint8), (5, 7)),
        (Image.new("L", (7, 5)), (5, 7)),
        ([[Image.new("RGB", (7, 5))], noise(3, 9, 9)], (5, 7)),
    ],
)
def test_the_size_of_every_kind_of_image(identity: InterpolationModel, images: ImageInput, size: sizes.Size) -> None:
    assert identity.encode(images).shape[-2:] == size


def test_a_photo_is_upright_before_its_size_counts(identity: InterpolationModel, tmp_path: Path) -> None:
    photo = Image.new("RGB", (8, 4), "red")
    exif = photo.getexif()
    exif[0x0112] = 6
    photo.save(tmp_path / "sideways.jpg", exif=exif)
    assert identity.encode(tmp_path / "sideways.jpg").shape == (1, 3, 8, 4)


def test_large_images_are_reduced_in_proportion(identity: InterpolationModel, halving: InterpolationModel) -> None:
    assert identity.encode(torch.zeros(3, 10, 4096)).shape == (1, 3, 5, 2048)
    assert identity.encode(torch.zeros(3, 1, 5000)).shape == (1, 3, 1, 2048)
    assert halving.encode(torch.zeros(3, 3000, 6)).shape == (1, 3, 1024, 2)


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ((3, 4), "size = 3x4: expected multiples of 4"),
        ((4,), r"size = \(4,\): expected \(height, width\) in pixels"),
        (8, r"size = 8: expected \(height, width\)"),
        ("88", r"size = '88': expected \(height, width\)"),
        ((4, 2052), "width of size = 2052: expected a whole number from 1 to 2,048"),
        ((0, 4), "height of size = 0"),
        ((4.0, 4), "height of size = 4.0"),
    ],
)
def test_a_size_that_is_not_taken_is_refused(halving: InterpolationModel, size: tuple[int, int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        halving.interpolate(noise(3, 8, 8), noise(3, 8, 8), size=size)


def test_the_frames_of_one_call_are_limited(identity: InterpolationModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sizes, "MOST_VALUES", 3 * 10 * 10 * 4)
    a = noise(3, 10, 10)
    assert len(identity.interpolate(a, a, 4)) == 4
    with pytest.raises(InputError, match="5 frames of 3x10x10 have 1,500 values, expected at most 1,200"):
        identity.interpolate(a, a, 5)
    fixed = tiny_model()
    assert len(fixed.interpolate(torch.zeros(1, 16, 16), torch.zeros(1, 16, 16), 20)) == 20


def test_a_model_of_one_size_takes_no_other() -> None:
    model = tiny_model()
    a = torch.zeros(1, 16, 16)
    assert torch.equal(model.encode(a, size=(16, 16)), model.encode(a))
    with pytest.raises(InputError, match="size = 8x16: expected 16x16, the only size that this model takes"):
        model.encode(a, size=(8, 16))


def test_images_without_a_size_are_refused(identity: InterpolationModel) -> None:
    endless: list[ImageInput] = []
    endless.append(endless)  # pyright: ignore[reportArgumentType]
    for images in (torch.zeros(3), torch.zeros(3, 0, 4), [], 7, b"a", endless):
        with pytest.raises(ImageError, match=r"expected|not an image"):
            identity.encode(images)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("encoder", "decoder", "message"),
    [
        (nn.Flatten(), nn.Unflatten(1, (3, 8, 12)), r"codes \(288,\) of images of 8x12 with size_multiple = 4"),
        (nn.AdaptiveAvgPool2d((4, 6)), nn.Upsample(scale_factor=2), "the decoder returns images of shape"),
        (nn.AvgPool2d((2, 4)), nn.Upsample(scale_factor=(2, 4)), "expected .* with one factor f"),
        (nn.AvgPool2d(8, 8), nn.Upsample((8, 12)), "codes .* of images of 8x12"),
    ],
)
def test_modules_that_do_not_take_any_size_are_refused(encoder: nn.Module, decoder: nn.Module, message: str) -> None:
    with pytest.raises(InputError, match=message):
        wrap(encoder, decoder, image=(3, 8, 12), size_multiple=4)


def test_a_multiple_is_a_number_that_the_default_size_has() -> None:
    with pytest.raises(InputError, match=r"size_multiple = 0: expected a whole number from 1"):
        wrap(nn.Identity(), nn.Identity(), image=(1, 8, 8), size_multiple=0)
    with pytest.raises(InputError, match=r"image = 8x8 with size_multiple = 5: expected multiples of it"):
        wrap(nn.Identity(), nn.Identity(), image=(1, 8, 8), size_multiple=5)


def test_a_summary_says_that_any_size_is_taken(identity: InterpolationModel, halving: InterpolationModel) -> None:
    assert "image:   3 x 8 x 8, or any size\n" in repr(identity)
    assert "image:   3 x 8 x 12, or any size in multiples of 4\n" in repr(halving)
