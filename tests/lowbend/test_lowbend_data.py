"""The data sets of low bending: what they draw, that it is smooth, and that a batch is what it says."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from interpzoo_lowbend.datasets import Arc, Ellipses, RotatingObject, Sundial
from interpzoo_lowbend.pairs import Pairs
from torch import Generator, Tensor

from interpzoo.build import build_component
from interpzoo.config import Component, ImageSpec
from interpzoo.errors import ConfigError, InputError
from interpzoo.geometry.manifolds import NEAREST
from interpzoo.interfaces import DataSet

NAMES = {"sundial": Sundial, "rotating-object": RotatingObject, "arc": Arc, "ellipses": Ellipses}


def made(name: str, side: int = 32, **options: Any) -> Pairs:
    image = ImageSpec(channels=NAMES[name].channels, height=side, width=side)
    return build_component(DataSet, Component.model_validate({"name": name, **options}), image, None)


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def points(*rows: tuple[float, ...]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


class TestBatches:
    @pytest.mark.parametrize("side", [32, 64])
    def test_contents_of_a_batch(self, name: str, side: int) -> None:
        data = made(name, side)
        batch = data.train(torch.arange(20), seeded())
        assert batch.keys() == data.fields >= {"image", "partner", "distance", "midpoint", "parameters"}
        assert all(value.dtype == torch.float32 and len(value) == 20 for value in batch.values())
        for field in ("image", "partner", "midpoint"):
            assert batch[field].shape == (20, data.channels, side, side)
            assert 0 <= batch[field].min() < batch[field].max() <= 1
        p, q = data.manifold.pairs(20, data.config.epsilon, seeded())
        expected = {"image": p, "partner": q, "midpoint": data.manifold.midpoint(p, q)}
        for field, at in expected.items():
            torch.testing.assert_close(batch[field], data.render(at))
        torch.testing.assert_close(batch["distance"], data.manifold.distance(p, q).float())
        torch.testing.assert_close(batch["parameters"], p.float())

    def test_the_midpoint_is_not_the_mean_of_two_images(self, name: str) -> None:
        batch = made(name).train(torch.arange(50), seeded())
        blend = (batch["image"] + batch["partner"]) / 2
        assert (batch["midpoint"] - blend).abs().amax((1, 2, 3)).min() > 1e-4
        assert (batch["midpoint"] - blend).abs().amax((1, 2, 3)).max() > 0.1

    def test_distances_are_at_most_epsilon_which_can_be_set(self, name: str) -> None:
        data = made(name)
        for epsilon in (data.config.epsilon, data.config.epsilon / 2):
            d = made(name, epsilon=epsilon).train(torch.arange(200), seeded())["distance"]
            assert NEAREST * epsilon * 0.999 <= d.min() < d.max() <= epsilon * 1.001
            assert d.max() > 0.95 * epsilon

    def test_pairs_follow_the_generator(self, name: str) -> None:
        data, indices = made(name), torch.arange(4)
        torch.manual_seed(1)
        first, second = data.train(indices, seeded(3)), data.train(indices, seeded(4))
        torch.manual_seed(2)
        again = made(name).train(indices + 7, seeded(3))
        assert all(torch.equal(first[field], again[field]) for field in data.fields)
        assert not any(torch.equal(first[field], second[field]) for field in data.fields)

    def test_held_out_pairs_are_always_the_same(self, name: str) -> None:
        data = made(name, 16)
        some, all_of_them = data.test(5), made(name, 16).test()
        assert len(all_of_them["image"]) == 1000
        assert all(torch.equal(some[field], all_of_them[field][:5]) for field in data.fields)

    def test_the_angle_of_an_arc(self) -> None:
        batch = made("arc").test(9)
        assert torch.equal(batch["angle"], batch["parameters"][:, 0])


class TestImages:
    def test_images_change_smoothly_and_everywhere(self, name: str) -> None:
        """Differences over d, and second ones over d^2, have limits, of which the first is not 0."""
        data = made(name)
        p, q = data.manifold.pairs(200, data.config.epsilon, seeded())
        if name == "sundial":
            p[:20] = points((0, 0, 1))
        firsts, seconds = [], []
        for share in (0.02, 0.01):
            r = data.manifold.between(p, q, torch.tensor([share], dtype=torch.float64))[:, 0]
            d = data.manifold.distance(p, r)[:, None]
            a, b, m = (exact(data, at) for at in (p, r, data.manifold.midpoint(p, r)))
            firsts.append(((b - a) / d).norm(dim=1))
            seconds.append((8 * ((a + b) / 2 - m) / d**2).norm(dim=1))
        torch.testing.assert_close(*firsts, rtol=0.05, atol=0)
        assert firsts[0].min() > 0.15 * firsts[0].median()
        assert seconds[1].max() < 1.1 * seconds[0].max()
        assert seconds[1].max() < 8 * seconds[1].median()

    def test_other_sizes_show_the_same_scene(self, name: str) -> None:
        p = made(name).manifold.sample(5, seeded())
        small, large = made(name, 32).render(p), made(name, 64).render(p)
        assert (torch.nn.functional.avg_pool2d(large, 2) - small).abs().max() < 0.12

    def test_invalid_points(self, name: str) -> None:
        data = made(name)
        k = data.manifold.coordinates
        for wrong in (torch.ones(3, k + 1), torch.ones(k), torch.ones(3, k, dtype=torch.int64)):
            with pytest.raises(
                InputError, match=rf"points of shape \({', '.join(map(str, wrong.shape))},?\).*\(N, {k}\)"
            ):
                data.render(wrong)
        with pytest.raises(InputError, match="expected finite"):
            data.render(torch.full((1, k), math.nan))
        assert data.render(torch.empty(0, k)).shape == (0, data.channels, 32, 32)

    def test_invalid_requests(self, name: str) -> None:
        channels = NAMES[name].channels
        with pytest.raises(InputError, match="limit = 0"):
            made(name).test(0)
        for shape in ((channels, 32, 16), (2, 32, 32), (channels, 8, 8), (channels, 256, 256)):
            image = ImageSpec.of(shape)
            with pytest.raises(ConfigError, match=f"image = {shape[0]}x{shape[1]}x{shape[2]}: .*channels = {channels}"):
                build_component(DataSet, Component(name=name), image, None)
        for epsilon in (0, 10):
            with pytest.raises(ConfigError, match=f"'{name}': epsilon = {epsilon}"):
                made(name, epsilon=epsilon)


def exact(data: Pairs, at: Tensor) -> Tensor:
    """Flat images in float64."""
    x = (2 * torch.arange(32, dtype=torch.float64) + 1) / 32 - 1
    return data.draw(at, x, -x[:, None]).flatten(1)


def light(azimuth: float, altitude: float) -> tuple[float, float, float]:
    a, h = math.radians(azimuth), math.radians(altitude)
    return math.cos(a) * math.cos(h), math.sin(a) * math.cos(h), math.sin(h)


class TestSundial:
    def test_the_shadow_falls_away_from_the_light_and_ends_at_its_tip(self) -> None:
        """From the right at 45 degrees: from the center, 16, to 16 - 0.5 16 = 8 on the left."""
        image = made("sundial").render(points(light(0, 45)))[0, 0]
        row = image[15:17].mean(0)
        assert row[10:15].max() < 0.4
        assert row[:6].min() > 0.95
        assert row[18:].min() > 0.95
        assert row[7:9].mean().item() == pytest.approx((1 + row[11].item()) / 2, abs=0.1)

    def test_a_quarter_turn_of_the_light_turns_the_image(self) -> None:
        first, second = made("sundial").render(points(light(37, 50), light(127, 50)))
        torch.testing.assert_close(second, first.rot90(1, (1, 2)))

    @pytest.mark.parametrize("altitude", [90, 70, 45, 30])
    def test_shadows_are_equally_dark(self, altitude: float) -> None:
        darkest = made("sundial", 64).render(points(light(20, altitude))).min().item()
        assert 0.08 < darkest < 0.3

    def test_at_the_zenith_it_is_a_point(self) -> None:
        image = made("sundial").render(points((0, 0, 1)))[0]
        torch.testing.assert_close(image, image.rot90(1, (1, 2)))
        # 1 - 0.8 exp(-r^2 / (2 0.05^2)), the next pixels' centers half a pixel off in each direction
        assert image[0, 15, 15].item() == pytest.approx(1 - 0.8 * math.exp(-2 / 32**2 / (2 * 0.05**2)), abs=1e-5)


class TestRotatingObject:
    def test_opposite_quaternions_are_one_image(self) -> None:
        data = made("rotating-object")
        q = data.manifold.sample(10, seeded())
        torch.testing.assert_close(data.render(q), data.render(-q))

    def test_a_quarter_turn_about_the_line_of_sight_turns_the_image(self) -> None:
        half = math.sqrt(0.5)
        still, turned = made("rotating-object").render(points((1, 0, 0, 0), (half, 0, 0, half)))
        torch.testing.assert_close(turned, still.rot90(1, (1, 2)))

    def test_the_ball_in_front_is_seen_in_its_color(self) -> None:
        """Ball 0 is at z = 11 / 12, to the right; where half a turn about y takes it, ball 11 has come to the front."""
        data = made("rotating-object", 64)
        front, behind = data.render(points((1, 0, 0, 0), (0, 0, 1, 0)))
        column = round(32 + 32 * 0.65 * math.sqrt(1 - (11 / 12) ** 2))
        assert front[:, 31:33, column].mean(1).tolist() == pytest.approx([1, 0.25, 0.25], abs=0.05)
        assert behind[:, 31:33, 63 - column].mean(1).tolist() == pytest.approx([0.93, 0.07, 0.5], abs=0.1)

    def test_no_turn_looks_like_another(self) -> None:
        """Between far orientations, images are never near; the nearest that are drawn grow apart with the angle."""
        data = made("rotating-object", 16)
        p, q = data.manifold.sample(300, seeded(0)), data.manifold.sample(300, seeded(1))
        images, angle = torch.stack([data.render(p), data.render(q)]).flatten(2), data.manifold.distance(p, q)
        apart = (images[0] - images[1]).norm(dim=1)
        assert apart[angle > 0.5].min() > 2


class TestArc:
    def test_it_covers_its_length_at_its_angle(self) -> None:
        """Half a circle, to the right: of radius 0.6, 16 + 9.6 pixels across, from 90 to -90 degrees."""
        image = made("arc").render(points((0, math.pi)))[0, 0]
        assert image[15:17, 25].min() > 0.9
        assert image[[6, 25], 17].min() > 0.8
        assert image[:, :13].max() < 0.2
        torch.testing.assert_close(image, image.flip(0))

    def test_a_quarter_turn_turns_the_image(self) -> None:
        first, second = made("arc").render(points((0.3, 1.2), (0.3 + math.pi / 2, 1.2)))
        torch.testing.assert_close(second, first.rot90(1, (1, 2)))

    def test_the_circle_closes(self) -> None:
        first, second = made("arc").render(points((0, 1), (2 * math.pi, 1)))
        torch.testing.assert_close(first, second)

    def test_light_grows_with_length(self) -> None:
        totals = made("arc", 64).render(points((1, 1), (1, 2), (1, 3))).sum((1, 2, 3))
        # A radian more is 0.6 32 pixels of a profile with the integral sqrt(2 pi) 0.08 32.
        expected = 0.6 * 32 * math.sqrt(2 * math.pi) * 0.08 * 32
        assert totals.diff().tolist() == pytest.approx([expected, expected], rel=0.02)


class TestEllipses:
    def test_they_have_the_area_of_their_axes(self) -> None:
        data = made("ellipses", 64)
        p = data.manifold.sample(20, seeded())
        expected = math.pi * (p[:, 0] * p[:, 2] - p[:, 1] ** 2).sqrt() * 32**2
        share = data.render(p).sum((1, 2, 3)) / expected
        assert share.min() > 1  # a blurred edge has a little more outside than inside
        assert share.max() < 1.04

    def test_axes_and_direction(self) -> None:
        flat, upright = made("ellipses").render(points((0.6**2, 0, 0.3**2), (0.3**2, 0, 0.6**2)))[:, 0]
        assert flat[15, 7] > 0.7 > 0.3 > flat[15, 5]
        assert flat[12, 15] > 0.9 > 0.1 > flat[9, 15]
        torch.testing.assert_close(upright, flat.T)
        rising = made("ellipses").render(points((0.2, 0.1, 0.2)))[0, 0]
        assert rising[10, 21] > 0.9 > 0.1 > rising[10, 10]

    def test_an_odd_size_has_a_middle(self) -> None:
        assert made("ellipses", 33).render(points((0.2, 0, 0.2)))[0, 0, 16, 16] == 1
