"""How codes bend, and what that is good for: ``python benchmarks/bending.py lowbend-sundial ae-sundial ...``.

Names or folders of models of one data set of pairs at known distances. On held-out pairs:

- |D1|: mean stretch of codes, |f(x) - f(y)| / d(x, y), and the largest over the smallest.
- bending: mean |D2|^2 of codes scaled to a mean stretch of 1, at pairs up to epsilon and up to half of it apart.
- in between: mean squared error of the decoded straight line between two codes up to 2 epsilon apart against the image
  of the true geodesic, over the 7 frames between, with its 95 % interval over pairs; and of the reconstructed ends.
"""

from __future__ import annotations

from compared import arguments, compared, spread
from interpzoo_lowbend.evaluation import score_embedding, score_geodesics
from interpzoo_lowbend.pairs import Pairs

from interpzoo.model import InterpolationModel


def row(model: InterpolationModel, data: Pairs, n: int) -> str:
    """One line of the table."""
    near = score_embedding(model, data, n=n)
    nearer = score_embedding(model, data, n=n, epsilon=data.epsilon / 2)
    errors = score_geodesics(model, data, n=n)
    between = errors[:, 1:-1].mean(1).double()
    return (
        f"{model.config.name:28s}   {near.mean_stretch:6.3f} {near.distortion:7.2f}   "
        f"{near.scaled_bending:8.4f} {nearer.scaled_bending:8.4f}   "
        f"{spread(between, '.3e')}   {float(errors[:, [0, -1]].mean()):.3e}"
    )


def main() -> None:
    """Print the table."""
    parser = arguments(__doc__)
    parser.add_argument("--pairs", type=int, default=1000)
    options = parser.parse_args()
    models, data = compared(options.models)
    if not isinstance(data, Pairs):
        raise SystemExit(f"{models[0].config.name!r} was not trained on pairs at known distances")
    print(f"epsilon {data.epsilon:.4f}, {options.pairs} pairs")  # noqa: T201
    print(f"{'':28s}     |D1| max/min    bending  at half   in between (95 %)          ends")  # noqa: T201
    for model in models:
        print(row(model, data, options.pairs), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
