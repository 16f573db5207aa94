"""The lines data set against the official renderer: its golden values, and an independent loop over pixels."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from interpzoo.config import ComponentConfig, ImageSpec
from interpzoo.data.lines import Lines, draw_lines
from interpzoo.errors import ConfigError, InputError


def lines(size: int = 32, channels: int = 1) -> Lines:
    return Lines(ComponentConfig(), ImageSpec(channels=channels, height=size, width=size))


def angles(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def official_units(images: Tensor) -> Tensor:
    return 2 * images - 1


def draw_one(angle: float, size: int) -> Tensor:
    """One line, pixel by pixel, from the description of the official renderer."""
    center = size / 2
    x = center + (center - 1) * math.cos(-angle)
    y = center + (center - 1) * math.sin(-angle)
    transposed = abs(y - center) < abs(x - center)
    if transposed:
        x, y = y, x
    (y0, x0), (y1, x1) = sorted([(center, center), (y, x)])
    image = torch.zeros(size, size, dtype=torch.float64)
    for row in range(int(y0), math.ceil(y1)):
        weight = math.ceil(y0) - y0 if row < math.ceil(y0) else 1.0
        left = x0 - 1 + (row - y0 - 0.5) * (x1 - x0) / (y1 - y0)
        for column in range(size):
            image[row, column] = weight * max(0.0, min(left + 2, column + 1) - max(left, column))
    return image.T if transposed else image


def test_right_is_two_full_rows():
    image = official_units(draw_lines(angles(0.0)))[0, 0]
    assert image.sum().item() == pytest.approx(-964, abs=1e-6)
    expected = torch.full((32, 32), -1.0, dtype=torch.float64)
    expected[15:17, 16:31] = 1
    torch.testing.assert_close(image, expected, rtol=0, atol=1e-6)


def test_up_is_two_full_columns():
    image = official_units(draw_lines(angles(math.pi / 2)))[0, 0]
    assert image.sum().item() == pytest.approx(-964, abs=1e-6)
    expected = torch.full((32, 32), -1.0, dtype=torch.float64)
    expected[1:16, 15:17] = 1
    torch.testing.assert_close(image, expected, rtol=0, atol=1e-6)


def test_golden_pixels_of_a_slanted_line():
    image = official_units(draw_lines(angles(1.0)))[0, 0]
    assert image.sum().item() == pytest.approx(-973.511741, abs=1e-6)
    assert int((image > -1).sum()) == 39
    assert image[15, 14:19].tolist() == pytest.approx([-1, -0.926278, 1, 0.926278, -1], abs=1e-6)
    assert image[3, 22:27].tolist() == pytest.approx([-1, -0.58726, 0.24413, -0.16861, -1], abs=5e-6)


def test_sums_over_all_angles_lie_between_the_diagonal_and_the_axes():
    around = torch.arange(40_000, dtype=torch.float64) * (2 * math.pi / 40_000)
    sums = torch.cat([official_units(draw_lines(part)).sum((1, 2, 3)) for part in around.split(2000)])
    assert round(sums.min().item(), 3) == -981.574
    assert sums.min().item() >= -1024 + 60 / math.sqrt(2) - 1e-6
    assert sums.max().item() == pytest.approx(-964, abs=1e-6)


@pytest.mark.parametrize("size", [16, 32, 33, 48])
def test_equals_the_loop_over_pixels(size: int):
    generator = torch.Generator().manual_seed(size)
    random = 4 * math.pi * torch.rand(60, generator=generator, dtype=torch.float64) - 2 * math.pi
    expected = torch.stack([draw_one(angle, size) for angle in random.tolist()])[:, None]
    torch.testing.assert_close(draw_lines(random, size), expected, rtol=0, atol=1e-12)


def test_a_batch_equals_its_lines_one_by_one():
    batch = angles(*(0.1 * k for k in range(70)))
    single = torch.cat([draw_lines(angle[None]) for angle in batch])
    torch.testing.assert_close(draw_lines(batch), single, rtol=0, atol=1e-12)


def test_a_whole_turn_changes_nothing():
    batch = angles(0.3, 1.1, 2.9, 4.4, 6.0)
    torch.testing.assert_close(draw_lines(batch + 2 * math.pi), draw_lines(batch), rtol=0, atol=1e-12)


def test_dtype_follows_the_angles_and_no_lines_are_an_empty_batch():
    assert draw_lines(torch.tensor([1.0])).dtype == torch.float32
    torch.testing.assert_close(draw_lines(torch.tensor([1.0])).double(), draw_lines(angles(1.0)), rtol=0, atol=1e-6)
    assert draw_lines(torch.empty(0)).shape == (0, 1, 32, 32)


@pytest.mark.parametrize(
    ("bad", "size", "message"),
    [
        (torch.tensor(1.0), 32, r"shape \(\).*one angle is torch.tensor\(\[angle\]\)"),
        (torch.zeros(2, 1), 32, r"shape \(2, 1\).*expected floating-point radians of shape \(N,\)"),
        (torch.tensor([1, 2]), 32, r"torch.int64.*floating-point"),
        (torch.tensor([1.0, math.nan]), 32, r"angles\[1\] is not finite"),
        (torch.tensor([1.0]), 15, r"size = 15.*16x16"),
    ],
)
def test_bad_angles_are_refused(bad: Tensor, size: int, message: str):
    with pytest.raises(InputError, match=message):
        draw_lines(bad, size)


@pytest.mark.parametrize(
    ("channels", "height", "width"), [(3, 32, 32), (1, 32, 16), (1, 8, 8)], ids=["color", "oblong", "small"]
)
def test_images_that_hold_no_line_are_refused(channels: int, height: int, width: int):
    image = ImageSpec(channels=channels, height=height, width=width)
    with pytest.raises(ConfigError, match=f"{channels}x{height}x{width}: expected channels = 1 and a square"):
        Lines(ComponentConfig(), image)


def test_training_batches_carry_the_fields_and_follow_the_generator():
    data = lines()
    batch = data.train(torch.arange(64), torch.Generator().manual_seed(1))
    assert set(batch) == data.fields
    assert batch["image"].shape == (64, 1, 32, 32)
    assert batch["image"].dtype == torch.float32
    assert batch["image"].min() == 0
    assert batch["image"].max() == 1
    assert batch["label"].dtype == torch.int64
    torch.testing.assert_close(draw_lines(batch["angle"]), batch["image"], rtol=0, atol=1e-5)

    again = data.train(torch.zeros(64, dtype=torch.int64), torch.Generator().manual_seed(1))
    other = data.train(torch.arange(64), torch.Generator().manual_seed(2))
    assert torch.equal(again["image"], batch["image"])
    assert not torch.equal(other["image"], batch["image"])


def test_labels_are_tenths_of_the_circle():
    batch = lines().train(torch.arange(20_000), torch.Generator().manual_seed(0))
    tenth = (batch["angle"].double() * 10 / (2 * math.pi)).clamp(max=9.99).long()
    assert (tenth != batch["label"]).sum() <= 1  # at most a line on the border, by float32
    counts = batch["label"].bincount(minlength=10)
    assert len(counts) == 10
    assert counts.min() > 1800


def test_held_out_lines_are_always_the_same():
    data = lines()
    everything, few = data.test(), data.test(limit=7)
    assert everything["image"].shape == (5000, 1, 32, 32)
    assert set(everything) == data.fields
    for name, value in few.items():
        assert torch.equal(value, everything[name][:7])
    assert len(data.test(limit=10_000)["image"]) == 5000
    torch.testing.assert_close(lines(48).test(limit=7)["angle"], few["angle"])
    with pytest.raises(InputError, match="limit = 0"):
        data.test(limit=0)


def test_the_reference_grid_goes_evenly_around_the_circle():
    grid = lines().reference_grid()
    images, around = lines().render(grid), grid[:, 0]
    assert images.shape == (10_000, 1, 32, 32)
    assert around[0] == 0
    assert around[-1].item() == pytest.approx(2 * math.pi - 2 * math.pi / 10_000, abs=1e-12)
    torch.testing.assert_close(around.diff(), torch.full_like(around[1:], 2 * math.pi / 10_000), rtol=0, atol=1e-12)
    torch.testing.assert_close(images[[0, 777, 9999]], draw_lines(around[[0, 777, 9999]]), rtol=0, atol=1e-12)
