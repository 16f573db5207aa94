"""How equal the steps of a pack of stimuli are, and what it costs: ``python benchmarks/stimuli.py [MODEL ...]``.

A pack of ``--pairs`` pairs of portraits of different people (data set portraits256), 256x256, eleven frames each, with
the defaults of `interpzoo.stimuli`. A step is the difference of two frames in the column ``pixels`` of the manifest.
The table has the largest step over the smallest, of the median and of the worst pair, and the CPU seconds of one thread
for the whole pack.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import time
from itertools import groupby, pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from morphing import portrait_pairs

import interpzoo
from interpzoo import save_frames
from interpzoo.markdown import markdown_table

_MODELS = ("metamorphosis", "acai-celeba64")


def row(name: str, pairs: list[tuple[Path, Path]], folder: Path) -> list[str]:
    """The row of a model."""
    interpzoo.load(name)  # imports what it needs, which is not measured
    begin = time.process_time()
    manifest = interpzoo.stimuli(name, pairs, folder / name)
    seconds = time.process_time() - begin
    with manifest.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    ratios: list[float] = []
    for _, frames in groupby(rows, key=lambda found: found["pair"]):
        steps = [float(b["pixels"]) - float(a["pixels"]) for a, b in pairwise(frames)]
        ratios.append(max(steps) / min(steps))
    return [name, f"{statistics.median(ratios):.3f}", f"{max(ratios):.3f}", f"{seconds:.0f}"]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=_MODELS)
    parser.add_argument("--pairs", type=int, default=20)
    options = parser.parse_args()
    torch.set_num_threads(1)
    first, second, *_ = portrait_pairs("validation", options.pairs, 0)
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for name, images in (("first", first), ("second", second)):
            save_frames(folder / name, images)
        pairs = list(zip(*(sorted((folder / name).iterdir()) for name in ("first", "second")), strict=True))
        rows = [row(name, pairs, folder) for name in options.models]
    header = ("model", "largest step over smallest, median", "worst pair", "CPU seconds")
    print(f"{options.pairs} pairs, torch {torch.__version__}\n\n{markdown_table(header, rows)}")  # noqa: T201


if __name__ == "__main__":
    main()
