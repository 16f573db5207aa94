"""Interpolations against the truth between their ends, on cases whose answers are known."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Generator, Tensor

from interpzoo.errors import InputError
from interpzoo.metrics.between import arcs, between_errors, parameter_paths, predict_alpha

ALPHAS = torch.linspace(0, 1, 5, dtype=torch.float64)


def pixels(values: Tensor) -> Tensor:
    """Values (...) as images of one pixel (..., 1, 1, 1)."""
    return values[..., None, None, None]


def noise(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=Generator().manual_seed(0))


class TestArcs:
    def test_from_each_view_on_and_around(self) -> None:
        turns = torch.tensor([[0, 1, 2, 3], [10, 11, 12, 13]])
        expected = [[0, 1, 2], [1, 2, 3], [2, 3, 0], [3, 0, 1], [10, 11, 12], [11, 12, 13], [12, 13, 10], [13, 10, 11]]
        assert arcs(turns, 2).tolist() == expected

    def test_images(self) -> None:
        turns = noise(2, 6, 3, 4, 5)
        found = arcs(turns, 4)
        assert found.shape == (12, 5, 3, 4, 5)
        assert torch.equal(found[6 + 3], turns[1, [3, 4, 5, 0, 1]])

    @pytest.mark.parametrize("steps", [0, 6])
    def test_steps_out_of_range(self, steps: int) -> None:
        with pytest.raises(InputError, match=rf"steps = {steps} on turns of shape \(2, 6\)"):
            arcs(noise(2, 6), steps)


class TestErrors:
    def test_by_hand(self) -> None:
        truths = torch.zeros(1, 3, 1, 1, 2)
        frames = torch.tensor([[0.0, 0.0], [0.1, 0.3], [-0.5, 1.5]]).view(1, 3, 1, 1, 2)
        expected = torch.tensor([[0, (0.01 + 0.09) / 2, (0.25 + 2.25) / 2]])
        torch.testing.assert_close(between_errors(frames, truths), expected)

    @pytest.mark.parametrize("shape", [(2, 3, 1, 4, 4), (2, 3, 4, 4)])
    def test_shapes_that_differ(self, shape: tuple[int, ...]) -> None:
        for measure in (between_errors, predict_alpha):
            with pytest.raises(InputError, match=r"frames of shape \(2, 5, 1, 4, 4\) and truths"):
                measure(noise(2, 5, 1, 4, 4), noise(*shape))


class TestPredictedAlpha:
    def test_truths_have_their_own(self) -> None:
        truths = noise(3, 5, 2, 4, 4)
        assert torch.equal(predict_alpha(truths, truths), ALPHAS.expand(3, -1))
        assert torch.equal(predict_alpha(truths.flip(1), truths), ALPHAS.flip(0).expand(3, -1))

    def test_a_jump_is_a_step(self) -> None:
        truths = noise(1, 5, 2, 4, 4)
        assert predict_alpha(truths[:, [0, 0, 0, 4, 4]], truths).tolist() == [[0, 0, 0, 1, 1]]

    def test_only_the_intervals_own_images_count(self) -> None:
        truths = pixels(torch.tensor([[0.0, 0.5, 1.0], [0.6, 0.7, 0.8]]))
        frames = pixels(torch.tensor([[0.6, 0.7, 0.8], [0.0, 0.5, 1.0]]))
        assert predict_alpha(frames, truths).tolist() == [[0.5, 0.5, 1.0], [0.0, 0.0, 1.0]]

    def test_norms(self) -> None:
        """From (0, 0) to (.3, 0) it is .3 either way, to (.2, .2) it is .4 in L1 and .28 in L2."""
        truths = torch.tensor([[0.3, 0.0], [0.2, 0.2]]).view(1, 2, 1, 1, 2)
        frames = torch.zeros(1, 2, 1, 1, 2)
        assert predict_alpha(frames, truths, norm="l1").tolist() == [[0, 0]]
        assert predict_alpha(frames, truths).tolist() == [[1, 1]]

    def test_of_equal_images_the_first(self) -> None:
        same = torch.full((1, 4, 1, 2, 2), 0.3)
        assert predict_alpha(same, same).tolist() == [[0, 0, 0, 0]]

    def test_one_frame_is_no_interval(self) -> None:
        with pytest.raises(InputError, match="at least its 2 ends"):
            predict_alpha(noise(1, 1, 1, 2, 2), noise(1, 1, 1, 2, 2))


class TestParameterPaths:
    """Images of two pixels that are the parameters, the first an angle in degrees, on a grid of whole numbers."""

    PERIODS = torch.tensor([360.0, math.inf])
    GRID = torch.cartesian_prod(torch.arange(360.0), torch.arange(11.0))

    def paths(self, shown: Tensor, starts: Tensor, ends: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        frames = shown[:, :, None, None]
        images = self.GRID[:, None, None]
        found = parameter_paths(frames, images, self.GRID, starts, ends, periods=self.PERIODS)
        return found.from_start, found.from_end, found.deviation

    def test_an_even_path_gives_two_straight_lines(self) -> None:
        start, end = torch.tensor([[100.0, 2.0]]), torch.tensor([[140.0, 10.0]])
        shown = torch.lerp(start[:, None], end[:, None], ALPHAS.float()[:, None])
        from_start, from_end, deviation = self.paths(shown, start, end)
        length = math.hypot(40, 8)
        torch.testing.assert_close(from_start[0], ALPHAS * length)
        torch.testing.assert_close(from_end[0], (1 - ALPHAS) * length)
        assert deviation.item() == pytest.approx(0, abs=1e-12)

    def test_the_shorter_way_round(self) -> None:
        """350, 355, 0, 5 and 10 degrees; another angle's difference would be 345."""
        shown = torch.tensor([[[350.0, 0], [355, 0], [0, 0], [5, 0], [10, 0]]])
        from_start, from_end, deviation = self.paths(shown, shown[:, 0], shown[:, -1])
        assert from_start.tolist() == [[0, 5, 10, 15, 20]]
        assert from_end.tolist() == [[20, 15, 10, 5, 0]]
        assert deviation.item() == 0

    def test_a_jump_and_a_detour_by_hand(self) -> None:
        """The ends alone: (0 + 1/4 + 1/2 + 1/4 + 0) / 5 by either curve; a detour upwards is longer from both ends."""
        ends = torch.tensor([[[10.0, 0], [18, 0]]]).expand(2, -1, -1)
        shown = torch.tensor(
            [[[10.0, 0], [10, 0], [10, 0], [18, 0], [18, 0]], [[10, 0], [12, 0], [14, 3], [16, 0], [18, 0]]]
        )
        from_start, from_end, deviation = self.paths(shown, ends[:, 0], ends[:, 1])
        assert from_start.tolist() == [[0, 0, 0, 8, 8], [0, 2, 5, 6, 8]]
        assert from_end.tolist() == [[8, 8, 8, 0, 0], [8, 6, 5, 2, 0]]
        assert deviation.tolist() == pytest.approx([1 / 5, 1 / 8 / 5])

    def test_frames_are_read_off_the_nearest_image(self) -> None:
        shown = torch.tensor([[[10.4, 0.0], [13.6, 0.4], [20.0, 30.0]]])
        from_start, _, _ = self.paths(shown, torch.tensor([[10.0, 0]]), torch.tensor([[20.0, 10.0]]))
        assert from_start.tolist() == [[0, 4, pytest.approx(math.hypot(10, 10))]]

    def test_no_way_to_go(self) -> None:
        ends = torch.tensor([[0.0, 0.0], [360.0, 5.0]])
        with pytest.raises(InputError, match=r"starts\[1\] = \[0.0, 5.0\] is its end"):
            self.paths(torch.zeros(2, 3, 2), torch.tensor([[1.0, 0.0], [0.0, 5.0]]), ends)

    def test_shapes_that_do_not_fit(self) -> None:
        point, frames = torch.zeros(2, 2), torch.zeros(2, 3, 1, 1, 2)
        images = self.GRID[:, None, None]
        for bad, part in (
            ({"frames": frames[:, :1]}, "frames of shape"),
            ({"images": images[..., :1]}, "images of shape"),
            ({"parameters": self.GRID[1:]}, "parameters of shape"),
            ({"ends": point[:1]}, "ends of shape"),
            ({"periods": self.PERIODS[:1]}, "parameters of shape"),
        ):
            given = {"frames": frames, "images": images, "parameters": self.GRID, "starts": point, "ends": point}
            with pytest.raises(InputError, match=part):
                parameter_paths(**{"periods": self.PERIODS, **given, **bad})
