"""The closed form: a linear combination of Gaussian codes, put back to the distribution that they came from.

Source: Bodin et al., arXiv 2408.08558, where the Gaussian case is called COG in its first versions and LOL in later
ones.
"""

import torch
from torch import Tensor

from interpzoo.errors import InputError
from interpzoo.geometry import align
from interpzoo.tensors import NumberInput, as_numbers, check_floats


def combine(codes: Tensor, weights: Tensor, mean: NumberInput | float = 0.0) -> Tensor:
    """Linear combinations of independent codes of N(m, S), which are codes of N(m, S) again.

    With a = sum_i w_i and b = sum_i w_i^2 the sum s = sum_i w_i z_i is of N(a m, b S), and

        y = s / sqrt(b) + (1 - a / sqrt(b)) m

    is of N(m, S), whatever S. Codes of any other distribution keep their mean and covariance. The weights may be
    negative and need not sum to 1: the orthogonal basis of a subspace is one choice. Their common scale says nothing.

    Args:
        codes: (B, k, *latent), k codes for each combination.
        weights: (B, k), in each row at least one that is not 0.
        mean: m, (*latent) or a number.

    Returns:
        (B, *latent). A row whose only weight that is not 0 is positive is that code itself.

    Raises:
        InputError: shapes that do not fit, values that are not finite or too large, or weights that are all 0.
    """
    codes, weights = check_floats("codes", codes), check_floats("weights", weights)
    if codes.ndim < 3 or weights.shape != codes.shape[:2]:
        raise InputError(
            f"codes {tuple(codes.shape)} and weights {tuple(weights.shape)}: expected codes (B, k, *latent) and "
            "weights (B, k)"
        )
    center = as_numbers("mean", mean, codes.device, torch.promote_types(codes.dtype, torch.float32)).to(codes)
    if center.shape not in (codes.shape[2:], ()):
        raise InputError(
            f"mean has shape {tuple(center.shape)}: expected {tuple(codes.shape[2:])}, that of a code, or one number"
        )
    largest = weights.abs().amax(1, keepdim=True)
    if not bool((largest > 0).all()):
        raise InputError("the weights of a combination are all 0: expected at least one other number in each row")
    shares = (weights / largest).to(codes)  # so that the squares neither vanish nor overflow
    shares = shares / shares.norm(dim=1, keepdim=True)
    mixed = (align(shares, codes) * codes).sum(1)
    mixed = mixed + align(1 - shares.sum(1), mixed) * center
    if not bool(mixed.isfinite().all()):
        largest_code = float(codes.abs().max())
        raise InputError(f"codes of up to {largest_code:.3g} are too large for {codes.dtype}: give smaller ones")
    return mixed
