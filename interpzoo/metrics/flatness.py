"""How flat a latent space is under its decoder: measures on G = J^T J, and of straight lines against geodesics.

Source: Chen et al., arXiv 2002.04881, section 4, whose definitions leave some room; FlatVI (theislab/FlatVI,
geometry_metrics.py), whose condition number is G's.
"""

import math

import torch
from torch import Tensor

from interpzoo.errors import InputError
from interpzoo.geometry import BATCH_SIZE, Decode, curve_length, flat_decoder, jacobian, resample
from interpzoo.tensors import widest


@torch.no_grad()
def metric_tensors(decoder: Decode, z: Tensor, *, batch_size: int = BATCH_SIZE) -> Tensor:
    """G = J^T J, (B, d, d) in float64, at codes `z` (B, *latent_shape); J in the decoder's own precision.

    Args:
        decoder: differentiable; its mean image counts.
        z: where to measure.
        batch_size: decoder evaluations in flight, d + 1 for each code.

    Raises:
        InputError: as `flat_decoder`.
    """
    flat = flat_decoder(decoder, z.shape[1:])
    dimension = math.prod(z.shape[1:])
    tensors = [torch.empty(0, dimension, dimension, dtype=widest(z.device), device=z.device)]
    for part in z.flatten(1).split(max(1, batch_size // (dimension + 1))) if len(z) else ():
        J = jacobian(flat, part)[1].to(widest(z.device))
        tensors.append(J.mT @ J)
    return torch.cat(tensors)


def condition_numbers(G: Tensor) -> Tensor:
    """(B,): largest over smallest eigenvalue of metric tensors (B, d, d), infinite where one is singular.

    1 is isotropic. It is the square of the Jacobian's own condition number.
    """
    eigenvalues = torch.linalg.eigvalsh(G)
    return eigenvalues[:, -1] / eigenvalues[:, 0].clamp_min(0)


def magnification(G: Tensor) -> Tensor:
    """(B,): sqrt(det G), relative to its mean over the metric tensors (B, d, d); 1 everywhere is a constant volume."""
    log_factor = torch.linalg.slogdet(G)[1] / 2
    return (log_factor - log_factor.logsumexp(0) + math.log(len(G))).exp()


@torch.no_grad()  # a graph of all decoded points would fill the memory
def length_ratios(decoder: Decode, paths: Tensor, *, nodes: int = 65) -> Tensor:
    """Decoded length of the straight line between the ends of each path, over the path's own: (B,) in float64.

    If the paths are geodesics, it is at least 1, up to their own error; it is 1 where straight lines are geodesics. No
    gradients are tracked.

    Args:
        decoder: what lengths are measured under.
        paths: (B, N, *latent_shape), N at least 2.
        nodes: chords are summed between that many nodes of path and line.

    Raises:
        InputError: as `resample`; a path has no length.
    """
    lengths = curve_length(decoder, resample(paths, nodes, smooth=True))
    if not bool((lengths > 0).all()):
        row = int((lengths <= 0).nonzero()[0])
        raise InputError(f"paths[{row}] decodes to one image: it has no length to compare with")
    return curve_length(decoder, resample(paths[:, [0, -1]], nodes)) / lengths
