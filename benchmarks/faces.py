"""Whether faces between faces are faces: ``python benchmarks/faces.py acai-celeba ae-celeba ...`` (names or folders).

Over 9 frames between random pairs of validation images, as the models' own paths and as the blend of pixels:

- PSNR: of the reconstructions of all validation images, in dB.
- step: the largest step as a share of the path's length in pixels, mean and 95 % quantile; a fade has 1/8, a jump 1.
- sharp: mean squared gradient of the middle third of the frames over that of the reconstructed ends.
- told: variance of min(alpha, 1 - alpha) that a small network explains from a frame alone (see
  `interpzoo.metrics.predictability`). It is trained on the paths between training images, each in one pair and all of
  them, and tested on those between validation images; mean, least and largest of ``--seeds``.
"""

from __future__ import annotations

import torch
from compared import arguments, compared
from torch import Generator, Tensor

from interpzoo.metrics.motion import largest_jumps, step_lengths
from interpzoo.metrics.predictability import alpha_predictability
from interpzoo.metrics.reconstruction import psnr
from interpzoo.metrics.sharpness import middle_and_end_gradients
from interpzoo.model import InterpolationModel

_FRAMES = 9
_CHUNK = 250


def pairs(images: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """Every image in one pair."""
    order = torch.randperm(len(images), generator=Generator().manual_seed(seed))
    half = len(order) // 2
    return images[order[:half]], images[order[half : 2 * half]]


def walk(model: InterpolationModel | None, first: Tensor, last: Tensor) -> Tensor:
    """Frames (N, T, C, H, W) of a model, or of the blend, clamped to [0, 1]."""
    t = torch.linspace(0, 1, _FRAMES)
    if model is None:
        return torch.lerp(first[:, None], last[:, None], t.view(-1, 1, 1, 1))
    parts = zip(first.split(_CHUNK), last.split(_CHUNK), strict=True)
    return torch.cat([model.interpolate(a, b, t=t).clamp(0, 1).half() for a, b in parts])


def row(name: str, model: InterpolationModel | None, train: Tensor, test: Tensor, seeds: int, steps: int) -> str:
    """One line of the table, of training and validation images (N, C, H, W)."""
    frames = walk(model, *pairs(test, seed=0)).float()
    steepest = largest_jumps(step_lengths(frames))
    middle, ends = middle_and_end_gradients(frames)
    told: list[float] = []
    for seed in range(seeds):
        seen = walk(model, *pairs(train, seed=seed))
        t, generator = torch.linspace(0, 1, _FRAMES), Generator().manual_seed(seed)
        told.append(alpha_predictability(seen, t, generator=generator, steps=steps, held_out=frames).value)
    noise = "      -"
    if model is not None:
        reconstructed = torch.cat([model.reconstruct(x) for x in test.split(_CHUNK)])
        noise = f"{float(psnr(test, reconstructed).mean()):7.2f}"
    return (
        f"{name:20s} {noise}   {float(steepest.mean()):.3f} {float(steepest.quantile(0.95)):.3f}"
        f"   {float(middle.sum() / ends.sum()):.3f}   {sum(told) / seeds:.3f} ({min(told):.3f} - {max(told):.3f})"
    )


def main() -> None:
    """Print the table."""
    parser = arguments(__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=1500, help="of the small network's training")
    options = parser.parse_args()
    models, data = compared(options.models)
    train = data.train(torch.arange(data.size or 0), Generator())["image"]
    test = data.test()["image"]
    print(f"{len(train)} train, {len(test)} validation")  # noqa: T201
    print(f"{'':20s}    PSNR   step  95 %    sharp   told")  # noqa: T201
    for name, model in [("pixel blend", None), *((model.config.name, model) for model in models)]:
        print(row(name, model, train, test, options.seeds, options.steps), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
