"""Morphs of made images whose correspondence is known."""

from __future__ import annotations

import pytest
import torch
from interpzoo_metamorphosis import Morph, morph
from interpzoo_metamorphosis.fields import (
    at_points,
    blur,
    compose,
    exponential,
    logarithm,
    resample,
    smallest_determinant,
    warp,
)
from torch import Tensor
from torch.nn import functional

from interpzoo.errors import InputError


def texture(n: int, height: int = 128, width: int = 128, channels: int = 1, seed: int = 0) -> Tensor:
    """Blobs of several sizes, in [0, 1]."""
    noise = torch.randn(n, channels, height, width, generator=torch.Generator().manual_seed(seed))
    blobs = sum(blur(noise, sigma) * sigma for sigma in (2.0, 4.0, 8.0))
    assert isinstance(blobs, Tensor)
    return torch.sigmoid(4 * blobs)


def smooth_velocity(n: int, size: int = 128, pixels: float = 8.0, seed: int = 1) -> Tensor:
    noise = torch.randn(n, 2, size // 16, size // 16, generator=torch.Generator().manual_seed(seed))
    field = functional.interpolate(blur(noise, 1.5), (size, size), mode="bicubic", align_corners=False)
    return field / field.abs().amax((1, 2, 3), keepdim=True) * pixels


@pytest.fixture(scope="module")
def moved() -> tuple[Tensor, Tensor, Tensor]:
    """Images, the same moved by up to 14 pixels and darkened, and the displacement from the first to the second."""
    images, velocity = texture(4), smooth_velocity(4, pixels=14.0)
    return images, 0.2 + 0.5 * warp(images, exponential(velocity), "bicubic").clamp(0, 1), exponential(-velocity)


def test_a_known_motion_is_found(moved: tuple[Tensor, Tensor, Tensor]) -> None:
    a, b, motion = moved
    points = 16 + 96 * torch.rand(4, 200, 2, generator=torch.Generator().manual_seed(2))
    error = (morph(a, b).positions(points) - points - at_points(motion, points)).norm(dim=2)
    before = at_points(motion, points).norm(dim=2)
    assert error.mean() < 0.35 < 3 < before.mean()


def test_it_works_in_inference_mode_too(moved: tuple[Tensor, Tensor, Tensor]) -> None:
    """Although it descends along gradients."""
    a, b, _ = moved
    with torch.inference_mode():
        found = morph(a.clone(), b.clone(), weight=torch.ones(1, 1, 128, 128))
    torch.testing.assert_close(found.velocity, morph(a, b).velocity)


def test_points_move_from_where_they_are_along_one_flow(moved: tuple[Tensor, Tensor, Tensor]) -> None:
    found = morph(*moved[:2])
    points = 32 + 64 * torch.rand(4, 50, 2, generator=torch.Generator().manual_seed(3))
    assert torch.equal(found.positions(points, 0.0), points)
    back = Morph(found.a, found.b, -found.velocity, found.report)
    assert (back.positions(found.positions(points)) - points).abs().max() < 0.1


def test_the_first_frame_and_the_last_are_the_images(moved: tuple[Tensor, Tensor, Tensor]) -> None:
    a, b, _ = moved
    frames = morph(a, b).frames([0.0, 0.5, 1.0])
    assert frames.shape == (4, 3, 1, 128, 128)
    assert torch.equal(frames[:, 0], a)
    assert torch.equal(frames[:, 2], b)
    near = morph(a, b).frames([1e-4, 1 - 1e-4])
    assert (near[:, 0] - a).abs().max() < 0.01
    assert (near[:, 1] - b).abs().max() < 0.01


def test_the_way_back_is_the_same(moved: tuple[Tensor, Tensor, Tensor]) -> None:
    a, b, _ = moved
    there, back = morph(a, b).frames([0.3]), morph(b, a).frames([0.7])
    assert (there - back).abs().mean() < 1e-3


def test_the_middle_keeps_structure_that_a_fade_loses(moved: tuple[Tensor, Tensor, Tensor]) -> None:
    a, b, _ = moved

    def energy(images: Tensor) -> float:
        return float(images.diff(dim=2).square().mean() + images.diff(dim=3).square().mean())

    ends = (energy(a) + energy(b)) / 2
    assert energy((a + b) / 2) / ends < 0.8 < 0.9 < energy(morph(a, b).frames([0.5])[:, 0]) / ends


def test_unlike_images_do_not_fold_and_stay_in_range() -> None:
    a, b = texture(6, seed=4), texture(6, seed=5)
    found = morph(a, b)
    assert min(report.smallest_determinant for report in found.report) > 0
    assert all(report.mismatch_after < report.mismatch_before for report in found.report)
    frames = found.frames([-1.0, 0.25, 0.5, 2.0])
    assert frames.min() >= 0
    assert frames.max() <= 1


def test_identical_images_stay_as_they_are() -> None:
    a = texture(2)
    found = morph(a, a)
    assert found.velocity.abs().max() < 1e-3
    assert (found.frames([0.5])[:, 0] - a).abs().max() < 0.01


@pytest.mark.parametrize("shape", [(3, 1, 1), (1, 5, 3), (1, 28, 28), (4, 96, 200), (3, 300, 17)])
def test_any_size_and_number_of_channels(shape: tuple[int, int, int]) -> None:
    a, b = torch.rand(2, 2, *shape, generator=torch.Generator().manual_seed(0))
    frames = morph(a, b).frames([0.0, 0.5])
    assert frames.shape == (2, 2, *shape)
    assert bool(frames.isfinite().all())


def test_constant_images_fade() -> None:
    frames = morph(torch.zeros(1, 3, 40, 40), torch.ones(1, 3, 40, 40)).frames([0.25])
    torch.testing.assert_close(frames, torch.full((1, 1, 3, 40, 40), 0.25))


def test_a_pair_does_not_depend_on_the_others(moved: tuple[Tensor, Tensor, Tensor]) -> None:
    a, b, _ = moved
    alone = morph(a[2:3], b[2:3]).velocity
    torch.testing.assert_close(morph(a, b).velocity[2:3], alone, atol=1e-3, rtol=0)


def test_times_of_each_pair(moved: tuple[Tensor, Tensor, Tensor]) -> None:
    a, b, _ = moved
    found = morph(a[:2], b[:2])
    each = found.frames(torch.tensor([[0.2], [0.8]]))
    for i, t in enumerate((0.2, 0.8)):
        torch.testing.assert_close(each[i], found.frames([t])[i])


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 9), r"a has shape \(1, 3, 8, 8\) and b \(1, 3, 8, 9\)"),
        (torch.rand(1, 3, 8, 8), torch.rand(1, 1, 8, 8), "expected the same number of images of one size"),
        (torch.rand(3, 8, 8), torch.rand(3, 8, 8), r"a has shape \(3, 8, 8\), expected images \(B, C, H, W\)"),
        (torch.rand(1, 3, 0, 8), torch.rand(1, 3, 0, 8), r"expected images \(B, C, H, W\)"),
        (torch.rand(1, 1, 8, 8), torch.full((1, 1, 8, 8), torch.nan), "b has values that are not finite"),
    ],
)
def test_bad_images_are_refused(a: Tensor, b: Tensor, message: str) -> None:
    with pytest.raises(InputError, match=message):
        morph(a, b)


def test_the_logarithm_inverts_the_exponential() -> None:
    velocity = smooth_velocity(3)
    found = logarithm(exponential(velocity), exponential(-velocity))
    assert (found - velocity)[..., 8:-8, 8:-8].abs().max() < 0.2
    assert compose(exponential(velocity), exponential(-velocity))[..., 16:-16, 16:-16].abs().max() < 0.1


def test_fields_keep_their_meaning_on_another_grid() -> None:
    ramp = torch.full((1, 2, 8, 8), 2.0)
    assert torch.equal(resample(ramp, 16, 32)[0, :, 0, 0], torch.tensor([8.0, 4.0]))


def test_the_determinant_is_that_of_an_affine_map() -> None:
    y, x = torch.meshgrid(torch.arange(9.0), torch.arange(9.0), indexing="ij")
    field = torch.stack([0.5 * x + 0.25 * y, -0.25 * x + 0.1 * y])[None]
    assert smallest_determinant(field).item() == pytest.approx(1.5 * 1.1 + 0.25 * 0.25, abs=1e-5)
    assert smallest_determinant(torch.stack([-2 * x, 0 * y])[None]).item() == pytest.approx(-1)
