"""Paths between portraits in the codes of a large autoencoder, side by side.

    python benchmarks/portraits.py tae:FOLDER WORK [--pairs 32] [--learned 12] [--geodesics 1]

Neutral portraits of different people (data set portraits256, searched for under INTERPZOO_DATA), 256x256, five frames
a path. WORK keeps the frames of each pair, so that a stopped run goes on, and a picture of the first pair. `pixels` is
the cross-fade of the images themselves, without a model; `cross-fade` is that cross-fade, encoded and decoded.
Sharpness and path length are those of `interpzoo.score`, on pairs of the validation people, and

- alpha predictability: its probes learn from `--learned` pairs of the training people, whom no tested pair shows;
- length: what the pixels change along the path, over what they change between its ends: no curve has less than 1;
- norm: of the code in the middle, over the mean of the ends';
- landmarks: pixels, of the inner face, between where the path sends a landmark and where the second face has it. Only
  metamorphosis moves anything;
- seconds: CPU time a pair for path and decoding, given the codes of the ends, one thread.

A second table is of geodesics at 128x128, where they take a quarter of the time, from the straight line and from the
encoded cross-fade.
"""

from __future__ import annotations

# ruff: noqa: T201
import argparse
import time
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from interpzoo_metamorphosis import morph
from interpzoo_metrics.predictability import alpha_predictability
from interpzoo_riemannian import geodesic
from morphing import INNER, portrait_pairs
from torch import Tensor
from torch.nn.functional import avg_pool2d

import interpzoo
from interpzoo.markdown import markdown_table
from interpzoo.metrics.along import step_lengths
from interpzoo.metrics.measured import interval, resampled
from interpzoo.model import InterpolationModel

PIXELS: Final = "pixels"
FADE: Final = "cross-fade"
PATHS: Final = (PIXELS, "linear", "slerp", FADE, "metamorphosis")
METRICS: Final = ("sharpness", "path-length")
T: Final = torch.linspace(0, 1, 5)
NODES: Final = 5
ITERATIONS: Final = (0, 10, 30)


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="an autoencoder of 256x256, such as tae:./taef2")
    parser.add_argument("work", type=Path)
    parser.add_argument("--pairs", type=int, default=32, help="of people of the validation part")
    parser.add_argument("--learned", type=int, default=12, help="pairs of other people that probes learn from")
    parser.add_argument("--geodesics", type=int, default=1, help="pairs of the second table")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    model = interpzoo.load(args.model)
    for network in (model.encoder, model.decoder):
        # A third faster here.
        network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    a, b, points_a, points_b = portrait_pairs("validation", args.pairs, args.seed)
    known = portrait_pairs("train", args.learned, args.seed)[:2]
    tools, measured = walks(model, (a, b), args.work / f"validation, seed {args.seed}")
    learned, _ = walks(model, known, args.work / f"train, seed {args.seed}")
    picture = {path: avg_pool2d(frames[0], 2) for path, frames in tools.items()}
    interpzoo.save_strip(args.work / "portraits.png", picture, scale=1)
    (board,) = interpzoo.score(tools, ends=(a, b), metrics=METRICS, seed=args.seed).boards
    scores = {record.candidate: record.scores for record in board.records}
    rows: list[list[str]] = []
    for path, frames in tools.items():
        moves = path == "metamorphosis"
        sent = morph(frames[:, 0], frames[:, -1]).positions(points_a) if moves else points_a
        error = float((sent - points_b).norm(dim=2)[:, :INNER].mean())
        told = predictability(learned[path], frames, args.seed)
        shown = [with_interval(s.value, s.low, s.high) for s in scores[path].values()]
        norm, seconds = (f"{value:.3g}" if value else "-" for value in measured[path])
        rows.append([path, told, *shown, f"{length(frames):.3f}", norm, f"{error:.2f}", seconds])
    versions = ", ".join(f"{name} {version(name)}" for name in ("interpzoo", "torch"))
    titles = [score.title for score in scores[PIXELS].values()]
    header = ["path", "alpha predictability", *titles, "length", "norm", "landmarks (px)", "CPU seconds"]
    print(f"{args.pairs} pairs, probes from {args.learned}, seed {args.seed}, one thread; {versions}.\n")
    print(markdown_table(header, rows), flush=True)
    shortest(model, avg_pool2d(a[: args.geodesics], 2), avg_pool2d(b[: args.geodesics], 2))


