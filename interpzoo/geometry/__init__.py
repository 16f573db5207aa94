"""The geometry that a decoder induces on its latent space.

A decoder is any callable or module from latents (B, *latent) to (B, ...), where each output depends on its own latent
only. Derivatives come from `torch.func`: no layer is hooked. Every function follows the caller's gradient mode.
"""

from interpzoo.geometry.curves import at, constant_speed, curve_energy, curve_length, resample, segment_lengths
from interpzoo.geometry.decoders import BATCH_SIZE, Decode, decode, flat_decoder, jacobian, jvp, vjp
from interpzoo.geometry.inversion import project
from interpzoo.geometry.manifolds import Circle, Manifold, SampledManifold, shorter_turn
from interpzoo.geometry.neighbors import NeighborGraph, nearest_neighbors
from interpzoo.geometry.paths import align, lerp, slerp
from interpzoo.geometry.spacing import even_positions

__all__ = [
    "BATCH_SIZE",
    "Circle",
    "Decode",
    "Manifold",
    "NeighborGraph",
    "SampledManifold",
    "align",
    "at",
    "constant_speed",
    "curve_energy",
    "curve_length",
    "decode",
    "even_positions",
    "flat_decoder",
    "jacobian",
    "jvp",
    "lerp",
    "nearest_neighbors",
    "project",
    "resample",
    "segment_lengths",
    "shorter_turn",
    "slerp",
    "vjp",
]
