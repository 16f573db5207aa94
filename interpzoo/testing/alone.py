"""Checks of a network that no recipe of its plugin uses."""

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any, Final

import torch
from torch import Generator, Tensor

from interpzoo.build import C, build_component
from interpzoo.config import Component, ImageSpec
from interpzoo.errors import InterpzooError
from interpzoo.interfaces import CodeSpace, Decoder, Encoder, FeatureNetwork, Prior
from interpzoo.registry import Kind
from interpzoo.testing.expect import ConformanceError, blaming
from interpzoo.testing.networks import check_decoder, check_encoder, check_features, check_prior, check_space
from interpzoo.testing.samples import BATCH, random_images

_IMAGES: Final = tuple(ImageSpec(channels=c, height=n, width=n) for n in (32, 16, 28, 64) for c in (1, 3))
_CODES: Final[Sequence[tuple[int, ...]]] = ((16,), (4, 4, 4), (2,), (8, 2, 2))
"""Images and codes that a network is tried on in turn, until it takes one."""


def check_alone(kind: Kind, name: str, encoders: Sequence[str] = ()) -> None:
    """A network with default options keeps the rules of its interface, on the first images or codes that it takes.

    A decoder is tried on codes of `encoders` first, then of usual shapes. Passes if it has options without a default,
    or takes none of them: a recipe that uses it says what it needs.
    """
    component = Component(name=name)
    if kind == "encoder" and (encoder := _encoder(name)):
        check_encoder(encoder, encoder.image)
    if kind == "decoder":
        own = [(e.image, e.latent_shape) for e in map(_encoder, encoders) if e is not None]
        if decoder := _first(
            Decoder, component, [*own, *product(_IMAGES, _CODES)], lambda d: d(_codes(d.latent_shape))
        ):
            check_decoder(decoder, _codes(decoder.latent_shape))
    images = [(image,) for image in _IMAGES]
    if kind == "features" and (
        features := _first(FeatureNetwork, component, images, lambda f: f.eval()(random_images(BATCH, f.image)))
    ):
        check_features(features)
    shapes = [(code,) for code in _CODES]
    if kind == "prior" and (prior := _first(Prior, component, shapes, lambda p: p.sample(1))):
        check_prior(prior)
    if kind == "space" and (space := _first(CodeSpace, component, shapes, lambda s: s.project(_codes(s.latent_shape)))):
        check_space(space, _codes(space.latent_shape))


def _encoder(name: str) -> Encoder | None:
    images = [(image,) for image in _IMAGES]
    return _first(Encoder, Component(name=name), images, lambda e: e.eval()(random_images(BATCH, e.image)))


def _codes(shape: tuple[int, ...]) -> Tensor:
    return torch.randn(BATCH, *shape, generator=Generator().manual_seed(0))


def _first(
    interface: type[C], component: Component, shapes: Sequence[tuple[Any, ...]], probe: Callable[[C], object]
) -> C | None:
    """The component for the first of the shapes that it takes, or ``None``."""
    refusal: ConformanceError | None = None
    for shape in shapes:
        try:
            with blaming(f"{interface.kind} {component.name!r}"), torch.random.fork_rng(), torch.no_grad():
                torch.manual_seed(0)
                built = build_component(interface, component, *shape)
                probe(built)
                return built
        except ConformanceError as error:
            refusal = error
    if refusal is not None and not isinstance(refusal.__cause__, InterpzooError):
        raise refusal
    return None
