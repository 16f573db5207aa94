"""Frames at even distances, as images or features measure them."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import interpzoo
from interpzoo import wrap
from interpzoo.config import ComponentConfig
from interpzoo.errors import InputError
from interpzoo.features import default_features
from interpzoo.geometry import lerp
from interpzoo.interfaces import Interpolator
from interpzoo.model import InterpolationModel
from tests.tiny import random_images, tiny_model


class Cubed(nn.Module):
    """One number to the grey of its cube."""

    def forward(self, z: Tensor) -> Tensor:
        return (z**3).view(-1, 1, 1, 1).expand(-1, 1, 4, 4)


class Thresholded(nn.Module):
    """One number to black below a half and to white above."""

    def forward(self, z: Tensor) -> Tensor:
        return (z > 0.5).float().view(-1, 1, 1, 1).expand(-1, 1, 4, 4)


class Mean(nn.Module):
    """An image to the cubic root of its mean."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((1, 2, 3))[:, None] ** (1 / 3)


class Searched(Interpolator):
    """The straight line, found by a search that is counted."""

    searches = 0

    def __call__(self, z0: Tensor, z1: Tensor, t: Tensor, *, model: InterpolationModel) -> Tensor:
        return self.path(z0, z1, model=model)(t)

    def path(self, z0: Tensor, z1: Tensor, *, model: InterpolationModel) -> Callable[[Tensor], Tensor]:
        self.searches += 1
        return lambda t: lerp(z0, z1, t)


@pytest.fixture
def cubes() -> InterpolationModel:
    """A model whose frames go slowly near black."""
    return wrap(Mean(), Cubed(), image=(1, 4, 4))


def grey(value: float) -> Tensor:
    return torch.full((1, 4, 4), float(value))


def ratio(frames: Tensor) -> float:
    """Longest step over shortest of a walk (T, ...)."""
    steps = frames.flatten(1).diff(dim=0).norm(dim=1)
    return float(steps.max() / steps.min())


def test_steps_between_images_are_even_and_the_ends_are_those_of_the_plain_walk(cubes: InterpolationModel) -> None:
    plain, even = (cubes.interpolate(grey(0), grey(1), spacing=spacing) for spacing in ("linear", "even"))
    assert ratio(plain) > 100
    assert ratio(even) < 1.05
    assert torch.equal(even[[0, -1]], plain[[0, -1]])


def test_the_positions_of_the_frames_are_given_on_request() -> None:
    model = tiny_model()
    a, b = random_images(3, model.config.image), random_images(3, model.config.image, seed=1)
    t = model.positions(model.encode(a), model.encode(b), 7)
    assert t.shape == (3, 7)
    assert torch.equal(model.interpolate(a, b, t=t), model.interpolate(a, b, 7, spacing="even"))
    linear = model.positions(model.encode(a), model.encode(b), 5, spacing="linear")
    assert linear.tolist() == [[0, 0.25, 0.5, 0.75, 1]] * 3


def test_linear_positions_are_on_the_device_of_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model()
    monkeypatch.setattr(InterpolationModel, "device", torch.device("meta"))
    monkeypatch.setattr(model, "_checked_codes", lambda codes: codes)  # the other device has no values to check
    z = torch.zeros(1, *model.latent_shape)
    assert model.positions(z, z, 5, spacing="linear").is_meta


@pytest.mark.parametrize("interpolator", ["slerp", "mixup", "metamorphosis"])
def test_every_path_is_walked_in_even_steps(interpolator: str) -> None:
    model = tiny_model()
    if interpolator == "metamorphosis":  # which only a model that reconstructs its ends follows to the end
        model = wrap(nn.Identity(), nn.Identity(), image=model.config.image.shape)
    a, b = random_images(2, model.config.image), random_images(2, model.config.image, seed=1)
    frames = model.interpolate(a, b, interpolator=interpolator, spacing="even")
    assert all(ratio(walk) < 1.1 for walk in frames)


@pytest.mark.parametrize(("power", "decoded"), [(2, 20), (6, 27)])
def test_no_image_is_decoded_twice(power: int, decoded: int) -> None:
    """Where the first positions found are even enough there are no others; the ends are never decoded again."""
    counts: list[int] = []

    class Power(nn.Module):
        def forward(self, z: Tensor) -> Tensor:
            assert len(z)  # decoders need not take none
            counts.append(len(z))
            return (z**power).view(-1, 1, 1, 1).expand(-1, 1, 4, 4)

    model = wrap(Mean(), Power(), image=(1, 4, 4))
    model.examples = torch.tensor([[0.0], [1.0]])
    counts.clear()
    frames = model.example_strip(spacing="even")[0]
    assert sum(counts) == decoded
    where = model.positions(*model.examples.split(1), 9)
    torch.testing.assert_close(frames[:, 0, 0, 0], where[0] ** power, rtol=0, atol=1e-6)
    assert ratio(frames) < 1.05


