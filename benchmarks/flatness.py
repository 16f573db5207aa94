"""How flat latent spaces are: ``python benchmarks/flatness.py fmvae-pendulum vae-pendulum ...`` (names or folders).

Of the decoder's metric G = J^T J, at the codes of held-out images and at mixes of two of them apart:

- condition: median of the largest over the smallest eigenvalue.
- volume: interquartile range of sqrt(det G) over its mean.

And the decoded length of straight lines between codes over that of the unconstrained geodesic, median, 5 % and 95 % of
``--pairs`` pairs of held-out images, on `pendulum` of those whose angles are at most 45 degrees apart.
"""

from __future__ import annotations

import warnings

import torch
from compared import arguments, compared
from interpzoo_fmvae.evaluation import mixed, near_pairs, score_flatness, straightness
from interpzoo_riemannian.report import NotConvergedWarning
from torch import Generator, Tensor

from interpzoo.interfaces import Batch
from interpzoo.model import InterpolationModel

_CODES = 1000


def pairs(batch: Batch, n: int) -> tuple[Tensor, Tensor]:
    """Rows of `n` pairs of images."""
    if "angle" in batch:
        return near_pairs(batch["angle"].flatten(), n)
    order = torch.randperm(len(batch["image"]), generator=Generator().manual_seed(0))
    return order[:n], order[n : 2 * n]


def row(model: InterpolationModel, batch: Batch, n: int) -> str:
    """One line of the table."""
    with torch.no_grad():
        codes = model.encode(batch["image"])
    first, last = pairs(batch, n)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotConvergedWarning)  # the straight line is then the shortest that is known
        ratios = straightness(model, codes[first], codes[last])
    low, median, high = ratios.quantile(torch.tensor([0.05, 0.5, 0.95], dtype=ratios.dtype)).tolist()
    cells = [f"{model.config.name:24s}"]
    for points in (codes, mixed(codes)):
        scores = score_flatness(model, points)
        cells.append(f"{scores.median_condition:10.3g} {scores.magnification_range:8.3f}")
    return "   ".join([*cells, f"{median:7.3f} ({low:.3f} - {high:.3f})"])


def main() -> None:
    """Print the table."""
    parser = arguments(__doc__)
    parser.add_argument("--pairs", type=int, default=200)
    options = parser.parse_args()
    models, data = compared(options.models)
    batch = data.test(_CODES)
    print(f"{len(batch['image'])} held-out images")  # noqa: T201
    print(f"{'':24s}   {'codes: condition, volume':>19s}   {'mixes':>19s}   straight / geodesic")  # noqa: T201
    for model in models:
        print(row(model, batch, options.pairs), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
