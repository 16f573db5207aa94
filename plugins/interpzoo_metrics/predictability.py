"""Alpha predictability: whether a frame alone tells how far it is from the ends of its path."""

import math
from collections.abc import Sequence
from typing import Final

import torch
from torch import Generator, Tensor
from typing_extensions import override

from interpzoo.benchmark import Evaluation, Measured, Metric, NotApplicable
from interpzoo.errors import InputError
from interpzoo_metrics.probes import PROBES, Probe
from interpzoo_metrics.sets import FEWEST

_HELD_OUT: Final = 3
"""One in so many pairs is held out."""
_RUNS: Final = 2
"""Runs of each probe, with seeds of their own."""
_UNLIKE: Final = 0.9
"""Share of the pairs that is used: those whose ends differ most."""


class AlphaPredictability(Metric):
    """How well a single frame tells how far it is from the ends, in [0, 1], by the best of two probes; 0 is ideal.

    See `alpha_predictability`. The probes, a convolution network and boosted trees on statistics of an image, learn
    from paths of the same model between training images, or from two thirds of the pairs where decoding is slow. The
    tenth of the pairs whose ends are most alike is left out, as there is nothing to see between them. It notices
    whatever fades, blurs or dims along a path, and needs no feature network. It does not notice a jump from one
    real image to another, nor frames that are as unreal as the ends. It is a lower bound: a better probe may see more.
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
        return alpha_predictability(training, t, generator=generator, held_out=frames)


def alpha_predictability(
    frames: Tensor,
    alphas: Tensor,
    *,
    generator: Generator,
    held_out: Tensor | None = None,
    probes: Sequence[Probe] = PROBES,
    runs: int = _RUNS,
) -> Measured:
    """Share of the variance of min(alpha, 1 - alpha) that the best probe explains on pairs it was not trained on.

    Near 0, frames in the middle look like those at the ends; a cross-fade of two images comes near 1. Where every probe
    does worse than the mean, the value is 0. A probe's share is the mean of its runs, and the interval is over pairs
    and over runs.

    Args:
        frames: (N, T, C, H, W) with the ends, N at least 6 and T at least 3. Images whose sides all have more
            than 32 pixels (64 for the statistics) are shrunk to half their size, or a quarter, and so on.
        alphas: (T,) in [0, 1], the positions of the frames.
        generator: draws the held-out pairs and the seeds of the runs.
        held_out: (M, T, C, H, W), frames of other pairs to test on; by default a third of `frames` is held out.
        probes: what predicts alpha, see `interpzoo_metrics.probes`.
        runs: how often each probe is trained.

    Raises:
        InputError: there are too few frames, or one is not finite.
        MissingDependencyError: scikit-learn is not installed.
    """
    if frames.ndim != 5 or len(frames) < 2 * _HELD_OUT or frames.shape[1] < 3 or alphas.shape != frames.shape[1:2]:
        raise InputError(
            f"frames of shape {tuple(frames.shape)} at alphas of shape {tuple(alphas.shape)}: expected (N, T, C, H, W) "
            f"and (T,), N at least {2 * _HELD_OUT} pairs, to train on some and test on others, and T at least 3"
        )
    if not bool(frames.isfinite().all()):
        raise InputError("frames are not finite: expected values without NaN or inf")
    folded = torch.minimum(alphas, 1 - alphas).float()
    targets = (folded - folded.mean()) / folded.std(correction=0)
    if held_out is None:
        order = torch.randperm(len(frames), generator=generator)
        held_out, frames = frames[order[: len(order) // _HELD_OUT]], frames[order[len(order) // _HELD_OUT :]]
    x, unseen = (part.float().flatten(0, 1) for part in (frames, held_out))
    seeds = torch.randint(2**31, (runs,), generator=generator).tolist()
    guesses = torch.stack([probe(x, targets.repeat(len(frames)), unseen, seeds) for probe in probes])
    # Targets have variance 1; this is the unexplained part by probe, run and pair.
    left = (guesses.unflatten(2, (-1, len(targets))) - targets).square().mean(3).double()

    def best(part: Tensor) -> float:
        return max(0.0, 1 - float(part.mean((1, 2)).min()))

    def resample(rows: Tensor, generator: Generator) -> float:
        return best(left[:, torch.randint(runs, (runs,), generator=generator)][:, :, rows])

    return Measured(best(left), resample, len(held_out), bounds=(0.0, 1.0))
