"""The pendulum: known pixels, its symmetries, its noise, and what is refused."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from interpzoo_fmvae.pendulum import Pendulum, draw_pendulums
from torch import Generator

from interpzoo.build import build_component
from interpzoo.config import Component, ImageSpec
from interpzoo.errors import ConfigError, InputError
from interpzoo.interfaces import DataSet

SMALL = ImageSpec(channels=1, height=16, width=16)


def pendulum(image: ImageSpec = SMALL, **options: Any) -> Pendulum:
    return build_component(DataSet, Component.model_validate({"name": "pendulum", **options}), image, None)


@pytest.fixture(scope="module")
def data() -> Pendulum:
    return pendulum()


class TestDrawing:
    def test_pixels_by_hand(self) -> None:
        """At 0 the rod hangs from the center down to 0.8; pixel centers are at (2 i + 1) / 16 - 1."""
        image = draw_pendulums(torch.zeros(1, dtype=torch.float64))[0, 0]
        beside = math.exp(-((1 / 16) ** 2) / (2 * 0.08**2))
        assert image[8:14, 7:9].flatten().tolist() == pytest.approx([beside] * 12)
        # Below its end: (x, y) = (1, 15) / 16 is off by (1/16, 15/16 - 0.8).
        end = math.exp(-((1 / 16) ** 2 + (15 / 16 - 0.8) ** 2) / (2 * 0.08**2))
        assert image[15, 8].item() == pytest.approx(end)
        # Above the center, by as much as beside.
        assert image[7, 8].item() == pytest.approx(math.exp(-2 * (1 / 16) ** 2 / (2 * 0.08**2)))
        assert image[0].max() < 1e-6

    def test_it_turns_with_its_angle(self) -> None:
        angles = torch.tensor([0.3, 0.3 + math.pi / 2, 0.3 + math.pi, -0.3, 0.3 + 2 * math.pi], dtype=torch.float64)
        first, quarter, half, mirrored, turned = draw_pendulums(angles)
        torch.testing.assert_close(quarter, first.rot90(1, (1, 2)))
        torch.testing.assert_close(half, first.rot90(2, (1, 2)))
        torch.testing.assert_close(mirrored, first.flip(2))
        torch.testing.assert_close(turned, first)

    @pytest.mark.parametrize(("size", "ratio"), [(16, 1.25), (32, 1.01)])
    def test_equal_turns_change_the_image_about_equally(self, size: int, ratio: float) -> None:
        """But for the rod's width, which is little more than half a pixel of 16."""
        images = draw_pendulums(torch.arange(360, dtype=torch.float64) * (2 * math.pi / 360), size)
        steps = (images - images.roll(-1, 0)).flatten(1).norm(dim=1)
        assert steps.max() / steps.min() < ratio

    def test_size_dtype_and_chunks(self) -> None:
        angles = torch.rand(1500, generator=Generator().manual_seed(0))
        images = draw_pendulums(angles, 8)
        assert images.shape == (1500, 1, 8, 8)
        assert images.dtype == torch.float32
        torch.testing.assert_close(images[1400:], draw_pendulums(angles[1400:], 8))
        assert draw_pendulums(angles[:0], 8).shape == (0, 1, 8, 8)

    @pytest.mark.parametrize(
        ("angles", "size"), [(torch.zeros(2, 1), 16), (torch.zeros(2).long(), 16), (torch.tensor([math.nan]), 16)]
    )
    def test_invalid_angles(self, angles: torch.Tensor, size: int) -> None:
        with pytest.raises(InputError, match=r"expected finite radians \(N,\)"):
            draw_pendulums(angles, size)

    def test_no_pixel(self) -> None:
        with pytest.raises(InputError, match="size = 0"):
            draw_pendulums(torch.zeros(1), 0)


class TestData:
    def test_batches_carry_exact_angles(self, data: Pendulum) -> None:
        batch = data.train(torch.tensor([5, 2, 14_999]), Generator())
        assert batch.keys() == data.fields
        assert batch["image"].shape == (3, 1, 16, 16)
        assert torch.equal(batch["angle"][:, None], batch["parameters"])
        torch.testing.assert_close(batch["image"], draw_pendulums(batch["angle"]), rtol=0, atol=0.3)

    def test_angles_are_uniform_and_held_out_ones_others(self, data: Pendulum) -> None:
        train, test = data.train(torch.arange(data.size or 0), Generator()), data.test()
        assert (len(train["image"]), len(test["image"])) == (15_000, 1_000)
        for part in (train, test):
            counts = part["angle"].histc(8, 0, 2 * math.pi) / len(part["angle"])
            torch.testing.assert_close(counts, torch.full((8,), 1 / 8), rtol=0, atol=0.05)
        assert not torch.isin(test["angle"], train["angle"]).all()
        assert torch.equal(data.test(3)["image"], test["image"][:3])

    def test_noise_is_of_its_deviation_clipped_and_always_the_same(self, data: Pendulum) -> None:
        batch = data.train(torch.arange(2000), Generator())
        clean = draw_pendulums(batch["angle"])
        between = (clean > 0.3) & (clean < 0.7)
        assert (batch["image"] - clean)[between].std().item() == pytest.approx(0.05, rel=0.03)
        assert batch["image"].min() == 0
        assert batch["image"].max() == 1
        assert torch.equal(pendulum().test(5)["image"], data.test(5)["image"])

    def test_without_noise(self) -> None:
        batch = pendulum(noise=0).test(20)
        assert torch.equal(batch["image"], draw_pendulums(batch["angle"]))

    @pytest.mark.parametrize("shape", [(3, 16, 16), (1, 16, 8), (1, 4, 4), (1, 128, 128)])
    def test_invalid_image_sizes(self, shape: tuple[int, int, int]) -> None:
        channels, height, width = shape
        with pytest.raises(ConfigError, match=f"Pendulum: image = {channels}x{height}x{width}"):
            pendulum(ImageSpec(channels=channels, height=height, width=width))

    def test_invalid_settings(self, data: Pendulum) -> None:
        with pytest.raises(ConfigError, match="noise"):
            pendulum(noise=-1)
        with pytest.raises(InputError, match="limit = 0"):
            data.test(0)
