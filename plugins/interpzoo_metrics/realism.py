"""Metrics of whether single frames between the ends look like the data. None needs a feature network."""

import math
from typing import Final

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import avg_pool2d, mse_loss
from typing_extensions import override

from interpzoo.benchmark import Evaluation, Measured, Metric, NotApplicable
from interpzoo.errors import InputError
from interpzoo.metrics.along import fade_distances, squared_gradient
from interpzoo.tensors import own_randomness
from interpzoo_metrics.sets import FEWEST

_LARGEST: Final = 32
_WIDTH: Final = 16
_BATCH: Final = 64
_RATE: Final = 8e-3
_HELD_OUT: Final = 3
"""One in so many pairs is held out."""
_STEPS: Final = 1000
"""Training steps of the network that predicts alpha."""
_UNLIKE: Final = 0.9
"""Share of the pairs that is used: those whose ends differ most."""


class AlphaPredictability(Metric):
    """How well a small network predicts from a single frame how far it is from the ends, in [0, 1]; near 0 is faithful.

    See `alpha_predictability`. The network is trained on paths of the same model between training images, or on two
    thirds of the pairs where decoding is slow. The tenth of the pairs whose ends are most alike is left out, as there
    is nothing to see between them. It notices whatever fades, blurs or dims along a path, and needs no feature network.
    It does not notice a jump from one real image to another, nor frames that are as unreal as the ends.
    """

    title = "alpha predictability"
    family = "realism"
    better = "lower"
    leading = True
    order = (("truth", "blend"), ("nearest", "blend"), ("jump", "blend"))

    @override
    def measure(self, evaluation: Evaluation) -> Measured | NotApplicable:
        pairs, t = evaluation.pairs, evaluation.task.positions
        if len(pairs) < FEWEST:
            return NotApplicable(f"it learns from some pairs and is tested on others: {len(pairs)} of {FEWEST} needed")
        apart = (pairs.first - pairs.last).square().flatten(1).mean(1)
        kept = apart.argsort(descending=True)[: math.ceil(_UNLIKE * len(pairs))]
        frames, generator = evaluation.frames[kept], evaluation.generator("predictability")
        training = evaluation.training_frames
        if len(training) < FEWEST:
            return alpha_predictability(frames, t, generator=generator)
        return alpha_predictability(training, t, generator=generator, steps=_STEPS, held_out=frames)


class Sharpness(Metric):
    """Mean squared gradient of the middle third of the paths over that of their ends; 1 is as sharp.

    All pairs are taken together. It notices whatever fades or blurs along a path, and needs no feature network. It
    takes noise for detail.
    """

    title = "sharpness"
    family = "realism"
    better = "higher"
    order = (("truth", "blend"), ("nearest", "blend"), ("jump", "blend"))

    @override
    def measure(self, evaluation: Evaluation) -> Measured | NotApplicable:
        middle, ends = middle_and_end_gradients(evaluation.frames)
        if not bool(ends.sum() > 0):
            return NotApplicable("the ends are of one color")
        return Measured(
            float(middle.sum() / ends.sum()), lambda rows, _: float(middle[rows].sum() / ends[rows].sum()), len(ends)
        )


class FadeDistance(Metric):
    """Mean distance of the frames inside a path from the nearest mix of its ends; 0 is a cross-fade, of any timing.

    In shares of the distance between the ends, see `interpzoo.metrics.along.fade_distances`; it needs no feature
    network. A cut, whose frames are its ends, has 0 too. A large distance says that a path is no fade, not that its
    frames are real: noise is far from any mix. Paths whose ends are the same image are left out.
    """

    title = "fade distance"
    family = "realism"
    better = "higher"
    order = (("truth", "blend"), ("nearest", "blend"))

    @override
    def measure(self, evaluation: Evaluation) -> Measured | NotApplicable:
        found = fade_distances(evaluation.frames)[:, 1:-1].mean(1)
        found = found[~found.isnan()]
        return Measured.mean(found) if len(found) else NotApplicable("all paths end where they began")


class CycleError(Metric):
    """Mean squared difference between the codes of the frames inside a path and the codes that these were decoded from.

    |f(g(z_t)) - z_t|^2 over the variance of all end codes: the cycle of Oring et al. 2021 (arXiv 2008.01487), without
    its scale. A code that is recovered shows that the encoder knows such images, not that they are real: networks that
    are inverse to each other have 0 everywhere.
    """

    title = "cycle error"
    family = "realism"
    better = "lower"
    needs = frozenset({"model"})

    @override
    def measure(self, evaluation: Evaluation) -> Measured | NotApplicable:
        codes = torch.cat(evaluation.end_codes).float()
        variance = float(codes.var(0, correction=0).sum())
        if not variance > 0:
            return NotApplicable("all ends have one code")
        path = evaluation.path_codes[:, 1:-1]
        found = _encode(evaluation, evaluation.frames[:, 1:-1])
        return Measured.mean((found - path.cpu()).flatten(2).square().sum(2).mean(1) / variance)


