"""From a name to a model: `load` a pretrained one, `create` an untrained one, list what there is."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from interpzoo import folder as pretrained
from interpzoo.build import Parts, build_parts, check_plugins
from interpzoo.config import ModelConfig, Recipe, named
from interpzoo.errors import ConfigError, InputError, WeightsError
from interpzoo.hub import Source, locate
from interpzoo.hub.client import Access
from interpzoo.model import InterpolationModel
from interpzoo.recipes import load_recipe

M = TypeVar("M", bound=nn.Module)


def load(
    name: str | Path,
    *,
    revision: str | None = None,
    device: str | torch.device | None = None,
    dtype: torch.dtype | None = None,
    interpolator: str | None = None,
    cache_dir: str | Path | None = None,
    local_files_only: bool = False,
    token: str | bool | None = None,
) -> InterpolationModel:
    """A pretrained model, ready to interpolate, in eval mode.

    A model of the Hub is fetched once, into the cache of its client; what is pinned by a commit, as a zoo name is, is
    then loaded without asking the network.

    Args:
        name: a zoo name such as ``acai-mnist``, a repository of the Hub, ``user/repo`` or ``user/repo@revision``, or a
            folder: a `Path`, or a string with ``./``, ``../``, ``/``.
        revision: a commit, branch or tag of a repository.
        device: where to put it; the CPU by default.
        dtype: what to compute in; float32 by default.
        interpolator: a registered name to use instead of the model's own.
        cache_dir: folder of the cache, ``HF_HUB_CACHE`` by default.
        local_files_only: use what is in the cache and ask nobody.
        token: of the Hub; by default ``HF_TOKEN`` or that of ``hf auth login``.

    Raises:
        UnknownNameError, AmbiguousNameError: no such model, repository, revision or component.
        PluginError: the plugin of its method is not installed; the message says which distribution has it.
        ConfigError: its config does not validate, or `interpolator` is no name.
        HubError: the Hub does not answer, or refuses.
        WeightsError: its weights are damaged or do not fit the config.
        InputError: there is no such device here, or `dtype` is no floating-point type.
    """
    if dtype is not None and not dtype.is_floating_point:
        raise InputError(f"dtype = {dtype}: expected a floating-point type, such as torch.float32")
    source = locate(name, revision, Access(cache_dir, local_files_only, token))
    config = pretrained.read_config(source.path)
    check_plugins(config)
    if config.kind != "interpolator":
        raise ConfigError(f"{name!r} is a model of kind {config.kind!r}, not one that interpolates")
    if interpolator is not None:
        config = config.model_copy(update={"interpolator": named(interpolator, "interpolator")})
    return on_device(_read(source, config), device, dtype or torch.float32)


def on_device(module: M, device: str | torch.device | None, dtype: torch.dtype | None = None) -> M:
    """`module`, moved to a device (the CPU's stay there by default) and cast to a type, if one is given.

    Raises:
        InputError: there is no such device here.
    """
    try:
        return module.to(device, dtype)
    except (RuntimeError, AssertionError) as error:  # torch: a wrong name, or built without the device
        reason = str(error).partition("\n")[0]
        raise InputError(f"device = {str(device)!r} cannot be used: {reason}") from error


def read_model(source: Source) -> InterpolationModel:
    """The model in a folder, of whatever kind, on the CPU in float32 and in eval mode.

    Raises:
        UnknownNameError, AmbiguousNameError, PluginError, ConfigError, WeightsError: as `load`.
    """
    config = pretrained.read_config(source.path)
    check_plugins(config)
    return _read(source, config)


def create(recipe: str | Path | Recipe, *, seed: int | None = None) -> InterpolationModel:
    """The untrained model of a recipe, its weights drawn from `seed` (the recipe's by default); in train mode.

    Args:
        recipe: a registered recipe or method, a TOML file, or a `Recipe`.
        seed: of the initial weights.

    Raises:
        UnknownNameError: no such recipe.
        ConfigError: it does not validate.
    """
    if not isinstance(recipe, Recipe):
        recipe = load_recipe(recipe)
    with torch.random.fork_rng():
        torch.manual_seed(recipe.training.seed if seed is None else seed)
        parts = build_parts(recipe)
    shared = recipe.model_dump(include={*ModelConfig.model_fields} & {*Recipe.model_fields})
    return _assemble(ModelConfig.model_validate(shared), parts)


def _read(source: Source, config: ModelConfig) -> InterpolationModel:
    pretrained.check_sum(source.path, pretrained.CONFIG, source.sums)
    pretrained.check_sum(source.path, pretrained.WEIGHTS, source.sums)
    with torch.device("meta"):
        model = _assemble(config, build_parts(config))
    _assign(model, source.path / pretrained.WEIGHTS)
    if config.trained is not None and config.trained.training.channels_last:
        # As in training: twice as fast on CPUs, and the trained model's frames bit for bit.
        model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]  # missing from torch's stubs
    for attribute, file in (("examples", pretrained.EXAMPLES), ("codes", pretrained.CODES)):
        if file in source.sums or (source.path / file).exists():
            pretrained.check_sum(source.path, file, source.sums)
            setattr(model, attribute, _codes(source.path / file, model.latent_shape))
    return model.eval()


def _assemble(config: ModelConfig, parts: Parts) -> InterpolationModel:
    return InterpolationModel(config, parts.encoder, parts.decoder, parts.prior, parts.interpolator)


def _check_finite(path: Path, name: str, tensor: Tensor) -> None:
    # The sum is quick, and finite only if all its terms are.
    if tensor.is_floating_point() and not tensor.sum(dtype=torch.float32).isfinite() and not tensor.isfinite().all():
        raise WeightsError(f"{path} has values in {name!r} that are not finite")


def _codes(path: Path, latent_shape: tuple[int, ...]) -> Tensor | None:
    codes = pretrained.read_tensors(path).get("codes")
    if codes is not None and (codes.ndim == 0 or codes.shape[1:] != latent_shape or not codes.is_floating_point()):
        shape = ", ".join(map(str, latent_shape))
        raise WeightsError(f"{path} has 'codes' of shape {tuple(codes.shape)} and {codes.dtype}, expected (n, {shape})")
    if codes is not None:
        _check_finite(path, "codes", codes)
    return codes


def _assign(model: nn.Module, path: Path) -> None:
    own = model.state_dict()
    found = pretrained.read_tensors(path, {name: tensor.shape for name, tensor in own.items()})
    for name, tensor in found.items():
        _check_finite(path, name, tensor)
        if tensor.dtype != own[name].dtype and not (tensor.is_floating_point() and own[name].is_floating_point()):
            raise WeightsError(f"{path} has {name!r} in {tensor.dtype}, the config's modules in {own[name].dtype}")
    # Copied, because mapped tensors lie wherever the file has them, and kernels round by a tensor's alignment: only so
    # does a loaded model give bit for bit what the saved one gave.
    tensors = {name: t.to(torch.float32 if t.is_floating_point() else t.dtype, copy=True) for name, t in found.items()}
    model.load_state_dict(tensors, assign=True)
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        if tensor.is_meta:
            raise WeightsError(f"{path} cannot fill {name!r}: a component's buffers must be persistent to be loaded")
        tensor.requires_grad_(isinstance(tensor, nn.Parameter) and tensor.is_floating_point())
