"""Paths on the manifold of the codes against straight lines: ``python benchmarks/manifold.py MODEL...``.

For data whose geodesics are known. Pairs are independent points of the manifold, so that most are farther apart than
those of training; 2,000 training codes show where the manifold is. The frame in the middle of each path is compared
with the image of the geodesic's middle, by mean squared error; a pixel blend is there for scale. Brackets are 95 %
intervals over pairs, by 1,000 bootstrap draws.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from interpzoo.benchmark import Task
from interpzoo.benchmark.protocol import EvaluationProtocol
from interpzoo.geometry import SampledManifold
from interpzoo.markdown import markdown_table
from interpzoo.model import InterpolationModel
from interpzoo.pretrained.load import read_model
from interpzoo.pretrained.locate import locate

_CODES = 2000
_PAIRS = 300
_DRAWS = 1000


@torch.no_grad()
def measure(model: InterpolationModel, task: Task) -> list[tuple[str, ...]]:
    """A row for each third of the pairs, by their distance."""
    manifold = task.data.manifold
    if not isinstance(manifold, SampledManifold):
        sys.exit(f"{model.name} was not trained on data whose geodesics are known")
    model.codes = model.encode(task.data.train(torch.arange(_CODES), Generator().manual_seed(0))["image"])
    draw = Generator().manual_seed(1)
    p, q = manifold.sample(_PAIRS, draw), manifold.sample(_PAIRS, draw)
    order = manifold.distance(p, q).argsort()
    p, q = p[order], q[order]
    first, last, truth = (task.data.render(points) for points in (p, q, manifold.midpoint(p, q)))
    ends = model.encode(torch.cat([first, last])).chunk(2)
    frames = {path: model.interpolate_codes(*ends, [0.5], interpolator=path)[:, 0] for path in ("linear", "projected")}
    errors = [((first + last) / 2 - truth), *(model.decode(codes) - truth for codes in frames.values())]
    distance = manifold.distance(p, q)
    rows: list[tuple[str, ...]] = []
    for part in torch.arange(_PAIRS).chunk(3):
        span = f"{float(distance[part[0]]):.2f} - {float(distance[part[-1]]):.2f}"
        rows.append((model.name, span, *(interval(error[part].square().mean((1, 2, 3))) for error in errors)))
    return rows


def interval(values: Tensor) -> str:
    draws = values[torch.randint(len(values), (_DRAWS, len(values)), generator=Generator().manual_seed(0))].mean(1)
    low, high = draws.quantile(torch.tensor([0.025, 0.975], dtype=draws.dtype)).tolist()
    return f"{float(values.mean()):.3g} ({low:.3g} - {high:.3g})"


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description="Paths on the manifold of the codes against straight lines.")
    parser.add_argument("models", nargs="+", metavar="MODEL")
    rows: list[tuple[str, ...]] = []
    for name in parser.parse_args(arguments).models:
        model = read_model(locate(name))
        if model.config.trained is None:
            sys.exit(f"{name} does not say on which data it was trained")
        rows += measure(model, Task(model.config.trained.data, model.config.image, EvaluationProtocol(), None))
    header = ("model", "distance of the ends", "pixel blend", "straight line", "projected")
    sys.stdout.write(f"`python benchmarks/manifold.py {' '.join(arguments)}`\n\n{markdown_table(header, rows)}")


if __name__ == "__main__":
    main(sys.argv[1:])
