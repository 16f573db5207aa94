"""Whether codes of a pendulum form a ring: ``python benchmarks/ring.py MODEL|FOLDER ...``.

All images are drawn without noise. Measured for each model:

- roundness: ratio of the singular values of the codes of all angles, 1 for a circle, 0 for a line;
- largest step: the largest distance between codes of angles 1/4 degree apart, over the median one: a ring that is torn
  has a step as long as the ring is wide, hundreds of times the median;
- mean squared error of the frames between two angles, beside that of a blend of the two images, by their difference:
  256 random pairs for each range, seven frames each, with 95 % intervals over pairs.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence

import torch
from interpzoo_fmvae.pendulum import draw_pendulums
from torch import Generator, Tensor

from interpzoo.markdown import markdown_table
from interpzoo.model import InterpolationModel
from interpzoo.pretrained.load import read_model
from interpzoo.pretrained.locate import locate

_RANGES = ((0.0, 22.5), (22.5, 45.0), (45.0, 90.0), (90.0, 135.0), (135.0, 180.0))
_PAIRS = 256
_POSITIONS = torch.linspace(0, 1, 9)[1:-1]


@torch.no_grad()
def shape(model: InterpolationModel) -> tuple[float, float]:
    """Roundness of the codes, and the largest step between neighbors over the median one."""
    z = model.encode(draw_pendulums(2 * math.pi * torch.arange(1440) / 1440)).flatten(1)
    values = torch.linalg.svdvals(z - z.mean(0))
    steps = (z - z.roll(-1, 0)).norm(dim=1)
    return float(values[-1] / values[0]), float(steps.max() / steps.median())


def angles(least: float, most: float) -> tuple[Tensor, Tensor]:
    """Starts and ends (N,) of turns between `least` and `most` degrees, in radians."""
    start, turn = torch.rand(2, _PAIRS, generator=Generator().manual_seed(0))
    start = 2 * math.pi * start
    return start, start + torch.deg2rad(least + (most - least) * turn)


def truth(start: Tensor, end: Tensor) -> Tensor:
    """Images (N, T, 1, H, W) on the turn."""
    between = start[:, None] + (end - start)[:, None] * _POSITIONS
    return draw_pendulums(between.flatten()).unflatten(0, between.shape)


def cell(frames: Tensor, start: Tensor, end: Tensor) -> str:
    errors = (frames - truth(start, end)).square().flatten(1).mean(1)
    margin = 1.96 * float(errors.std()) / math.sqrt(len(errors))
    return f"{1000 * float(errors.mean()):.2f} +- {1000 * margin:.2f}"


@torch.no_grad()
def row(model: InterpolationModel | None) -> list[str]:
    """Errors by range, of a model or of the blend."""
    cells: list[str] = []
    for least, most in _RANGES:
        start, end = angles(least, most)
        first, last = draw_pendulums(start), draw_pendulums(end)
        if model is None:
            frames = torch.lerp(first[:, None], last[:, None], _POSITIONS.view(-1, 1, 1, 1))
        else:
            frames = model.interpolate(first, last, t=_POSITIONS)
        cells.append(cell(frames, start, end))
    return cells


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description="Whether codes of a pendulum form a ring.")
    parser.add_argument("models", nargs="+")
    rows = [["blend", "-", "-", *row(None)]]
    for name in parser.parse_args(arguments).models:
        model = read_model(locate(name))
        rows.append([name, *(f"{value:.3g}" for value in shape(model)), *row(model)])
    ranges = [f"{least:g} to {most:g} degrees" for least, most in _RANGES]
    sys.stdout.write(markdown_table(("", "roundness", "largest step", *ranges), rows))
    sys.stdout.write("\nErrors are in thousandths.\n")


if __name__ == "__main__":
    main(sys.argv[1:])
