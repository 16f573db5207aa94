"""Measures of flatness on decoders whose geometry is known: a matrix, a cylinder, a sphere."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Generator, Tensor

from interpzoo.errors import InputError
from interpzoo.metrics.flatness import (
    condition_numbers,
    length_ratios,
    magnification,
    metric_tensors,
)


def scaled(z: Tensor) -> Tensor:
    """(2 a, 3 b)."""
    return z * torch.tensor([2.0, 3.0])


def polar(z: Tensor) -> Tensor:
    """Radius and angle to the plane: G = diag(1, r^2)."""
    r, angle = z.unbind(1)
    return torch.stack([r * angle.cos(), r * angle.sin()], 1)


class TestMetric:
    def test_by_hand(self) -> None:
        assert metric_tensors(scaled, torch.zeros(2, 2)).tolist() == [[[4, 0], [0, 9]]] * 2
        z = torch.tensor([[1.0, 0.3], [2.5, 2.0]])
        torch.testing.assert_close(
            metric_tensors(polar, z),
            torch.diag_embed(torch.tensor([[1, 1], [1, 6.25]], dtype=torch.float64)),
            atol=1e-6,
            rtol=1e-6,
        )

    def test_codes_of_any_shape_in_parts(self) -> None:
        z = torch.rand(5, 2, 1, 1, generator=Generator().manual_seed(0)) + 1

        def decoder(codes: Tensor) -> Tensor:
            return polar(codes.flatten(1))

        whole = metric_tensors(decoder, z)
        assert whole.shape == (5, 2, 2)
        torch.testing.assert_close(metric_tensors(decoder, z, batch_size=1), whole)
        assert metric_tensors(decoder, z[:0]).shape == (0, 2, 2)


def test_condition_numbers_are_those_of_g() -> None:
    G = torch.tensor([[[4.0, 0.0], [0.0, 9.0]], [[2.0, 1.0], [1.0, 2.0]], [[1.0, 1.0], [1.0, 1.0]]])
    found = condition_numbers(G.double())
    assert found[:2].tolist() == pytest.approx([9 / 4, 3])
    assert found[2] > 1e12  # singular, to rounding
    assert condition_numbers(torch.zeros(1, 2, 2) + torch.diag(torch.tensor([1.0, 0.0]))).item() == math.inf


class TestMagnification:
    def test_by_hand(self) -> None:
        """sqrt det = 6 and 2: mean 4."""
        G = torch.tensor([[[4.0, 0.0], [0.0, 9.0]], [[2.0, 0.0], [0.0, 2.0]]])
        assert magnification(G).tolist() == pytest.approx([1.5, 0.5])

    def test_the_scale_is_no_matter_in_many_dimensions(self) -> None:
        factors = torch.tensor([1.0, 3.0]).view(2, 1, 1)
        G = factors ** (2 / 200) * torch.eye(200)
        for scale in (1e-6, 1.0, 1e6):
            # The determinant itself overflows.
            assert magnification(scale * G.double()).tolist() == pytest.approx([0.5, 1.5], rel=1e-4)


class TestLengthRatios:
    def test_straight_lines_against_themselves(self) -> None:
        ends = torch.tensor([[[0.0, 0.0], [1.0, 2.0]]])
        assert length_ratios(scaled, ends).tolist() == pytest.approx([1])

    def test_an_arc_against_its_chord(self) -> None:
        """In polar coordinates the straight line from (1, 0) to (1, pi / 2) is the arc, the geodesic its chord."""
        t = torch.linspace(0, 1, 400)
        x, y = 1 - t, t
        chord = torch.stack([torch.hypot(x, y), torch.atan2(y, x)], 1)[None]
        ratio = length_ratios(polar, chord, nodes=400)
        assert ratio.tolist() == pytest.approx([math.pi / 2 / math.sqrt(2)], rel=1e-4)

    def test_no_graph_is_kept(self) -> None:
        """Of 500 paths in 73 points, through a decoder of faces, it had 20 GiB."""
        assert not length_ratios(torch.nn.Linear(2, 3), torch.rand(2, 5, 2)).requires_grad

    def test_a_path_without_length(self) -> None:
        with pytest.raises(InputError, match=r"paths\[1\] decodes to one image"):
            length_ratios(scaled, torch.tensor([[[0.0, 0.0], [1.0, 0.0]], [[1.0, 1.0], [1.0, 1.0]]]))
