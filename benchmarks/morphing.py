"""Compare ways between two portraits: how well the landmarks match, and what is left of the structure in the middle.

    python benchmarks/morphing.py [--pairs 16] [--seed 0] [--split validation] [--codes tae:./taef2]
        [--only PATTERN]

Portraits of different people with a neutral face (data set portraits256, searched for under INTERPZOO_DATA), 256x256.

- error: mean distance, pixels, between where a landmark of the first face is sent and where the second face has it, of
  the inner face (landmarks 0 to 99) and of all 189. A blend moves nothing.
- structure: gradient energy of the middle frame over the mean of the two ends', at full size and pooled to 64x64.
- det: smallest Jacobian determinant of a deformation or its inverse over all pairs; above 0, nothing folds.
- seconds: CPU time a pair for finding the deformation and one frame, one thread.

`ILK flow` and `TV-L1 flow` are those of scikit-image (left out where it is not installed), along which both faces move
halfway. `--codes` names an autoencoder, between whose codes a straight line is drawn. `landmarks` warps by a thin-plate
spline through the landmarks themselves: what a perfect match of them would give.
"""

from __future__ import annotations

# ruff: noqa: T201
import argparse
import re
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from interpzoo_metamorphosis import morph
from interpzoo_metamorphosis.blending import blend
from interpzoo_metamorphosis.fields import at_points, smallest_determinant, warp
from scipy.interpolate import RBFInterpolator
from torch import Tensor
from torch.nn import functional

from interpzoo import load
from interpzoo.config import ImageSpec
from interpzoo.data.sources import load_splits
from interpzoo.images import as_batch

INNER = 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--split", default="validation")
    parser.add_argument("--codes", metavar="MODEL", action="append", default=[], help="an autoencoder of 256x256")
    parser.add_argument("--only", default="", help="a regular expression for names of paths")
    args = parser.parse_args()
    torch.set_num_threads(1)
    a, b, points_a, points_b = portrait_pairs(args.split, args.pairs, args.seed)
    print(f"torch {torch.__version__}, 1 thread, {args.pairs} pairs of {args.split}, seed {args.seed}")
    print(f"{'path':18} {'inner px':>8} {'all px':>8} {'det':>6} {'pooled':>7} {'full':>6} {'seconds':>8}")
    paths = {"blend": _blend, **{f"codes of {name}": _codes(name) for name in args.codes}}
    paths |= {"metamorphosis": _metamorphosis, **_flows(), "landmarks": _landmarks}
    for name, path in paths.items():
        if re.search(args.only, name) is None:
            continue
        start = time.process_time()
        middle, positions, det = path(a, b, points_a, points_b)
        seconds = (time.process_time() - start) / len(a)
        error = (positions - points_b).norm(dim=2)
        pooled, full = structure(middle, a, b, 4), structure(middle, a, b, 1)
        shown = (
            f"{name[:18]:18} {error[:, :INNER].mean():8.2f} {error.mean():8.2f} {det:6.2f} {pooled:7.2f} {full:6.2f}"
        )
        print(f"{shown} {seconds:8.2f}", flush=True)
    large = [functional.interpolate(images[:1], (1024, 1024), mode="bicubic").clamp(0, 1) for images in (a, b)]
    start = time.process_time()
    found = morph(*large)
    matched = time.process_time()
    found.frames([0.5])
    print(
        f"at 1024x1024: {matched - start:.2f} seconds to match a pair, {time.process_time() - matched:.2f} for a frame"
    )


