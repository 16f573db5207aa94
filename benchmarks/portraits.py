"""Paths between portraits in the codes of a large autoencoder, side by side.

    python benchmarks/portraits.py tae:FOLDER WORK [--path "geodesic nodes=40"] [--pairs 8]

Neutral portraits of different people (data set portraits256, searched for under INTERPZOO_DATA), 256x256, seven frames
a path. WORK keeps the frames of each pair, so that a stopped run goes on, and a picture of the first pair. The figures
are those of `interpzoo.score`, with a cut and a cross-fade of the same ends, and

- norm: of the code in the middle, over the mean of the ends';
- landmarks: pixels, of the inner face, between where the path sends a landmark and where the second face has it. Only
  metamorphosis moves anything;
- seconds: CPU time a pair for encoding, path and decoding, one thread.
"""

from __future__ import annotations

# ruff: noqa: T201
import argparse
import time
import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from interpzoo_metamorphosis import morph
from morphing import INNER, portrait_pairs
from torch import Tensor
from torch.nn.functional import avg_pool2d

import interpzoo
from interpzoo.benchmark.results import Score
from interpzoo.markdown import markdown_table
from interpzoo.model import InterpolationModel

PATHS = ("linear", "slerp", "geodesic nodes=5 max_iterations=2", "metamorphosis")
STEPS = 7
METRICS = ("sharpness", "alpha-predictability", "path-length", "fade-distance")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="an autoencoder of 256x256, such as tae:./taef2")
    parser.add_argument("work", type=Path)
    parser.add_argument("--path", action="append", help=f"instead of {', '.join(PATHS)}")
    parser.add_argument("--pairs", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    model = interpzoo.load(args.model)
    a, b, points_a, points_b = portrait_pairs("validation", args.pairs, args.seed)
    tools: dict[str, Tensor] = {}
    measured: dict[str, list[str]] = {}
    for path in args.path or PATHS:
        folder = args.work / f"{path}, seed {args.seed}"
        walks = [walk(model, path, pair, folder / f"{i}.npz") for i, pair in enumerate(zip(a, b, strict=True))]
        tools[path] = torch.stack([frames for frames, _, _ in walks])
        norm, seconds = (sum(values) / len(walks) for values in list(zip(*walks, strict=True))[1:])
        moves = path.partition(" ")[0] == "metamorphosis"
        sent = morph(tools[path][:, 0], tools[path][:, -1]).positions(points_a) if moves else points_a
        error = float((sent - points_b).norm(dim=2)[:, :INNER].mean())
        measured[path] = [f"{norm:.3f}", f"{error:.2f}", f"{seconds:.1f}"]
        print(path, *measured[path], flush=True)
    strip = torch.stack([avg_pool2d(frames[0], 2) for frames in tools.values()])
    interpzoo.save_strip(args.work / "portraits.png", strip)
    (board,) = interpzoo.score(tools, ends=(a, b), metrics=METRICS, seed=args.seed).boards
    rows = [
        [record.candidate, *map(shown, record.scores.values()), *measured.get(record.candidate, "---")]
        for record in board.records
    ]
    titles = [score.title for score in board.records[0].scores.values()]
    versions = ", ".join(f"{name} {version(name)}" for name in ("interpzoo", "torch"))
    table = markdown_table(["path", *titles, "norm", "landmarks (px)", "CPU seconds"], rows)
    print(f"{args.pairs} pairs, seed {args.seed}, one thread; {versions}.\n\n{table}")


@torch.no_grad()
def walk(model: InterpolationModel, path: str, pair: tuple[Tensor, Tensor], file: Path) -> tuple[Tensor, float, float]:
    """Frames (T, C, H, W) in [0, 1], the norm of the code in the middle, and CPU seconds; kept in `file`."""
    if not file.is_file():
        start = time.process_time()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a stated budget is not enough to converge
            codes = model.walk(model.encode(pair[0]), model.encode(pair[1]), STEPS, interpolator=path)[0][0]
        frames = model.decode(codes).clamp(0, 1).numpy()
        seconds = time.process_time() - start
        lengths = codes.flatten(1).norm(dim=1)
        norm = float(2 * lengths[STEPS // 2] / (lengths[0] + lengths[-1]))
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez(file.with_name(f".{file.name}"), frames=frames, norm=norm, seconds=seconds)
        file.with_name(f".{file.name}").rename(file)
    kept = np.load(file)
    return torch.from_numpy(kept["frames"]), float(kept["norm"]), float(kept["seconds"])


def shown(score: Score) -> str:
    if score.value is None:
        return "-"
    return f"{score.value:.3g}" + ("" if score.low is None else f" ({score.low:.3g} - {score.high:.3g})")


if __name__ == "__main__":
    main()