@torch.no_grad()
def _encode(evaluation: Evaluation, frames: Tensor) -> Tensor:
    flat = frames.clamp(0, 1).flatten(0, 1)
    codes = torch.cat([evaluation.model.encode(part).cpu() for part in flat.split(500)])
    return codes.unflatten(0, frames.shape[:2])


def alpha_predictability(
    frames: Tensor, alphas: Tensor, *, generator: Generator, steps: int = 500, held_out: Tensor | None = None
) -> Measured:
    """Share of the variance of min(alpha, 1 - alpha) that a small network explains on pairs it was not trained on.

    Near 0, frames in the middle look like those at the ends; a cross-fade of two images comes near 1. A low value does
    not prove that there is nothing to see: the network is small and briefly trained. If it does worse than the mean,
    the value is 0.

    Args:
        frames: (N, T, C, H, W) with the ends, N at least 6 and T at least 3. Images larger than 32 are shrunk
            to half their size, or a quarter, and so on.
        alphas: (T,) in [0, 1], the positions of the frames.
        generator: draws the weights, the batches and the held-out pairs.
        steps: training steps, in batches of 64.
        held_out: (M, T, C, H, W), frames of other pairs to test on; by default a third of `frames` is held out.

    Raises:
        InputError: there are too few frames, or one is not finite.
    """
    if frames.ndim != 5 or len(frames) < 2 * _HELD_OUT or frames.shape[1] < 3 or alphas.shape != frames.shape[1:2]:
        raise InputError(
            f"frames of shape {tuple(frames.shape)} at alphas of shape {tuple(alphas.shape)}: expected (N, T, C, H, W) "
            f"and (T,), N at least {2 * _HELD_OUT} pairs, to train on some and test on others, and T at least 3"
        )
    if not bool(frames.isfinite().all()):
        raise InputError("frames are not finite: expected values without NaN or inf")
    t = frames.shape[1]
    folded = torch.minimum(alphas, 1 - alphas).float()
    targets = (folded - folded.mean()) / folded.std(correction=0)
    if held_out is None:
        order = torch.randperm(len(frames), generator=generator)
        held_out, frames = frames[order[: len(order) // _HELD_OUT]], frames[order[len(order) // _HELD_OUT :]]
    x, unseen = (_small(part.float().flatten(0, 1)) for part in (frames, held_out))
    mean, deviation = x.mean(), x.std().clamp(min=1e-6)
    network = _fit((x - mean) / deviation, targets.repeat(len(frames)), steps, generator)
    with torch.no_grad():
        guesses = torch.cat([network((part - mean) / deviation) for part in unseen.split(512)]).view(-1, t)
    # Targets have variance 1; this is the unexplained part for each pair.
    left = (guesses - targets).square().mean(1).double()
    return Measured(
        max(0.0, 1 - float(left.mean())),
        lambda rows, generator: 1 - float(left[rows].mean()),
        len(left),
    )


class _Reader(nn.Module):
    """Three convolutions, pooled over the image: local structure counts, wherever it is."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, _WIDTH, 3, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(_WIDTH, 2 * _WIDTH, 3, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * _WIDTH, 2 * _WIDTH, 3, padding=1),
            nn.LeakyReLU(0.2),
        )
        self.read = nn.Sequential(nn.Linear(4 * _WIDTH, _WIDTH), nn.LeakyReLU(0.2), nn.Linear(_WIDTH, 1))

    def forward(self, x: Tensor) -> Tensor:
        maps = self.layers(x)
        return self.read(torch.cat([maps.mean((2, 3)), maps.amax((2, 3))], 1)).flatten()


def _fit(x: Tensor, y: Tensor, steps: int, generator: Generator) -> nn.Module:
    with own_randomness(int(torch.randint(2**31, (1,), generator=generator))):
        network = _Reader(x.shape[1])
    optimizer = torch.optim.AdamW(network.parameters(), lr=_RATE, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=steps)
    with torch.enable_grad():
        for _ in range(steps):
            rows = torch.randint(len(x), (_BATCH,), generator=generator)
            optimizer.zero_grad()
            mse_loss(network(x[rows]), y[rows]).backward()
            optimizer.step()
            schedule.step()
    return network.eval()


def _small(images: Tensor) -> Tensor:
    while min(images.shape[2:]) > _LARGEST:
        images = avg_pool2d(images, 2)
    return images


def middle_and_end_gradients(frames: Tensor) -> tuple[Tensor, Tensor]:
    """`squared_gradient` of the middle third of each path and of its two ends: (N,) each, of (N, T, C, H, W).

    Raises:
        InputError: a path has fewer than 3 frames, or images are smaller than 2x2.
    """
    if frames.ndim != 5 or frames.shape[1] < 3:
        raise InputError(f"frames of shape {tuple(frames.shape)}: expected (N, T, C, H, W), T at least 3")
    found = squared_gradient(frames.flatten(0, 1)).unflatten(0, frames.shape[:2])
    last = frames.shape[1] - 1
    middle = found[:, (last + 2) // 3 : last - (last + 2) // 3 + 1]
    return middle.mean(1), found[:, [0, -1]].mean(1)
