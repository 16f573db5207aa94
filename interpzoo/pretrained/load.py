"""`load`: find a model's folder, check it, build its networks and fill them with its weights."""

from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from interpzoo.build import build_path
from interpzoo.config import ModelConfig, named
from interpzoo.errors import ConfigError, InputError, PluginError, UnknownNameError
from interpzoo.model import InterpolationModel
from interpzoo.plugins import registry, zoo
from interpzoo.pretrained.client import Access
from interpzoo.pretrained.locate import Located, locate
from interpzoo.tensors import FLOATS
from interpzoo.text import quoted

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
    """Load a pretrained model, ready to interpolate, in eval mode.

    A model on the Hub is downloaded once, into the cache of the Hub's client. If its commit is fixed, as that of a
    registered name is, later calls need no network.

    Args:
        name: a registered name such as ``acai-mnist``, a repository on the Hub, ``user/repo`` or
            ``user/repo@revision``, or a folder: a `Path`, or a string that starts with ``./``, ``../`` or ``/``. A
            model in another library's format is ``SCHEME:user/repo``, ``SCHEME:user/repo@revision:subfolder`` or
            ``SCHEME:FOLDER``, such as ``diffusers:stabilityai/sd-vae-ft-mse`` or ``tae:./taef2``.
        device: device of the weights; the CPU by default.
        interpolator: registered name of a path to use instead of the model's own, with options if need be:
            ``"geodesic"``, ``"geodesic nodes=40"``.

    Other Parameters:
        revision: a commit, branch or tag of a repository.
        dtype: type to compute in; float32 by default.
        cache_dir: folder of the cache; ``HF_HUB_CACHE`` by default.
        local_files_only: use the cache only, without any request to the Hub.
        token: token for the Hub; by default ``HF_TOKEN`` or the token of ``hf auth login``.

    Raises:
        UnknownNameError, AmbiguousNameError: no model, repository, revision, scheme or component has the name, or
            several do.
        PluginError: a plugin that the model needs is not installed; the message names its distribution.
        ConfigError: the model's config is invalid, or `interpolator` is not a valid name.
        HubError: the Hub does not answer, or refuses.
        WeightsError: the weights are damaged or do not fit the config.
        InputError: the device does not exist, `dtype` is not a floating-point type of 16, 32 or 64 bits, or
            `interpolator` is a path with weights that the model was not saved with.

    Example:
        >>> import interpzoo
        >>> interpzoo.load("acai-mnist", interpolator="slerp")
        InterpolationModel('acai-mnist')
          method:  acai
          image:   1 x 32 x 32
          code:    2 x 4 x 4 (32 numbers)
          path:    slerp
          weights: 225,411 in float32 on cpu
    """
    if dtype is not None and dtype not in FLOATS:
        raise InputError(f"dtype = {quoted(dtype)}: expected {', '.join(map(str, FLOATS))}")
    found = locate(name, revision, Access(cache_dir, local_files_only, token))
    config = usable_config(found)
    if config.kind != "interpolator":
        raise ConfigError(
            f"{name!r} is a model of kind {config.kind!r}, not one that interpolates: 'interpzoo list' names those"
        )
    asked = None if interpolator is None else named(interpolator, "interpolator")
    model = _read(found, config)
    if asked is not None:  # now, because the file may have weights of the model's own path
        path = build_path(asked, model.interpolator)
        del model.interpolator  # torch replaces a module by another module only
        model.interpolator = path
        model.config = config.model_copy(update={"interpolator": asked})
    return on_device(model, device, dtype or torch.float32)


def on_device(module: M, device: str | torch.device | None, dtype: torch.dtype | None = None) -> M:
    """Move `module` to a device and cast it to a type, if given; raises an `InputError` if there is no such device."""
    try:
        place = None if device is None else torch.device(device)
        if place is not None and place.type == "meta":
            raise RuntimeError("it holds no values")
        return module.to(place, dtype)
    # From torch: a wrong name or type, or built without the device.
    except (RuntimeError, AssertionError, ImportError, AttributeError, TypeError) as error:
        reason = str(error).partition("\n")[0]
        raise InputError(f"device = {str(device)!r} cannot be used: {reason}") from error


def read_model(found: Located) -> InterpolationModel:
    """The model that was found, of any kind, on the CPU, in float32 and in eval mode; raises as `load`."""
    return _read(found, usable_config(found))


def _read(found: Located, config: ModelConfig) -> InterpolationModel:
    try:
        return InterpolationModel.read(found.path, config, found.hashes, found.files(config))
    except (ConfigError, UnknownNameError) as error:
        others: dict[str, str] = {}
        for name, made in config.plugins.items():
            if (plugin := zoo().plugin(name)) and made != f"{plugin.owner.distribution} {plugin.owner.version}":
                others[made] = f"{made} (here is {plugin.owner.version})"
        if not others:
            raise
        was = f"{config.name!r} was made with {' and '.join(others.values())}, which can read it"
        raise type(error)(f"{error}. {was}") from error


def usable_config(found: Located) -> ModelConfig:
    """The model's config; checks that its plugins are loaded, before any of their names is looked up."""
    config = found.config(checked=True)
    for name, distribution in config.plugins.items():
        plugin = zoo().plugin(name)
        if plugin is None:
            raise PluginError(
                f"{config.name!r} (method {config.method!r}) was made with plugin {name!r} of {distribution}, which is "
                f"not installed: if you trust it, 'pip install {distribution.partition(' ')[0]}'"
            )
        if plugin.status != "loaded":
            raise PluginError(f"{config.name!r} needs {plugin.owner}, which is {plugin.status}: {plugin.reason}")
    registry().methods.find(config.method, prefer=config.plugins)
    return config