def portrait_pairs(split: str, n: int, seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Images (n, 3, 256, 256) twice and their landmarks (n, 189, 2) twice, of different people."""
    table = load_splits("debruine/portraits256")[split]
    rows = [row for row in table if row["expression"] == "neutral"]
    images = torch.cat([as_batch(row["image"], ImageSpec(channels=3, height=256, width=256)) for row in rows])
    points = torch.tensor([row["landmarks"] for row in rows]).view(len(rows), -1, 2)
    generator = torch.Generator().manual_seed(seed)
    chosen: list[tuple[int, int]] = []
    while len(chosen) < n:
        i, j = torch.randint(len(rows), (2,), generator=generator).tolist()
        if rows[i]["person"] != rows[j]["person"] and (i, j) not in chosen:
            chosen.append((i, j))
    first, second = torch.tensor(chosen).unbind(1)
    return images[first], images[second], points[first], points[second]


def structure(middle: Tensor, a: Tensor, b: Tensor, pool: int) -> float:
    """Mean ratio of gradient energies, of gray values pooled over ``pool x pool`` pixels."""

    def energy(images: Tensor) -> Tensor:
        gray = functional.avg_pool2d(images, pool).mean(1)
        return gray.diff(dim=1).square().mean((1, 2)) + gray.diff(dim=2).square().mean((1, 2))

    return float((energy(middle) / ((energy(a) + energy(b)) / 2)).mean())


Result = tuple[Tensor, Tensor, float]
"""The middle frames, where the first images' landmarks end, and the smallest determinant."""
Path = Callable[[Tensor, Tensor, Tensor, Tensor], Result]
"""The result of images and landmarks (first, second)."""


def _blend(a: Tensor, b: Tensor, points_a: Tensor, points_b: Tensor) -> Result:
    return (a + b) / 2, points_a, 1.0


def _metamorphosis(a: Tensor, b: Tensor, points_a: Tensor, points_b: Tensor) -> Result:
    found = morph(a, b)
    det = min(report.smallest_determinant for report in found.report)
    return found.frames([0.5])[:, 0], found.positions(points_a), det


def _codes(name: str) -> Path:
    model = load(name)

    def path(a: Tensor, b: Tensor, points_a: Tensor, points_b: Tensor) -> Result:
        frames = [model.interpolate(*pair, t=[0.5], interpolator="linear") for pair in zip(a, b, strict=True)]
        return torch.stack([frame[0] for frame in frames]).clamp(0, 1), points_a, float("nan")

    return path


def _flows() -> dict[str, Path]:
    try:
        from skimage.registration import optical_flow_ilk, optical_flow_tvl1
    except ImportError:
        return {}

    def along(flow: Callable[..., Any], **options: Any) -> Path:
        def path(a: Tensor, b: Tensor, points_a: Tensor, points_b: Tensor) -> Result:
            grays = zip(a.mean(1).numpy(), b.mean(1).numpy(), strict=True)
            flows = [flow(first, second, **options) for first, second in grays]
            field = torch.stack([torch.from_numpy(flow[::-1].copy()) for flow in flows]).float()
            half = torch.full((len(a), 1, 1, 1), 0.5)
            middle = blend([warp(a, -field / 2, "bicubic"), warp(b, field / 2, "bicubic")], [half, half]).clamp(0, 1)
            return middle, points_a + at_points(field, points_a), float(smallest_determinant(field).min())

        return path

    return {"ILK flow": along(optical_flow_ilk, radius=12), "TV-L1 flow": along(optical_flow_tvl1)}


def _landmarks(a: Tensor, b: Tensor, points_a: Tensor, points_b: Tensor) -> Result:
    middle = (points_a + points_b) / 2
    warped = [
        warp(images, _spline(middle, points, 256), "bicubic") for images, points in ((a, points_a), (b, points_b))
    ]
    half = torch.full((len(a), 1, 1, 1), 0.5)
    return blend(warped, [half, half]).clamp(0, 1), points_b, float("nan")


def _spline(centers: Tensor, targets: Tensor, size: int) -> Tensor:
    """The displacements (B, 2, size, size) of the thin-plate spline that sends `centers` (B, K, 2) to `targets`."""

    y, x = torch.meshgrid(torch.arange(float(size)), torch.arange(float(size)), indexing="ij")
    pixels = torch.stack([x, y], -1).view(-1, 2).numpy()
    found = [
        # A little smoothing: some landmarks coincide.
        RBFInterpolator(places.numpy(), moved.numpy(), smoothing=0.5)(pixels)
        for places, moved in zip(centers, targets - centers, strict=True)
    ]
    return torch.from_numpy(np.stack(found)).float().mT.view(len(centers), 2, size, size)


if __name__ == "__main__":
    main()
