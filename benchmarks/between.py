"""The evaluation of the AEAI paper: ``python benchmarks/between.py aeai-coil20 acai-coil20 ae-coil20`` (or folders).

Models of one of its two data sets, against the true images between.

coil20, from every view of every object to the one 15 to 80 degrees further on:

- mean squared error of the frames between, times 1000, for each interval; at 80 degrees with the 95 % interval over
  objects, and of those frames alone whose true view no model has seen;
- alpha: mean distance at 80 degrees of a frame's alpha from that of the nearest view of the interval.

pole-shadow, between ``--pairs`` pairs of lights 15 to 80 degrees of azimuth apart:

- mean squared error of the frames between, times 1000;
- path: mean deviation of azimuth and altitude, read off the nearest image, from straight lines, as a share of their
  length, with its 95 % interval over pairs; a jump halfway has nearly 0.25.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from compared import arguments, compared, spread
from interpzoo_aeai.coil20 import COIL20
from interpzoo_aeai.evaluation import INTERVALS, score_poles, score_turns
from interpzoo_aeai.pole_shadow import PoleShadow
from torch import Tensor

from interpzoo.model import InterpolationModel


def coil_row(model: InterpolationModel, turns: Tensor) -> str:
    """One line of the table of turning objects."""
    scores = [score_turns(model, turns, degrees) for degrees in INTERVALS]
    longest = scores[-1]
    means = " ".join(f"{1e3 * score.mean:5.2f}" for score in scores)
    objects = longest.errors[:, 1:-1].mean(1).unflatten(0, (len(turns), -1)).mean(1)
    truth = torch.linspace(0, 1, longest.alphas.shape[1], dtype=torch.float64)
    alpha = float((longest.alphas - truth).abs().mean())
    return f"{means}   {spread(1e3 * objects):>16s}   {1e3 * longest.mean_held_out:8.3f}   {alpha:.3f}"


def pole_row(model: InterpolationModel, data: PoleShadow, n: int) -> str:
    """One line of the table of poles."""
    scores = score_poles(model, data, n=n)
    return f"{1e3 * scores.mean:6.3f}   {spread(scores.paths.deviation)}"


def main() -> None:
    """Print the table."""
    parser = arguments(__doc__)
    parser.add_argument("--pairs", type=int, default=500, help="of lights")
    options = parser.parse_args()
    models, data = compared(options.models)
    row: Callable[[InterpolationModel], str]
    if isinstance(data, COIL20):
        turns = data.turns()
        row = partial(coil_row, turns=turns)
        print(f"{len(turns)} objects in {turns.shape[1]} views")  # noqa: T201
        degrees = " ".join(f"{degrees:5d}" for degrees in INTERVALS)
        print(f"{'degrees':24s} {degrees}   80 (95 %)          held out   alpha")  # noqa: T201
    elif isinstance(data, PoleShadow):
        row = partial(pole_row, data=data, n=options.pairs)
        print(f"{options.pairs} pairs")  # noqa: T201
        print(f"{'':24s} between   path (95 %)")  # noqa: T201
    else:
        raise SystemExit(f"{models[0].config.name!r} was trained on neither coil20 nor pole-shadow")
    for model in models:
        print(f"{model.config.name:24s} {row(model)}", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