Table = tuple[dict[str, Tensor], dict[str, tuple[float, float]]]
"""By path, frames (N, T, C, H, W) in [0, 1]; and the relative norm of the code in the middle, and CPU seconds."""


def walks(model: InterpolationModel, pairs: tuple[Tensor, Tensor], folder: Path) -> Table:
    """All paths between pairs of images; each pair is kept in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    kept: list[dict[str, Any]] = []
    for number, images in enumerate(zip(*pairs, strict=True)):
        file = folder / f"{number}.npz"
        if not file.is_file():
            np.savez(file.with_suffix(".part.npz"), **walk(model, torch.stack(images)))
            file.with_suffix(".part.npz").rename(file)
        kept.append(dict(np.load(file)))
    frames = {path: torch.from_numpy(np.stack([one[path] for one in kept])) for path in PATHS}
    means = {path: np.stack([one[f"{path} measured"] for one in kept]).mean(0).tolist() for path in PATHS}
    return frames, {path: (norm, seconds) for path, (norm, seconds) in means.items()}


def walk(model: InterpolationModel, images: Tensor) -> dict[str, Any]:
    """All paths between two images (2, C, H, W): frames, and the norm in the middle and the seconds."""
    ends, found = model.encode(images), dict[str, Any]()
    drawn = model.decode(ends)
    fade = torch.lerp(images[:1], images[1:], T.view(-1, 1, 1, 1))
    found[PIXELS], found[f"{PIXELS} measured"] = fade.numpy(), np.zeros(2)
    for path in PATHS[1:]:
        start = time.process_time()
        if path == FADE:
            inner = model.encode(fade[1:-1])
        else:
            inner = model.walk(ends[:1], ends[1:], len(T), interpolator=path)[0][0, 1:-1]
        frames = torch.cat([drawn[:1], model.decode(inner), drawn[1:]]).clamp(0, 1)
        seconds = time.process_time() - start
        norm = inner[len(inner) // 2].norm() / ends.flatten(1).norm(dim=1).mean()
        found[path], found[f"{path} measured"] = frames.numpy(), np.array([float(norm), seconds])
    return found


def predictability(learned: Tensor, frames: Tensor, seed: int) -> str:
    """Alpha predictability of `frames` by probes that learn from `learned`, with an interval over pairs and runs."""
    found = alpha_predictability(learned, T, generator=torch.Generator().manual_seed(seed), held_out=frames)
    ends = interval(found.value, resampled(found, draws=1000, seed=seed))
    return with_interval(found.value, *(max(end, 0.0) for end in ends or ()))


def length(frames: Tensor) -> float:
    """How far pixels move along paths (N, T, ...), over the distance of their ends; the mean over paths."""
    return float((step_lengths(frames).sum(1) / step_lengths(frames[:, [0, -1]])[:, 0]).mean())


def shortest(model: InterpolationModel, a: Tensor, b: Tensor) -> None:
    """Print what iterations of `geodesic` save, from two starts."""
    rows: list[list[str]] = []
    ends = [model.encode(images) for images in (a, b)]
    apart = (model.decode(ends[1]) - model.decode(ends[0])).flatten(1).norm(dim=1)
    fade = torch.lerp(a[:, None], b[:, None], torch.linspace(0, 1, NODES).view(-1, 1, 1, 1))
    faded = torch.stack([model.encode(frames) for frames in fade])
    for start, init in (("straight line", None), (FADE, faded)):
        for iterations in ITERATIONS:
            begin = time.process_time()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # so few iterations are not enough to converge
                found = geodesic(model.decoder, *ends, steps=NODES, init=init, max_iterations=iterations)
            seconds = (time.process_time() - begin) / len(a)
            rows.append([start, str(iterations), f"{float((found.length / apart).mean()):.3f}", f"{seconds:.0f}"])
    print(f"\n{len(a)} pairs at 128x128, {NODES} nodes\n")
    print(markdown_table(["start", "iterations", "length", "CPU seconds"], rows))


def with_interval(value: float | None, low: float | None = None, high: float | None = None) -> str:
    if value is None:
        return "-"
    return f"{value:.3g}" + ("" if low is None else f" ({low:.3g} - {high:.3g})")


if __name__ == "__main__":
    main()
