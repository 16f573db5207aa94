"""What ``refine`` gives and costs: ``python benchmarks/refine.py MODEL ... [--images 50]``.

Held-out images are reconstructed with 0, 1, 2, 5 and 10 steps of ``refine``. The table has the mean squared error, and
in brackets the CPU milliseconds an image.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from interpzoo.build import build_component
from interpzoo.interfaces import DataSet
from interpzoo.markdown import markdown_table
from interpzoo.pretrained.load import load

_STEPS = (0, 1, 2, 5, 10)


def row(name: str, count: int, root: Path | None) -> list[str]:
    """One row of the table."""
    model = load(name)
    trained = model.config.trained
    if trained is None:
        sys.exit(f"{name} does not say on which data it was trained")
    images = build_component(DataSet, trained.data, model.config.image, root).test(count)["image"]
    cells = [name]
    for steps in _STEPS:
        begin = time.process_time()
        error = (model.reconstruct(images, refine=steps) - images).square().mean()
        cells.append(f"{float(error):.4g} ({1000 * (time.process_time() - begin) / len(images):.0f})")
    return cells


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description="What refine gives and costs.")
    parser.add_argument("models", nargs="+", metavar="MODEL")
    parser.add_argument("--images", type=int, default=50)
    parser.add_argument("--data-root", type=Path)
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    rows: list[list[str]] = []
    for name in given.models:
        rows.append(row(name, given.images, given.data_root))
        sys.stderr.write(f"{' | '.join(rows[-1])}\n")
    table = markdown_table(("model", *(f"refine = {steps}" for steps in _STEPS)), rows)
    sys.stdout.write(f"`python benchmarks/refine.py {' '.join(arguments)}`\n\n{table}")


if __name__ == "__main__":
    main(sys.argv[1:])
