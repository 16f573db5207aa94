"""Models of one's own: the untrained one of a recipe, and any encoder and decoder, without writing a plugin."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from interpzoo.arguments import MOST_SIDE, real, seed_of, whole
from interpzoo.autoencoder import evaluating
from interpzoo.build import build_component, build_parts, resolved
from interpzoo.config import Base, Component, ImageSpec, ModelConfig, Recipe, named, validate
from interpzoo.errors import ConfigError, InputError
from interpzoo.interfaces import Decoder, Encoder, Interpolator
from interpzoo.latent import latent_networks
from interpzoo.model import InterpolationModel
from interpzoo.plugins import registry
from interpzoo.pretrained.load import load
from interpzoo.pretrained.locate import recorded_name
from interpzoo.recipes import load_recipe
from interpzoo.returned import codes_of, images_of, posterior_of
from interpzoo.tensors import ordinary_mode, own_randomness
from interpzoo.text import quoted
from interpzoo.wrapped import WrappedDecoder, WrappedEncoder, as_module, log_prob_of

WRAPPED = "wrapped"
"""The name of a wrapped model, its method and its networks, which no plugin registered."""

_MOST_VALUE: Final = 65535.0


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


def wrap(
    encoder: nn.Module | Callable[[Tensor], Any],
    decoder: nn.Module | Callable[[Tensor], Any],
    image: tuple[int, int, int],
    *,
    values: tuple[float, float] = (0.0, 1.0),
    interpolator: str = "linear",
    size_multiple: int | None = None,
) -> InterpolationModel:
    """A model made of any two modules, or of two methods of one, to interpolate with and to train.

    ``train(..., model=...)`` trains it. It can be saved as a folder that `load` reads if both modules are components
    that a plugin has registered, because a config names nothing else. Layers that are frozen stay frozen in training.

    Args:
        encoder: images (B, C, H, W) to codes (B, *latent_shape): a tensor, a pair (mean, log-variance) of one shape, a
            distribution, or an output of diffusers. The code is the mean; training samples the posterior. It is a
            module, or a method of one, such as ``vae.encode``.
        decoder: codes back to images: a tensor, a distribution, whose mean is taken, or an output of diffusers. VAEs
            are trained by the likelihood of a distribution, such as ``Bernoulli(logits=...)``.
        image: (C, H, W).
        values: what the modules take and give for black and white: (0, 1), or for many autoencoders (-1, 1). The model
            takes and gives images in [0, 1] in any case.
        interpolator: a registered name.
        size_multiple: if the modules take any height and width that are multiples of a number, that number; `image`
            then has the default size. See `interpzoo.interfaces.Encoder.size_multiple`.

    Raises:
        InputError: `image` does not have three sizes, `values` are not two different numbers, the modules do not map
            such images to codes and back, `size_multiple` is not a number from 1 to 2,048, or they do not take such
            sizes.
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
    encoder, decoder = as_module("encoder", encoder), as_module("decoder", decoder)
    values = _checked_values(values)
    if not isinstance(image, Sequence) or len(image) != 3:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(f"image = {quoted(image)}: expected (C, H, W)")
    what = f"image = {quoted(image)}, read as (C, H, W)"
    spec = validate(ImageSpec, dict(zip(("channels", "height", "width"), image, strict=True)), what)
    if size_multiple is not None:
        size_multiple = whole("size_multiple", size_multiple, 1, MOST_SIDE)
    weights = [tensor for module in (encoder, decoder) for tensor in module.parameters() if tensor.is_floating_point()]
    kinds = {(tensor.dtype, tensor.device) for tensor in weights}
    if len(kinds) > 1:
        found = " and ".join(sorted(f"{dtype} on {device}" for dtype, device in kinds))
        raise InputError(f"the modules have weights in {found}: expected one type on one device")
    dtype, device = next(iter(kinds), (torch.float32, torch.device("cpu")))
    latent_shape, is_variational, has_likelihood = _tried(
        encoder, decoder, torch.full((1, *spec.shape), values[0], dtype=dtype, device=device)
    )
    path = named(interpolator, "interpolator")
    names = _registered(encoder, Encoder), _registered(decoder, Decoder)
    networks: tuple[Encoder, Decoder]
    if isinstance(encoder, Encoder) and isinstance(decoder, Decoder) and None not in names and values == (0, 1):
        networks = encoder, decoder
        for what, network in (("encoder", encoder), ("decoder", decoder)):
            if network.image != spec:
                sizes = ("x".join(map(str, size.shape)) for size in (network.image, spec))
                raise InputError("the {} is for images of {}, and image is {}: expected the same".format(what, *sizes))
        size_multiple = None  # the networks say it themselves
    else:
        networks = (
            WrappedEncoder(encoder, spec, latent_shape, size_multiple, values=values, is_variational=is_variational),
            WrappedDecoder(decoder, spec, latent_shape, size_multiple, values=values, has_likelihood=has_likelihood),
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
        code, *_ = _tried(encoder, decoder, torch.full((1, *taller.shape), values[0], dtype=dtype, device=device))
        if sizes.of_codes(torch.empty(1, *code, device="meta")) != taller:
            raise InputError(
                f"codes of images of {taller.height}x{taller.width} have shape {code}, and those of "
                f"{spec.height}x{spec.width} {latent_shape}: expected one factor between images and codes"
            )
    return model


def _checked_values(values: object) -> tuple[float, float]:
    if not isinstance(values, Sequence) or isinstance(values, str) or len(values) != 2:
        raise InputError(f"values = {quoted(values)}: expected what black and white are, such as (-1, 1)")
    black, white = (real("values", value, -_MOST_VALUE, _MOST_VALUE) for value in values)
    if black == white:
        raise InputError(f"values = {quoted(values)}: expected two different numbers, such as (-1, 1)")
    return black, white


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
            likelihood = log_prob_of(returned, blank)
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
