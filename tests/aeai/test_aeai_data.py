"""The data sets of AEAI: poles drawn exactly, and views of a turntable, made here or real."""

from __future__ import annotations

import io
import math
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from interpzoo_aeai.coil20 import COIL20, COIL20Config
from interpzoo_aeai.pole_shadow import PoleShadow, draw_pole_shadows
from PIL import Image
from torch import Generator, Tensor

from interpzoo.config import ComponentConfig, ImageSpec
from interpzoo.errors import ConfigError, DataError, InputError

GRAY32 = ImageSpec(channels=1, height=32, width=32)
GRAY4 = ImageSpec(channels=1, height=4, width=4)


def degrees(*values: tuple[float, float]) -> Tensor:
    return torch.deg2rad(torch.tensor(values, dtype=torch.float64))


def sampled(azimuth: float, altitude: float, size: int = 32, samples: int = 32) -> Tensor:
    """A pole drawn in the plainest way: what each of 32x32 points of every pixel shows, without any fading."""
    side = size * samples
    y, x = torch.meshgrid(*2 * [(torch.arange(side, dtype=torch.float64) + 0.5) / samples - size / 2], indexing="ij")
    y, half = -y, size / 2
    tip = 0.8 * half / math.tan(altitude)
    tip_x, tip_y = -tip * math.cos(azimuth), -tip * math.sin(azimuth)
    share = ((x * tip_x + y * tip_y) / tip**2).clamp(0, 1)
    in_shadow = torch.hypot(x - share * tip_x, y - share * tip_y) <= 0.1 * half
    shown = torch.where(torch.hypot(x, y) <= 0.1 * half, 1.0, torch.where(in_shadow, 0.1, 0.8))
    return shown.view(size, samples, size, samples).mean((1, 3))


@pytest.fixture(scope="module")
def data() -> PoleShadow:
    """All poles."""
    return PoleShadow(ComponentConfig(), GRAY32)


