"""Interpolations compared with ground-truth paths, on cases whose answers are known."""

from __future__ import annotations

import pytest
import torch
from interpzoo_aeai.metrics import predict_alpha
from interpzoo_metrics.truth import between_errors, path_deviation
from torch import Tensor

from interpzoo.errors import InputError
from tests.tiny import noise

ALPHAS = torch.linspace(0, 1, 5, dtype=torch.float64)


def pixels(values: Tensor) -> Tensor:
    """Values (...) as images of one pixel (..., 1, 1, 1)."""
    return values[..., None, None, None]


class TestErrors:
    def test_by_hand(self) -> None:
        truths = torch.zeros(1, 3, 1, 1, 2)
        frames = torch.tensor([[0.0, 0.0], [0.1, 0.3], [-0.5, 1.5]]).view(1, 3, 1, 1, 2)
        expected = torch.tensor([[0, (0.01 + 0.09) / 2, (0.25 + 2.25) / 2]])
        torch.testing.assert_close(between_errors(frames, truths), expected)

    @pytest.mark.parametrize("shape", [(2, 3, 1, 4, 4), (2, 3, 4, 4)])
    def test_shapes_that_differ(self, shape: tuple[int, ...]) -> None:
        with pytest.raises(InputError, match=r"frames of shape \(2, 5, 1, 4, 4\) and truths"):
            predict_alpha(noise(2, 5, 1, 4, 4), noise(*shape))
        with pytest.raises(InputError, match=r"reconstructions of shape \(10, 1, 4, 4\)"):
            between_errors(noise(2, 5, 1, 4, 4), noise(*shape))


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

    def test_the_norm_is_l2(self) -> None:
        """From (0, 0) to (.3, 0) it is .3 either way, to (.2, .2) it is .4 in L1 and .28 in L2."""
        truths = torch.tensor([[0.3, 0.0], [0.2, 0.2]]).view(1, 2, 1, 1, 2)
        assert predict_alpha(torch.zeros(1, 2, 1, 1, 2), truths).tolist() == [[1, 1]]

    def test_of_equal_images_the_first(self) -> None:
        same = torch.full((1, 4, 1, 2, 2), 0.3)
        assert predict_alpha(same, same).tolist() == [[0, 0, 0, 0]]

    def test_one_frame_is_not_a_path(self) -> None:
        with pytest.raises(InputError, match="at least the 2 ends"):
            predict_alpha(noise(1, 1, 1, 2, 2), noise(1, 1, 1, 2, 2))


class TestPathDeviation:
    def deviation(self, *points: float) -> float:
        """Deviation of a path through points of a line, at even positions."""
        path = torch.tensor(points, dtype=torch.float64)[None]
        length = (path[:, -1] - path[:, 0]).abs()
        return path_deviation(
            (path - path[:, :1]).abs(), (path - path[:, -1:]).abs(), length, torch.linspace(0, 1, len(points)).double()
        ).item()

    def test_an_even_path(self) -> None:
        assert self.deviation(100, 110, 120, 130, 140) == pytest.approx(0, abs=1e-7)

    def test_a_jump(self) -> None:
        """(0 + 1/4 + 1/2 + 1/4 + 0) / 5 by either curve."""
        assert self.deviation(10, 10, 10, 18, 18) == pytest.approx(1 / 5)

    def test_a_detour_is_longer_from_both_ends(self) -> None:
        """Distances 0, 2, 5, 6, 8 instead of 0, 2, 4, 6, 8, from either end, of a length of 8."""
        from_start = torch.tensor([[0, 2, 5, 6, 8]]).double()
        found = path_deviation(from_start, from_start.flip(1), torch.tensor([8.0]), torch.linspace(0, 1, 5))
        assert found.item() == pytest.approx(1 / 8 / 5)
