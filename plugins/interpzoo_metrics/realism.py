"""Metrics of whether single frames between the ends look like the data. None needs a feature network."""

import torch
from torch import Tensor
from typing_extensions import override

from interpzoo.benchmark import Evaluation, Measured, Metric, NotApplicable
from interpzoo.metrics.along import gradients_along, middle_and_ends


class Sharpness(Metric):
    """Mean squared gradient of the middle third of the paths over that of their ends; 1 is as sharp.

    All pairs are taken together. It notices whatever fades or blurs along a path, and needs no feature network. It
    takes noise for detail.
    """

    title = "sharpness"
    family = "realism"
    better = "higher"
    target = 1.0
    order = (("truth", "blend"), ("nearest", "blend"), ("jump", "blend"))

    @override
    def measure(self, evaluation: Evaluation) -> Measured | NotApplicable:
        middle, ends = middle_and_ends(gradients_along(evaluation.frames))
        if not bool(ends.sum() > 0):
            return NotApplicable("the ends are of one color")
        return Measured.of_pairs(lambda rows: float(middle[rows].sum() / ends[rows].sum()), len(ends))


class CycleError(Metric):
    """Mean squared difference between the codes of the frames inside a path and the codes that these were decoded from.

    |f(g(z_t)) - z_t|^2 over the variance of all end codes: the cycle of Oring et al. 2021 (arXiv 2008.01487), without
    its scale. A code that is recovered shows that the encoder knows such images, not that they are real: networks that
    are inverse to each other have 0 everywhere.
    """

    title = "cycle error"
    family = "realism"
    better = "lower"
    ranked = False
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