class TestPoles:
    @pytest.mark.parametrize(("azimuth", "altitude"), [(0, 45), (30, 45), (135, 52.5), (201, 80), (287, 63)])
    def test_pixels_are_the_share_of_what_they_show(self, azimuth: float, altitude: float) -> None:
        light = degrees((azimuth, altitude))
        difference = (draw_pole_shadows(light)[0, 0] - sampled(*light[0].tolist())).abs()
        assert difference.max() < 0.03
        assert difference.mean() < 1e-3

    @pytest.mark.parametrize("altitude", [45, 60, 80])
    def test_shadow_and_pole_have_the_area_of_their_shapes(self, altitude: float) -> None:
        """A shadow of width 2 r and length h / tan(altitude), round at both ends, and a disc upon it."""
        lights = degrees(*((azimuth, altitude) for azimuth in range(0, 360, 23)))
        r, length = 0.1 * 16, 0.8 * 16 / math.tan(math.radians(altitude))
        disc = math.pi * r**2
        expected = 0.8 * 32**2 - 0.7 * (2 * r * length + disc) + 0.9 * disc
        totals = draw_pole_shadows(lights).sum((1, 2, 3))
        torch.testing.assert_close(totals, torch.full_like(totals, expected), rtol=0, atol=0.1)

    def test_the_shadow_falls_away_from_the_light(self) -> None:
        right, above = draw_pole_shadows(degrees((0, 45), (90, 45)))[:, 0]
        assert right[15, 3] < 0.15 < 0.75 < right[15, 28]
        assert above[28, 15] < 0.15 < 0.75 < above[3, 15]
        # It ends at 16 + 0.8 16 pixels, and a radius later altogether.
        assert above[28:31, 15].tolist() == pytest.approx([0.1, 0.1, 0.8], abs=0.35)

    def test_a_quarter_turn_of_the_light_turns_the_image(self) -> None:
        first, second = draw_pole_shadows(degrees((37, 50), (127, 50)))
        torch.testing.assert_close(second, first.rot90(1, (1, 2)))

    def test_gray_values_follow_the_light_without_steps(self) -> None:
        lights = degrees(*((40 + n / 1000, 60) for n in range(50)))
        steps = draw_pole_shadows(lights).diff(dim=0).abs().flatten(1)
        assert steps.max() < 1e-3
        assert bool((steps.amax(1) > 0).all())

    def test_all_lights_are_there_once_and_the_split_is_a_fifth(self, data: PoleShadow) -> None:
        assert data.size == 461
        train = data.train(torch.arange(461), Generator())
        test = data.test()
        assert train.keys() == test.keys() == data.fields
        found = torch.rad2deg(torch.cat([train["parameters"], test["parameters"]])).round().int().tolist()
        assert len(found) == 576
        assert sorted(map(tuple, found)) == [(a, b) for a in range(0, 360, 5) for b in range(45, 85, 5)]

    def test_images_are_exactly_those_of_their_parameters(self, data: PoleShadow) -> None:
        test = data.test(9)
        assert test["image"].shape == (9, 1, 32, 32)
        assert test["image"].dtype == test["parameters"].dtype == torch.float32
        torch.testing.assert_close(draw_pole_shadows(test["parameters"]), test["image"], rtol=0, atol=1e-5)
        assert torch.equal(draw_pole_shadows(data.parameters[:99]).float(), data.images[:99])

    def test_it_is_deterministic_and_draws_nothing(self, data: PoleShadow) -> None:
        generator = Generator().manual_seed(3)
        before = generator.get_state()
        torch.manual_seed(99)
        again = PoleShadow(ComponentConfig(), GRAY32)
        indices = torch.tensor([5, 460, 5])
        ours, theirs = data.train(indices, generator), again.train(indices, generator)
        assert torch.equal(ours["image"], theirs["image"])
        assert torch.equal(ours["image"][0], ours["image"][2])
        assert torch.equal(data.test()["parameters"], again.test()["parameters"])
        assert torch.equal(generator.get_state(), before)

    def test_the_light_turns_the_shorter_way(self) -> None:
        starts, ends = degrees((350, 45), (10, 50), (100, 45)), degrees((10, 75), (350, 50), (200, 80))
        t = torch.tensor([0, 0.5, 1], dtype=torch.float64)
        found = torch.rad2deg(PoleShadow.manifold.between(starts, ends, t)).round(decimals=9)
        assert found.tolist() == [
            [[350, 45], [360, 60], [370, 75]],
            [[10, 50], [0, 50], [-10, 50]],
            [[100, 45], [150, 62.5], [200, 80]],
        ]

    def test_images_in_between_begin_and_end_with_the_ends(self) -> None:
        starts, ends = degrees((350, 45), (100, 80)), degrees((30, 75), (60, 50))
        path = PoleShadow.manifold.between(starts, ends, torch.tensor([0.0, 0.25, 1.0]))
        first, _, last = draw_pole_shadows(path.flatten(0, 1)).unflatten(0, (2, 3)).unbind(1)
        torch.testing.assert_close(first, draw_pole_shadows(starts))
        torch.testing.assert_close(last, draw_pole_shadows(ends))

    @pytest.mark.parametrize(
        ("parameters", "size", "part"),
        [
            (degrees((0, 45))[0], 32, r"shape \(2,\)"),
            (torch.ones(3, 2, dtype=torch.int64), 32, "torch.int64"),
            (degrees((0, 45), (0, 91)), 32, r"parameters\[1\] = \[0.0, 1.58"),
            (degrees((0, 0)), 32, r"parameters\[0\]"),
            (degrees((math.nan, 45)), 32, r"parameters\[0\] = \[nan"),
            (degrees((0, 45)), 8, "size = 8"),
        ],
    )
    def test_invalid_parameters(self, parameters: Tensor, size: int, part: str) -> None:
        with pytest.raises(InputError, match=part):
            draw_pole_shadows(parameters, size)

    def test_invalid_requests(self, data: PoleShadow) -> None:
        with pytest.raises(InputError, match="limit = 0"):
            data.test(0)
        for channels, height in ((3, 32), (1, 8), (1, 64)):
            with pytest.raises(ConfigError, match=f"PoleShadow: image = {channels}x{height}x32"):
                PoleShadow(ComponentConfig(), ImageSpec(channels=channels, height=height, width=32))

    def test_nothing_to_draw(self) -> None:
        assert draw_pole_shadows(torch.empty(0, 2)).shape == (0, 1, 32, 32)


datasets: Any = pytest.importorskip("datasets")