def test_a_path_is_searched_for_once(cubes: InterpolationModel) -> None:
    path = Searched(ComponentConfig())
    cubes.interpolate(grey(0), grey(1), interpolator=path, spacing="even")
    assert path.searches == 1


def test_distances_can_be_those_of_features(cubes: InterpolationModel) -> None:
    roots = cubes.interpolate(grey(0), grey(1), 5, spacing=lambda x: x.mean((2, 3)) ** (1 / 3))
    torch.testing.assert_close(roots[:, 0, 0, 0], torch.linspace(0, 1, 5) ** 3, rtol=1e-2, atol=1e-3)
    model = tiny_model(size=(32, 32))
    a, b = random_images(2, model.config.image)
    features = default_features("nothing", model.config.image)
    assert ratio(features(model.interpolate(a, b, spacing=features))) < 1.1


def test_each_part_of_a_morph_and_each_row_of_a_grid_is_even(cubes: InterpolationModel) -> None:
    walk = cubes.morph([grey(0), grey(1), grey(0.5)], 5, spacing="even")
    for part in (walk[:5], walk[4:]):
        assert ratio(part) < 1.05
    assert ratio(cubes.morph([grey(0), grey(1)], 5)) > 10
    plane = cubes.grid(grey(0), grey(1), grey(0.5), grey(0.9), 3, 5, spacing="even")
    for line in [*plane, plane[:, 0], plane[:, -1]]:
        assert ratio(line) < 1.05
    cubes.examples = torch.tensor([[0.0], [1.0]])
    assert ratio(cubes.example_strip(spacing="even")[0]) < 1.05


def test_where_the_decoder_jumps_a_warning_says_so_and_frames_still_come() -> None:
    model = wrap(nn.Sequential(nn.Flatten(), nn.Linear(16, 1)), Thresholded(), image=(1, 4, 4))
    z0, z1 = torch.zeros(2, 1), torch.tensor([[1.0], [0.2]])
    model.examples = torch.stack([z0, z1], 1).flatten(0, 1)
    with pytest.warns(UserWarning, match="the steps of 1 of 2 walks are not even, the longest many times the shortest"):
        frames = model.example_strip(spacing="even")
    assert frames.shape == (2, 9, 1, 4, 4)
    assert frames[0, [0, -1], 0, 0, 0].tolist() == [0, 1]


def test_identical_images_give_one_image_without_a_warning(cubes: InterpolationModel) -> None:
    frames = cubes.interpolate(grey(0.5), grey(0.5), spacing="even")
    assert torch.equal(frames, frames[:1].expand_as(frames))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"spacing": "evenly"}, "spacing = 'evenly': expected 'linear', 'even' or a function of images"),
        ({"spacing": None}, "spacing = None: expected 'linear', 'even' or a function of images"),
        ({"spacing": "even", "t": [0.5]}, "t and spacing are both given: expected one of them"),
        ({"spacing": lambda x: x.mean()}, r"spacing gives \(\) for 13 images: expected \(N, ...\)"),
        ({"spacing": lambda x: x.flatten(1) / 0}, "spacing gives values that are not finite"),
        ({"spacing": lambda x: x.view(3, 5)}, "spacing = .* cannot measure images: "),
        ({"spacing": "even", "steps": 1}, "steps = 1: expected a whole number from 2 to 10,000"),
    ],
)
def test_what_does_not_say_how_to_space_frames(
    arguments: dict[str, Any], expected: str, cubes: InterpolationModel
) -> None:
    with pytest.raises(InputError, match=expected), warnings.catch_warnings():
        cubes.interpolate(grey(0), grey(1), **arguments)


def test_a_warning_points_at_the_line_of_the_user(tmp_path: Path) -> None:
    model = wrap(Mean(), Thresholded(), image=(1, 4, 4))
    calls: dict[str, Callable[[], object]] = {
        "are not even": lambda: model.interpolate(grey(0), grey(1), spacing="even"),
        "whole hundredths": lambda: interpzoo.save_gif(tmp_path / "x.gif", torch.rand(3, 1, 4, 4), seconds=0.013),
    }
    for message, call in calls.items():
        with pytest.warns(UserWarning, match=message) as caught:
            call()
        assert {(found.filename, found.lineno) for found in caught} == {(__file__, call.__code__.co_firstlineno)}
