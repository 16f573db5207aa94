"""From a name to a model: its folder is found and checked, the networks are built and filled."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from interpzoo.build import build_parts
from interpzoo.config import ModelConfig, named
from interpzoo.errors import ConfigError, InputError, PluginError, WeightsError
from interpzoo.model import InterpolationModel
from interpzoo.plugins import registry, zoo
from interpzoo.pretrained.client import Access
from interpzoo.pretrained.folder import CODES, CONFIG, EXAMPLES, WEIGHTS, check_sum, read_config, read_tensors
from interpzoo.pretrained.locate import Source, locate

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
    config = read_config(source.path)
    _check_plugins(config)
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
    config = read_config(source.path)
    _check_plugins(config)
    return _read(source, config)


def _read(source: Source, config: ModelConfig) -> InterpolationModel:
    check_sum(source.path, CONFIG, source.sums)
    check_sum(source.path, WEIGHTS, source.sums)
    with torch.device("meta"):
        model = InterpolationModel(config, *build_parts(config))
    _assign(model, source.path / WEIGHTS)
    if config.trained is not None and config.trained.training.channels_last:
        # As in training: twice as fast on CPUs, and the trained model's frames bit for bit.
        model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]  # missing from torch's stubs
    for attribute, file in (("examples", EXAMPLES), ("codes", CODES)):
        if file in source.sums or (source.path / file).exists():
            check_sum(source.path, file, source.sums)
            setattr(model, attribute, _codes(source.path / file, model.latent_shape))
    return model.eval()


def _check_plugins(config: ModelConfig) -> None:
    """Refuse a model of plugins that are not here, before any of its names is looked up.

    Raises:
        PluginError: a plugin is missing, with the distribution and version that the model was made with, or not loaded.
        UnknownNameError: its plugins have no method of its name.
    """
    found = {plugin.owner.plugin: plugin for plugin in zoo().plugins}
    for name, distribution in config.plugins.items():
        plugin = found.get(name)
        if plugin is None:
            raise PluginError(
                f"{config.name!r} (method {config.method!r}) was made with plugin {name!r} of {distribution}, which is "
                f"not installed: if you trust it, 'pip install {distribution.partition(' ')[0]}'"
            )
        if plugin.status != "loaded":
            raise PluginError(f"{config.name!r} needs {plugin.owner}, which is {plugin.status}: {plugin.reason}")
    registry().methods.find(config.method, prefer=config.plugins)


def _check_finite(path: Path, name: str, tensor: Tensor) -> None:
    # The sum is quick, and finite only if all its terms are.
    if tensor.is_floating_point() and not tensor.sum(dtype=torch.float32).isfinite() and not tensor.isfinite().all():
        raise WeightsError(f"{path} has values in {name!r} that are not finite")


def _codes(path: Path, latent_shape: tuple[int, ...]) -> Tensor | None:
    codes = read_tensors(path).get("codes")
    if codes is not None and (codes.ndim == 0 or codes.shape[1:] != latent_shape or not codes.is_floating_point()):
        shape = ", ".join(map(str, latent_shape))
        raise WeightsError(f"{path} has 'codes' of shape {tuple(codes.shape)} and {codes.dtype}, expected (n, {shape})")
    if codes is not None:
        _check_finite(path, "codes", codes)
    return codes


def _assign(model: nn.Module, path: Path) -> None:
    own = model.state_dict()
    found = read_tensors(path, {name: tensor.shape for name, tensor in own.items()})
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
