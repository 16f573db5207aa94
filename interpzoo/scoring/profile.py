"""How paths change from frame to frame, and what they are: a cross-fade, a cut, or something else."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from interpzoo.metrics.along import (
    fade_distances,
    gradients_along,
    middle_and_ends,
    returns,
    step_lengths,
)

_ELSE: Final = "neither a cut nor a cross-fade"
_LOOP: Final = "ends where it begins"
_STILL: Final = 0.5 / 255  # longest step, of pixels in [0, 1], of a path that stands still
_CUT: Final = 0.8  # longest step as a share of the path, from which it is a cut
_FADE: Final = 0.06  # mean distance from a fade, as a share of the distance between the ends, up to which it is one
_GAMMA: Final = 2.2  # of a fade in linear light
_BLURRED: Final = 0.8  # sharpness: gradients of the middle third over those of the ends


@dataclass(frozen=True)
class Profile:
    """Means over the paths of a tool."""

    verdict: str
    """What the paths are, in words."""
    steps: list[float]
    """T - 1 steps between frames, pixel by pixel, as shares of the whole path."""
    sharpness: list[float]
    """Mean squared gradient of each of T frames over that of the ends."""
    fade: list[float]
    """Distance of each of T frames from the nearest mix of the ends, as a share of the distance between the ends; 0
    where these are the same."""


def profile_of(frames: Tensor) -> Profile:
    """The profile of paths (N, T, C, H, W), T at least 3; paths that stand still count in no mean but sharpness."""
    steps = step_lengths(frames)
    total = steps.sum(1, keepdim=True)
    shares = (steps / total)[total[:, 0] > 0]
    each = gradients_along(frames)
    middle, around = middle_and_ends(each)
    gradients = each.mean(0)
    ends = gradients[[0, -1]].mean()
    loops = returns(frames)
    fade = torch.full_like(steps[:, :1], torch.nan).expand(frames.shape[:2]) if loops else fade_distances(frames)
    sharp = gradients / ends if ends > 0 else torch.ones_like(gradients)
    return Profile(
        _verdict(
            steps,
            fade if loops else torch.minimum(fade, fade_distances(frames.clamp(0, 1) ** _GAMMA)),
            float(middle.sum() / around.sum()) if around.sum() > 0 else 1.0,
        ),
        _numbers(shares.mean(0)) if len(shares) else [0.0] * steps.shape[1],
        _numbers(sharp),
        _numbers(fade.nanmean(0).nan_to_num(0)),
    )


def _verdict(steps: Tensor, fade: Tensor, sharpness: float) -> str:
    kinds: Counter[str] = Counter()
    for row, distances in zip(steps, fade[:, 1:-1].mean(1).tolist(), strict=True):
        if row.max() <= _STILL:
            kinds["stands still"] += 1
        elif row.max() >= _CUT * row.sum():
            kinds["a hard cut"] += 1
        elif math.isnan(distances):
            kinds[_LOOP] += 1
        elif distances <= _FADE:
            kinds["a cross-fade of its ends"] += 1
        else:
            kinds[_ELSE] += 1
    n = len(steps)
    parts = [kind if count == n else f"{count} of {n} {kind}" for kind, count in kinds.most_common()]
    if {_ELSE, _LOOP} & {*kinds}:
        parts.append(f"{'blurred' if sharpness < _BLURRED else 'sharp'} between the ends (sharpness {sharpness:.3g})")
        longest = float((steps.amax(1) / steps.mean(1)).nanmedian())
        parts.append(f"longest step {longest:.1f} of the mean")
    return ", ".join(parts)


def _numbers(values: Tensor) -> list[float]:
    return [round(value, 6) for value in values.tolist()]
