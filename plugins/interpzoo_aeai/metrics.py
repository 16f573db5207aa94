"""The paper's alpha prediction as a metric, on every data set with ground-truth paths."""

import torch
from torch import Tensor
from typing_extensions import override

from interpzoo.benchmark import Evaluation, Measured, Metric, NotApplicable
from interpzoo.errors import InputError


class AlphaError(Metric):
    """Mean difference between a frame's alpha and that of the nearest ground-truth image on the same path, in [0, 1].

    Oring et al. 2021 (arXiv 2008.01487), section 4.3, which plots quartiles of the predicted alphas; distances are L2,
    as on the project page. A jump halfway has about 1/4. Frames that resemble no ground-truth image are matched as
    well, and where an object looks the same all around the prediction is arbitrary.
    """

    title = "alpha error"
    family = "truth"
    better = "lower"
    needs = frozenset({"truth"})
    order = (("truth", "jump"), ("truth", "blend"))

    @override
    def measure(self, evaluation: Evaluation) -> Measured | NotApplicable:
        found = predict_alpha(evaluation.frames, evaluation.truth_frames)
        return Measured.mean((found - evaluation.task.positions.double()).abs().mean(1))


def predict_alpha(frames: Tensor, truths: Tensor) -> Tensor:
    """Position of the ground-truth image, of the same path, that each frame is nearest to: ideally the frame's own.

    Distances are L2, as on the paper's project page, which plots the ICML version (the ICLR text has L1). If images are
    equally near, the first is taken.

    Args:
        frames: (N, T, C, H, W).
        truths: of the same shape, at positions 0, 1 / (T - 1), ..., 1; T at least 2.

    Returns:
        (N, T) float64 in [0, 1].

    Raises:
        InputError: the shapes differ, or T is less than 2.
    """
    if frames.ndim != 5 or frames.shape != truths.shape:
        raise InputError(
            f"frames of shape {tuple(frames.shape)} and truths of shape {tuple(truths.shape)}: expected (N, T, C, H, W)"
        )
    if frames.shape[1] < 2:
        raise InputError(f"frames of shape {tuple(frames.shape)}: expected at least the 2 ends of a path")
    # A matrix product would be faster, but its rounding could choose between images that are nearly the same.
    distances = torch.cdist(
        frames.flatten(2).double(), truths.flatten(2).double(), compute_mode="donot_use_mm_for_euclid_dist"
    )
    return distances.argmin(2).double() / (frames.shape[1] - 1)
