"""Compare a template of faces with as many principal components of pixels, and with a blend, on people it has not seen.

    python benchmarks/template.py [--pairs 16] [--seed 0]

Portraits (data set `portraits`, searched for under INTERPZOO_DATA), 256x256. The components of pixels are those of the
template's training images and their mirror images.

- psnr: mean over the held-out images, dB.
- middle: gradient energy of the middle frame over the mean of the two ends, as each way draws its ends, at full size
  and pooled to 64x64; of pairs of different people with a neutral face. Two faces at once lose energy.
- seconds: CPU time for encoding and decoding an image, one thread.
"""

from __future__ import annotations

# ruff: noqa: T201
import argparse
import time
from collections.abc import Callable

import torch
from morphing import portrait_pairs, structure
from torch import Generator, Tensor

from interpzoo import load
from interpzoo.build import build_component
from interpzoo.config import Component
from interpzoo.interfaces import DataSet

Network = Callable[[Tensor], Tensor]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    model = load("template-portraits256")
    data = build_component(DataSet, Component(name="portraits"), model.config.image, None)
    images = data.train(torch.arange(data.size or 0), Generator())["image"]
    others = data.test()["image"]
    a, b, *_ = portrait_pairs("validation", args.pairs, args.seed)
    print(f"torch {torch.__version__}, 1 thread, {len(others)} images, {args.pairs} pairs, seed {args.seed}")
    print(f"{'way':28} {'psnr':>6} {'full':>6} {'pooled':>7} {'seconds':>8}")
    ways: dict[str, tuple[Network, Network]] = {
        "template": (model.encode, model.decode),
        f"{model.latent_shape[0]} components of pixels": components(images, model.latent_shape[0]),
        "mean image": (lambda x: x[:, :0], lambda z: images.mean(0).expand(len(z), -1, -1, -1)),
        "blend": (lambda x: x, lambda z: z),
    }
    with torch.no_grad():
        for name, (encode, decode) in ways.items():
            start = time.process_time()
            errors = (decode(encode(others)).clamp(0, 1) - others).square().mean((1, 2, 3))
            seconds = (time.process_time() - start) / len(others)
            codes = encode(a), encode(b)
            first, second, middle = (decode(z) for z in (*codes, (codes[0] + codes[1]) / 2))
            kept = [structure(middle, first, second, pool) for pool in (1, 4)]
            psnr = float((-10 * errors.log10()).mean())
            print(f"{name:28} {psnr:6.2f} {kept[0]:6.2f} {kept[1]:7.2f} {seconds:8.2f}", flush=True)


def components(images: Tensor, count: int) -> tuple[Network, Network]:
    """To coordinates along the first `count` principal components of `images` and their mirror images, and back."""
    both = torch.cat([images, images.flip(-1)]).flatten(1)
    mean = both.mean(0)
    both -= mean
    lengths, ways = torch.linalg.eigh(both @ both.T)
    basis = (ways[:, -count:].T @ both) / lengths[-count:, None].sqrt()
    return lambda x: (x.flatten(1) - mean) @ basis.T, lambda z: (z @ basis + mean).view(-1, *images.shape[1:])


if __name__ == "__main__":
    main()
