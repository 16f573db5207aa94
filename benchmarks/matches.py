"""How much of the mismatch a morph leaves, and where it warns that two pictures hardly match.

    python benchmarks/matches.py [--pairs 32] [--seed 0] [--split validation]

Portraits of different people with a neutral face (data set portraits256, searched for under INTERPZOO_DATA), 256x256:

- aligned: as they are, with the eyes in the same places;
- moved by a sixteenth, an eighth or a quarter of the picture: the second, to the right, its left edge repeated;
- turned by 45 degrees: the second, about its center, its edges repeated;
- upside down: the second;
- a scan: the second is a medical image instead (data set mednist), which no part of a face looks like.

The mismatch is that of local structure (`MorphReport`). Least, median and largest are over the pairs: the part of it
that is left where both have moved halfway. `warned` counts the pairs that give a warning.
"""

from __future__ import annotations

# ruff: noqa: T201
import argparse

import torch
from interpzoo_metamorphosis import morph
from morphing import portrait_pairs
from torch import Tensor
from torch.nn import functional

from interpzoo.config import ImageSpec
from interpzoo.data.sources import load_splits
from interpzoo.images import as_batch
from interpzoo.markdown import markdown_table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--split", default="validation")
    args = parser.parse_args()
    a, b, _, _ = portrait_pairs(args.split, args.pairs, args.seed)
    others = {
        "aligned": b,
        **{f"moved by {n} pixels": torch.cat([b[..., :1].expand(-1, -1, -1, n), b[..., :-n]], 3) for n in (16, 32, 64)},
        "turned by 45 degrees": _turned(b),
        "upside down": b.flip(2),
        "a scan": _scans(len(b), args.seed),
    }
    rows = []
    for name, second in others.items():
        report = morph(a, second).report
        left = torch.tensor([pair.mismatch_after / pair.mismatch_before for pair in report])
        shown = [f"{share:.2f}" for share in (left.min(), left.median(), left.max())]
        rows.append([name, *shown, f"{sum(pair.is_poor for pair in report)} of {len(report)}"])
    print(markdown_table(["second picture", "least", "median", "largest", "warned"], rows))
    print(f"\ntorch {torch.__version__}, {args.pairs} pairs of {args.split}, seed {args.seed}")


def _turned(images: Tensor) -> Tensor:
    """The images turned by 45 degrees about their center."""
    half = 0.5**0.5
    turn = torch.tensor([[half, -half, 0], [half, half, 0]]).expand(len(images), 2, 3)
    grid = functional.affine_grid(turn, list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, padding_mode="border", align_corners=False)


def _scans(n: int, seed: int) -> Tensor:
    """Medical images (n, 3, 256, 256)."""
    table = load_splits("mednist")["test"]
    chosen = torch.randint(len(table), (n,), generator=torch.Generator().manual_seed(seed))
    spec = ImageSpec(channels=3, height=256, width=256)
    return torch.cat([as_batch(table[i]["image"], spec) for i in chosen.tolist()])


if __name__ == "__main__":
    main()
