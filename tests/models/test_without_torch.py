"""What `interpzoo.onnx` computes in NumPy is what torch computes: paths, even steps and pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import interpzoo
from interpzoo.errors import ImageError, OutputError
from interpzoo.geometry import even_positions, lerp, slerp
from interpzoo.onnx import paths, save_strip

GENERATOR = torch.Generator().manual_seed(0)


@pytest.mark.parametrize("steps", [2, 3, 9, 40])
def test_even_positions_are_those_of_torch(steps: int) -> None:
    speeds = torch.tensor([0.3, 1.0, 4.0, 0.0])

    def curve(t: torch.Tensor) -> torch.Tensor:
        u = t ** (1 + speeds[:, None])
        return torch.stack([u.cos(), u.sin() * speeds[:, None], t.round()], 2).float() * speeds[:, None, None]

    found = paths.even_positions(lambda t: curve(torch.from_numpy(t.copy())).numpy(), 4, steps)
    assert np.allclose(found, even_positions(curve, 4, steps).numpy(), atol=1e-6)
    assert paths.even_positions(lambda t: t[..., None], 0, steps).shape == (0, steps)
    assert (found[:, 0] == 0).all()
    assert (found[:, -1] == 1).all()
    assert (np.diff(found) > 0).all()


@pytest.mark.parametrize("name", ["linear", "slerp"])
def test_positions_may_differ_from_path_to_path(name: str) -> None:
    z0, z1 = torch.randn(2, 3, 2, 4, generator=GENERATOR)
    z1[1] = 0.1 * z1[1] - 2 * z0[1]  # nearly opposite and longer
    z1[2] = 0
    t = torch.rand(3, 5, generator=GENERATOR, dtype=torch.float64) * 2 - 0.5
    for positions in (t, t[0]):
        expected = {"linear": lerp, "slerp": slerp}[name](z0, z1, positions)
        found = paths.LINES[name](z0.numpy(), z1.numpy(), positions.numpy())
        assert np.allclose(found, expected.numpy(), atol=1e-5)


@pytest.mark.parametrize("shape", [(5, 1, 8, 12), (2, 4, 3, 16, 16), (3, 1, 3, 200, 100)])
def test_a_strip_is_that_of_torch(tmp_path: Path, shape: tuple[int, ...]) -> None:
    frames = torch.rand(*shape, generator=GENERATOR) * 1.4 - 0.2
    interpzoo.save_strip(tmp_path / "torch.png", frames)
    save_strip(tmp_path / "numpy.png", frames.numpy())
    with Image.open(tmp_path / "torch.png") as expected, Image.open(tmp_path / "numpy.png") as found:
        assert (found.mode, found.size) == (expected.mode, expected.size)
        assert np.array_equal(np.asarray(found), np.asarray(expected))


def test_what_is_no_strip_is_refused(tmp_path: Path) -> None:
    for frames in (
        np.zeros((3, 8, 8)),
        np.zeros((3, 2, 8, 8)),
        np.full((3, 1, 8, 8), np.nan),
        np.zeros((3, 1, 8, 8), int),
    ):
        with pytest.raises(ImageError, match="frames of"):
            save_strip(tmp_path / "x.png", frames)
    with pytest.raises(OutputError, match=r"the suffix is '\.xyz'"):
        save_strip(tmp_path / "x.xyz", np.zeros((3, 1, 8, 8)))
    assert not [*tmp_path.iterdir()]
