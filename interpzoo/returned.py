"""What components of plugins return, checked, and what networks of other libraries return."""

from typing import Any

from torch import Tensor
from torch.distributions import Distribution, Independent, Normal

from interpzoo.errors import PluginError


def checked(value: Any, shape: tuple[int, ...], what: str) -> Tensor:
    """What a component returned; raises a `PluginError` unless it is a tensor of this shape.

    `what` is the component and what it gives, such as ``decoder 'conv' gives an image``.
    """
    if isinstance(value, Tensor) and tuple(value.shape) == shape:
        return value
    found = f"of shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"of type {type(value).__name__!r}"
    raise PluginError(f"{what} {found}, expected a tensor of shape {shape}")


def codes_of(found: Any) -> Tensor | None:
    """The point codes (B, *latent_shape) in what an encoder returns; ``None`` if there are none.

    A tensor; the mean of a distribution or of a pair (mean, log-variance) of one shape; the posterior's mode, the
    ``latents`` or the ``latent`` of an output of diffusers; or a tuple with one of these alone.
    """
    match found:
        case Tensor():
            return found
        case Distribution():
            return found.mean
        case (inner,):
            return codes_of(inner)
        case (Tensor() as mean, Tensor() as log_variance) if mean.shape == log_variance.shape:
            return mean
        case _:
            pass
    if (latent := getattr(found, "latent_dist", None)) is not None:
        return latent.mode()
    return next(
        (value for name in ("latents", "latent") if isinstance(value := getattr(found, name, None), Tensor)), None
    )


def posterior_of(found: Any) -> Distribution | None:
    """The posterior over codes in what an encoder returns, each code as one event; ``None`` if it has none."""
    match found:
        case Distribution():
            return Independent(found, len(found.batch_shape) - 1) if len(found.batch_shape) > 1 else found
        case (inner,):
            return posterior_of(inner)
        case (Tensor() as mean, Tensor() as log_variance) if mean.shape == log_variance.shape:
            return posterior_of(Normal(mean, (log_variance / 2).exp()))
        case _:
            latent = getattr(found, "latent_dist", None)
            return None if latent is None else posterior_of(Normal(latent.mean, latent.std))


def images_of(found: Any) -> Tensor | None:
    """The images in what a decoder returns: a tensor, the mean of a distribution, or an output of diffusers."""
    match found:
        case Tensor():
            return found
        case Distribution():
            return found.mean
        case (inner,):
            return images_of(inner)
        case _:
            sample = getattr(found, "sample", None)
            return sample if isinstance(sample, Tensor) else None
