"""Models of one's own: the untrained one of a recipe, and any encoder and decoder, without writing a plugin."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Bernoulli, Distribution, Independent
from typing_extensions import override

from interpzoo.arguments import MOST_SIDE, seed_of, whole
from interpzoo.autoencoder import evaluating
from interpzoo.build import build_component, build_parts, resolved
from interpzoo.config import Base, Component, ComponentConfig, ImageSpec, ModelConfig, Recipe, named, validate
from interpzoo.errors import ConfigError, InputError
from interpzoo.interfaces import Decoder, Encoder, Interpolator
from interpzoo.latent import latent_networks
from interpzoo.model import InterpolationModel
from interpzoo.nets import bernoulli_log_prob
from interpzoo.plugins import registry
from interpzoo.pretrained.load import load
from interpzoo.pretrained.locate import recorded_name
from interpzoo.recipes import load_recipe
from interpzoo.returned import codes_of, images_of, posterior_of
from interpzoo.tensors import ordinary_mode, own_randomness
from interpzoo.text import quoted

WRAPPED = "wrapped"
"""The name of a wrapped model, its method and its networks, which no plugin registered."""


@ordinary_mode
def create(recipe: str | Path | Recipe, *, seed: int | None = None) -> InterpolationModel:
    """The untrained model of a recipe, in train mode.

    Args:
        recipe: a registered recipe or method, a TOML file, or a `Recipe`.
        seed: seed of the initial weights; the recipe's by default.

    Raises:
        UnknownNameError, AmbiguousNameError, ConfigError: as `load_recipe`; also if the base model does not fit.
        InputError: `seed` is not a whole number from 0 to 2^32 - 1.
        HubError, WeightsError: as `load`, for the recipe's base model.

    Example:
        >>> import interpzoo
        >>> interpzoo.create("ae-lines", seed=0).latent_shape
        (16, 2, 2)
    """
    if not isinstance(recipe, Recipe):
        recipe = load_recipe(recipe)
    shared = recipe.model_dump(include={*ModelConfig.model_fields} & {*Recipe.model_fields}, exclude={"base"})
    config = ModelConfig.model_validate(shared)
    base = None if recipe.base is None else load(recipe.base)
    if base is not None:
        config = config.model_copy(update={"base": _described(str(recipe.base), base, config.image)})
    with own_randomness(recipe.training.seed if seed is None else seed_of(seed)):
        parts = build_parts(config)
    model = InterpolationModel(resolved(config), *parts)
    if base is not None:
        _copy_base(base, model)
    return model


def _described(name: str, base: InterpolationModel, image: ImageSpec) -> Base:
    """How the config of a model of `image` describes its base model, which was loaded by `name`.

    Raises:
        ConfigError: it has a base model itself, or does not take such images.
    """
    if base.config.base is not None:
        raise ConfigError(
            f"base = {quoted(name)} was itself trained on the codes of {base.config.base.name!r}: choose a model that "
            "takes images, such as that one"
        )
    config = base.config
    if config.space is not None:
        raise ConfigError(
            f"base = {quoted(name)} has a space of codes, {config.space.name!r}, which networks on top of it would not "
            "see: choose a model without one"
        )
    same = config.image.channels == image.channels and base.sizes.multiple is not None
    if config.image != image and not same:
        sizes = ("x".join(map(str, spec.shape)) for spec in (config.image, image))
        raise ConfigError("the base model {!r} is for images of {}, not of {}".format(name, *sizes))
    return Base(name=recorded_name(name), encoder=config.encoder, decoder=config.decoder, origin=config.origin)


def _copy_base(base: InterpolationModel, model: InterpolationModel) -> None:
    """Give the frozen networks of `model`, which may be for another size, the weights of its base model."""
    encoder, decoder = latent_networks(model.encoder, model.decoder)
    for mine, theirs in zip((encoder.base, decoder.base), (base.encoder, base.decoder), strict=True):
        mine.load_state_dict(theirs.state_dict())
        mine.eval()
    model.files = base.files


class WrappedEncoder(Encoder):
    """Any module from images (B, C, H, W) in [0, 1] to codes (B, *latent_shape)."""

    def __init__(
        self,
        module: nn.Module,
        image: ImageSpec,
        latent_shape: tuple[int, ...],
        size_multiple: int | None = None,
        *,
        is_variational: bool = False,
    ) -> None:
        super().__init__(ComponentConfig(), image)
        self.module = module
        self.latent_shape = latent_shape
        self.size_multiple = size_multiple
        self.is_variational = is_variational

    @override
    def forward(self, x: Tensor) -> Tensor:
        codes = codes_of(self.module(x))
        if codes is None:
            raise InputError(f"the encoder {type(self.module).__name__!r} does not return codes for these images")
        return codes

    @override
    def posterior(self, x: Tensor) -> Distribution | None:
        # Asked first: running the module to see that there is none would train running statistics twice.
        return posterior_of(self.module(x)) if self.is_variational else None


class WrappedDecoder(Decoder):
    """Any module from codes (B, *latent_shape) to images (B, C, H, W)."""

    def __init__(
        self,
        module: nn.Module,
        image: ImageSpec,
        latent_shape: tuple[int, ...],
        size_multiple: int | None = None,
        *,
        has_likelihood: bool = False,
    ) -> None:
        super().__init__(ComponentConfig(), image, latent_shape)
        self.module = module
        self.size_multiple = size_multiple
        self.has_likelihood = has_likelihood

    @override
    def forward(self, z: Tensor) -> Tensor:
        images = images_of(self.module(z))
        if images is None:
            raise InputError(f"the decoder {type(self.module).__name__!r} does not return images for these codes")
        return images

    @override
    def log_prob(self, x: Tensor, z: Tensor) -> Tensor | None:
        return _log_prob_of(self.module(z), x) if self.has_likelihood else None


def wrap(
    encoder: nn.Module,
    decoder: nn.Module,
    image: tuple[int, int, int],
    *,
    interpolator: str = "linear",
    size_multiple: int | None = None,
) -> InterpolationModel:
    """A model made of any two modules, to interpolate with and to train (``train(..., model=...)``).

    It can be saved as a folder that `load` reads if both modules are components that a plugin has registered, because a
    config names nothing else. Layers that are frozen stay frozen in training.

    Args:
        encoder: images (B, C, H, W) in [0, 1] to codes (B, *latent_shape): a tensor, a pair (mean, log-variance) of one
            shape, a distribution, or an output of diffusers. The code is the mean; training samples the posterior.
        decoder: codes back to images: a tensor, a distribution, whose mean is taken, or an output of diffusers. VAEs
            are trained by the likelihood of a distribution, such as ``Bernoulli(logits=...)``.
        image: (C, H, W).
        interpolator: a registered name.
        size_multiple: if the modules take any height and width that are multiples of a number, that number; `image`
            then has the default size. See `interpzoo.interfaces.Encoder.size_multiple`.

    Raises:
        InputError: `image` does not have three sizes, or the modules do not map such images to codes and back; or
            `size_multiple` is not a number from 1 to 2,048, or they do not take such sizes.
        ConfigError: a size is out of range.
        UnknownNameError, AmbiguousNameError: `interpolator` is not a registered name.

    Example:
        >>> import interpzoo
        >>> from torch import nn
        >>> encoder = nn.Sequential(nn.Flatten(), nn.Linear(28 * 28, 16))
        >>> decoder = nn.Sequential(nn.Linear(16, 28 * 28), nn.Unflatten(1, (1, 28, 28)))
        >>> interpzoo.wrap(encoder, decoder, image=(1, 28, 28)).latent_shape
        (16,)
    """
    for what, module in (("encoder", encoder), ("decoder", decoder)):
        if not isinstance(module, nn.Module):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InputError(f"{what} = {quoted(module)}: expected a torch.nn.Module")
    if not isinstance(image, Sequence) or len(image) != 3:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(f"image = {quoted(image)}: expected (C, H, W)")
    spec = validate(ImageSpec, dict(zip(("channels", "height", "width"), image, strict=True)), "image")
    if size_multiple is not None:
        size_multiple = whole("size_multiple", size_multiple, 1, MOST_SIDE)
    weights = [tensor for module in (encoder, decoder) for tensor in module.parameters() if tensor.is_floating_point()]
    kinds = {(tensor.dtype, tensor.device) for tensor in weights}
    if len(kinds) > 1:
        found = " and ".join(sorted(f"{dtype} on {device}" for dtype, device in kinds))
        raise InputError(f"the modules have weights in {found}: expected one type on one device")
    dtype, device = next(iter(kinds), (torch.float32, torch.device("cpu")))
    latent_shape, is_variational, has_likelihood = _tried(
        encoder, decoder, torch.zeros(1, *spec.shape, dtype=dtype, device=device)
    )
    path = named(interpolator, "interpolator")
    names = _registered(encoder, Encoder), _registered(decoder, Decoder)
    networks: tuple[Encoder, Decoder]
    if isinstance(encoder, Encoder) and isinstance(decoder, Decoder) and None not in names:
        networks = encoder, decoder
        for what, network in (("encoder", encoder), ("decoder", decoder)):
            if network.image != spec:
                sizes = ("x".join(map(str, size.shape)) for size in (network.image, spec))
                raise InputError("the {} is for images of {}, and image is {}: expected the same".format(what, *sizes))
        size_multiple = None  # the networks say it themselves
    else:
        networks = (
            WrappedEncoder(encoder, spec, latent_shape, size_multiple, is_variational=is_variational),
            WrappedDecoder(decoder, spec, latent_shape, size_multiple, has_likelihood=has_likelihood),
        )
        names = None, None
    parts = [Component(name=WRAPPED) if name is None else name for name in names]
    config = ModelConfig(
        name=WRAPPED, method=WRAPPED, image=spec, encoder=parts[0], decoder=parts[1], interpolator=path
    )
    model = InterpolationModel(config, *networks, None, build_component(Interpolator, path))
    try:
        sizes = model.sizes
    except ConfigError as error:
        raise InputError(str(error)) from None
    if size_multiple is not None:
        taller = sizes.spec((spec.height + size_multiple, spec.width))
        code, *_ = _tried(encoder, decoder, torch.zeros(1, *taller.shape, dtype=dtype, device=device))
        if sizes.of_codes(torch.empty(1, *code, device="meta")) != taller:
            raise InputError(
                f"codes of images of {taller.height}x{taller.width} have shape {code}, and those of "
                f"{spec.height}x{spec.width} {latent_shape}: expected one factor between images and codes"
            )
    return model


def _registered(module: nn.Module, interface: type[Encoder[Any]] | type[Decoder[Any]]) -> Component | None:
    """The registered component, with its options, that builds modules like this one."""
    target = f"{type(module).__module__}:{type(module).__qualname__}"
    rows = registry().components[interface.kind]
    name = next((row.qualified for row in rows if row.entry.target == target), None)
    if name is None or not isinstance(module, interface):
        return None
    return Component.model_validate({"name": name, **module.config.model_dump(mode="json")})


def _tried(encoder: nn.Module, decoder: nn.Module, blank: Tensor) -> tuple[tuple[int, ...], bool, bool]:
    """The shape of the code of `blank` (1, C, H, W), and whether encoder and decoder give distributions.

    Raises:
        InputError: the code is not decoded to the same shape.
    """
    try:
        with torch.no_grad(), evaluating(encoder, decoder):
            found = encoder(blank)
            code = codes_of(found)
            returned = None if code is None else decoder(code)
            images = images_of(returned)
            likelihood = _log_prob_of(returned, blank)
    except (RuntimeError, TypeError, ValueError, LookupError) as error:  # what modules raise on a wrong shape
        raise InputError(f"the modules do not accept images of shape {tuple(blank.shape)}: {error}") from error
    if code is None or images is None:
        what, value = ("encoder", found) if code is None else ("decoder", returned)
        raise InputError(
            f"the {what} returns an object of type {type(value).__name__!r}: expected a module that returns one tensor"
            + (", (mean, log-variance) of one shape, a distribution or an output of diffusers" if code is None else "")
        )
    if images.shape != blank.shape:
        raise InputError(f"the decoder returns images of shape {tuple(images.shape)}, expected {tuple(blank.shape)}")
    return tuple(code.shape[1:]), posterior_of(found) is not None, likelihood is not None


def _log_prob_of(found: Any, x: Tensor) -> Tensor | None:
    """log p(x) in nats, (B,), of images (B, C, H, W) by what a decoder returns; ``None`` if that is no distribution."""
    match found:
        case (inner,):
            return _log_prob_of(inner, x)
        case Independent():
            return _log_prob_of(found.base_dist, x)
        case Bernoulli():
            return bernoulli_log_prob(x, found.logits)
        case Distribution():
            values = found.log_prob(x)
            return values.flatten(1).sum(1) if values.ndim > 1 else values
        case _:
            return None