@pytest.fixture
def _alone(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No network, and a cache of its own."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


def write_table(root: Path, rows: list[tuple[int, int]]) -> Path:
    """Images of 4x4 pixels of the gray 100 object + view, in the layout of the Hub."""
    images: list[dict[str, Any]] = []
    for label, angle in rows:
        file = io.BytesIO()
        Image.new("L", (4, 4), 100 * label + angle // 5).save(file, "PNG")
        images.append({"bytes": file.getvalue(), "path": None})
    features = {"image": datasets.Image(), "label": datasets.Value("int64"), "angle": datasets.Value("int32")}
    columns = {"image": images, "label": [label for label, _ in rows], "angle": [angle for _, angle in rows]}
    (root / "coil20").mkdir()
    table = datasets.Dataset.from_dict(columns, features=datasets.Features(features))
    table.to_parquet(root / "coil20" / "train-00000-of-00001.parquet")
    return root


ROWS = [(label, 5 * view) for label in (0, 1) for view in range(72)]


@pytest.mark.usefixtures("_alone")
class TestTurntable:
    def test_every_fourth_view_is_held_out(self, tmp_path: Path) -> None:
        data = COIL20(COIL20Config(), GRAY4, write_table(tmp_path, ROWS))
        train, test = data.train(torch.arange(data.size or 0), Generator()), data.test()
        assert train.keys() == test.keys() == data.fields == {"image", "label", "angle"}
        held_out = torch.rad2deg(test["angle"]).round().int().tolist()
        assert held_out == 2 * list(range(15, 360, 20))
        assert test["label"].tolist() == 18 * [0] + 18 * [1]
        assert sorted(held_out + torch.rad2deg(train["angle"]).round().int().tolist()) == sorted(a for _, a in ROWS)
        assert train["angle"].dtype == torch.float32

    def test_images_stay_with_their_angles(self, tmp_path: Path) -> None:
        data = COIL20(COIL20Config(), GRAY4, write_table(tmp_path, ROWS))
        for batch in (data.train(torch.tensor([70, 3, 3]), Generator()), data.test(30)):
            view = torch.rad2deg(batch["angle"]) / 5
            gray = (100 * batch["label"] + view) / 255
            torch.testing.assert_close(batch["image"], gray.view(-1, 1, 1, 1).expand_as(batch["image"]))

    def test_whole_turns_in_any_order_of_rows(self, tmp_path: Path) -> None:
        order = torch.randperm(len(ROWS), generator=Generator().manual_seed(0)).tolist()
        turns = COIL20(COIL20Config(), GRAY4, write_table(tmp_path, [ROWS[row] for row in order])).turns()
        assert turns.shape == (2, 72, 1, 4, 4)
        grays = torch.tensor([[100], [200]]) - 100 + torch.arange(72)
        torch.testing.assert_close(turns[..., 0, 0, 0], grays / 255)

    @pytest.mark.parametrize(
        ("rows", "part"),
        [
            ([row for row in ROWS if row != (1, 40)], "object 1 has 0 images at 40 degrees"),
            ([*ROWS, (0, 355)], "object 0 has 2 images at 355 degrees"),
        ],
    )
    def test_turns_that_are_not_whole(self, rows: list[tuple[int, int]], part: str, tmp_path: Path) -> None:
        data = COIL20(COIL20Config(), GRAY4, write_table(tmp_path, rows))
        with pytest.raises(DataError, match=part):
            data.turns()

    @pytest.mark.parametrize("angle", [-5, 360, 7])
    def test_angles_that_the_turntable_does_not_have(self, angle: int, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=f"'coil20': angle = {angle}: expected degrees 0, 5, ..., 355"):
            COIL20(COIL20Config(), GRAY4, write_table(tmp_path, [*ROWS, (0, angle)]))

    def test_no_view_to_hold_out(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="of 2 images 0 are to be held out"):
            COIL20(COIL20Config(), GRAY4, write_table(tmp_path, [(0, 0), (0, 5)]))

    @pytest.mark.parametrize("n", [0, -1])
    def test_no_pairs(self, n: int, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=f"n = {n}: expected at least 1 pair"):
            COIL20(COIL20Config(), GRAY4, write_table(tmp_path, ROWS)).pairs(n, Generator())

    def test_a_missing_folder(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"'coil20', which is not in .* cannot be read"):
            COIL20(COIL20Config(), GRAY32, tmp_path)


def test_the_real_turntable() -> None:
    root = os.environ.get("INTERPZOO_DATA")
    if root is None or not (Path(root) / "coil20").is_dir():
        pytest.skip(f"no folder 'coil20' below INTERPZOO_DATA = {root!r}")
    data = COIL20(COIL20Config(), GRAY32, Path(root))
    assert (data.size, len(data.test()["image"])) == (1080, 360)
    turns = data.turns()
    assert turns.shape == (20, 72, 1, 32, 32)
    # Neighbours are nearer than views across, and the last is next to the first.
    near = (turns - turns.roll(1, 1)).square().mean((2, 3, 4))
    across = (turns - turns.roll(18, 1)).square().mean((2, 3, 4))
    assert bool((near.mean(1) < 0.6 * across.mean(1)).all())
    assert near[:, 0].mean() < 1.5 * near.mean()
