"""Means, mixes and paths of several images."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from interpzoo_metamorphosis import Mean, average, morph
from torch import Tensor

import interpzoo
from interpzoo.errors import InputError
from interpzoo.model import InterpolationModel

CENTERS = ((27.0, 32.0), (32.0, 27.0), (36.0, 36.0))
"""x and y of a spot in each image, pixels."""


def spots(centers: Sequence[tuple[float, float]], size: int = 64) -> Tensor:
    """Images (k, 3, 64, 64) of a ring each on gray."""
    y, x = torch.meshgrid(torch.arange(float(size)), torch.arange(float(size)), indexing="ij")
    distances = [((x - cx) ** 2 + (y - cy) ** 2).sqrt() for cx, cy in centers]
    return torch.stack([0.3 + 0.6 * (-(((d - 8) / 3) ** 2)).exp() for d in distances])[:, None].expand(-1, 3, -1, -1)


def center(image: Tensor) -> tuple[float, float]:
    """The center of what is brighter than the ground."""
    bright = (image.mean(0) - 0.35).clamp_min(0)
    across, down = bright.sum(0), bright.sum(1)
    places = torch.arange(len(across), dtype=torch.float32)
    return float((across * places).sum() / across.sum()), float((down * places).sum() / down.sum())


@pytest.fixture(scope="module")
def images() -> Tensor:
    return spots(CENTERS)


@pytest.fixture(scope="module")
def mean(images: Tensor) -> Mean:
    return average(images)


@pytest.fixture(scope="module")
def model() -> InterpolationModel:
    return interpzoo.load("metamorphosis")


def test_a_mix_lies_where_its_weights_say(mean: Mean) -> None:
    weights = torch.tensor([[1 / 3, 1 / 3, 1 / 3], [0.5, 0.5, 0.0], [0.2, 0.2, 0.6]])
    for row, image in zip(weights, mean.mix(weights), strict=True):
        expected = (row[:, None] * torch.tensor(CENTERS)).sum(0).tolist()
        assert center(image) == pytest.approx(expected, abs=1.5)
        assert image.max() > 0.8  # one ring, not three faint ones


def test_an_image_with_all_the_weight_is_itself(images: Tensor, mean: Mean) -> None:
    assert torch.equal(mean.mix(torch.eye(3)), images)
    assert torch.equal(mean.through(torch.tensor([0.0, 1.0, 2.0])), images)


def test_the_mean_is_in_the_middle_of_its_images(mean: Mean) -> None:
    assert mean.velocity.mean(0).abs().max() < 0.1 * mean.velocity.abs().max()


def test_a_path_through_images_does_not_stop_at_them(mean: Mean) -> None:
    """The way into the middle image and the way out of it have one direction and speed."""
    before, at, after = (torch.tensor(center(image)) for image in mean.through(torch.tensor([0.9, 1.0, 1.1])))
    into, out = at - before, after - at
    assert into.norm() > 0.2
    assert (into - out).norm() < 0.5 * into.norm()


def test_models_mix_and_pass_images_smoothly(model: InterpolationModel, images: Tensor, mean: Mean) -> None:
    mixed = model.mix(images, [[0.2, 0.2, 0.6], [1.0, 0.0, 0.0]])
    torch.testing.assert_close(mixed[:1], mean.mix(torch.tensor([[0.2, 0.2, 0.6]])))
    assert torch.equal(mixed[1], images[0])
    frames = model.morph(images, 3)
    torch.testing.assert_close(frames, mean.through(torch.linspace(0, 2, 5)))
    assert torch.equal(frames[2], images[1])


def test_two_images_are_a_pair(model: InterpolationModel, images: Tensor) -> None:
    path = model.interpolate(images[0], images[1], t=[0.3])
    torch.testing.assert_close(model.mix(images[:2], [0.7, 0.3])[None], path)
    torch.testing.assert_close(model.morph(images[:2], 3), model.interpolate(images[0], images[1], 3))


def test_one_image_and_equal_images_are_their_own_mean(images: Tensor) -> None:
    assert torch.equal(average(images[:1]).mix(torch.ones(1, 1)), images[:1])
    same = average(images[:1].expand(2, -1, -1, -1)).mix(torch.full((1, 2), 0.5))
    torch.testing.assert_close(same, images[:1], atol=0.01, rtol=0)


def test_bad_images_and_weights_are_refused(images: Tensor, mean: Mean) -> None:
    with pytest.raises(InputError, match=r"images has shape \(3, 64, 64\), expected images \(B, C, H, W\)"):
        average(images[0])
    with pytest.raises(InputError, match=r"weights have shape \(1, 2\), expected \(N, 3\)"):
        mean.mix(torch.ones(1, 2))


def test_a_match_counts_where_its_weight_is() -> None:
    """Two rings that move in opposite directions; only the left one has weight."""
    a = torch.maximum(spots([(18.0, 24.0)]), spots([(46.0, 40.0)]))
    b = torch.maximum(spots([(18.0, 30.0)]), spots([(46.0, 34.0)]))
    points = torch.tensor([[[18.0, 24.0], [46.0, 40.0]]])
    both = morph(a, b).positions(points) - points
    weight = torch.zeros(1, 1, 64, 64)
    weight[..., :32] = 1
    left = morph(a, b, weight=weight).positions(points) - points
    assert both[0, 0, 1] > 3
    assert both[0, 1, 1] < -3
    assert left[0, 0, 1] > 3
    assert left[0, 1, 1] > -1


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (torch.ones(64, 64), r"weight has shape \(64, 64\), expected images"),
        (torch.ones(1, 1, 64, 63), r"weight has shape \(1, 1, 64, 63\), expected \(1, 1, 64, 64\)"),
        (torch.full((1, 1, 64, 64), -1.0), "weight has values down to -1, expected at least 0"),
        (torch.full((1, 1, 64, 64), torch.nan), "weight has values that are not finite"),
    ],
)
def test_bad_weights_of_pixels_are_refused(images: Tensor, weight: Tensor, message: str) -> None:
    with pytest.raises(InputError, match=message):
        morph(images[:1], images[1:2], weight=weight)
