"""How even the steps of walks are, and what even ones cost: ``python benchmarks/steps.py [MODEL ...] [--path NAME]``.

Between pairs of held-out images, nine frames are taken along each path: even in t, and with ``spacing="even"``.
The table has the longest step over the shortest, of the median pair and of the 90th percentile; the CPU time of both
calls, encoding and searching included; and their ratio. Times and the ratio are medians of at most 7 runs of both calls
in turn. Without models, all bundled ones that were trained are walked.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import torch
from torch import Tensor

from interpzoo import list_models
from interpzoo.benchmark import Task
from interpzoo.benchmark.protocol import EvaluationProtocol
from interpzoo.markdown import markdown_table
from interpzoo.metrics.along import step_lengths
from interpzoo.model import InterpolationModel
from interpzoo.pretrained.load import load
from interpzoo.spacing import Spacing

_HEADER = ("model", "path", "plain", "even", "plain, 90 %", "even, 90 %", "plain (s)", "even (s)", "cost")
_RUNS = 7
_SECONDS = 30  # CPU seconds of a model, after which no other run begins


def ratios(frames: Tensor) -> Tensor:
    """Longest step over shortest (N,) of walks (N, T, C, H, W)."""
    steps = step_lengths(frames)
    return steps.amax(1) / steps.amin(1).clamp(min=1e-9)


def walk(model: InterpolationModel, task: Task, path: str | None, spacing: Spacing) -> tuple[Tensor, float]:
    """The ratios of all pairs, and the CPU seconds."""
    begin = time.process_time()
    frames = model.interpolate(task.pairs.first, task.pairs.last, interpolator=path, spacing=spacing)
    return ratios(frames), time.process_time() - begin


def row(name: str, path: str | None, pairs: int, root: Path | None) -> list[str]:
    """One row of the table."""
    model = load(name)
    trained = model.config.trained
    if trained is None:
        sys.exit(f"{name} does not say on which data it was trained")
    task = Task(trained.data, model.config.image, EvaluationProtocol(pairs=pairs), root)
    model.interpolate(task.pairs.first[:2], task.pairs.last[:2])
    times: list[tuple[float, float]] = []
    plain = even = torch.empty(0)
    while len(times) < _RUNS and sum(map(sum, times)) < _SECONDS:
        (plain, before), (even, after) = (walk(model, task, path, spacing) for spacing in ("linear", "even"))
        times.append((before, after))
    before, after = (median(part) for part in zip(*times, strict=True))
    cost = median(after / before for before, after in times)
    found = [f"{r.quantile(q):.3g}" for q in (0.5, 0.9) for r in (plain, even)]
    shown = path or model.config.interpolator.name.rpartition(":")[2]
    return [name, shown, *found, f"{before:.2f}", f"{after:.2f}", f"{cost:.2f}"]


def trained_models() -> list[str]:
    """Models that say on which data they were trained: those of any picture do not."""
    return [name for name in list_models() if load(name).config.trained is not None]


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description="How even the steps of walks are.")
    parser.add_argument("models", nargs="*", metavar="MODEL")
    parser.add_argument("--path", action="append", help="besides each model's own path")
    parser.add_argument("--pairs", type=int, default=100)
    parser.add_argument("--data-root", type=Path)
    given = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    rows: list[list[str]] = []
    for name in given.models or trained_models():
        for path in [None, *(given.path or ())]:
            rows.append(row(name, path, given.pairs, given.data_root))
            sys.stderr.write(f"{' '.join(rows[-1])}\n")
    sys.stdout.write(f"`python benchmarks/steps.py {' '.join(arguments)}`\n\n{markdown_table(_HEADER, rows)}")


if __name__ == "__main__":
    main(sys.argv[1:])
