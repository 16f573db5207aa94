"""`load`: find a model's folder, check it, build its networks and fill them with its weights."""

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
from interpzoo.pretrained.folder import CODES, CONFIG, EXAMPLES, WEIGHTS, check_hash, read_config, read_tensors
from interpzoo.pretrained.locate import Source, locate
from interpzoo.tensors import ordinary_mode

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
            ``user/repo@revision``, or a folder: a `Path`, or a string that starts with ``./``, ``../`` or ``/``.
        revision: a commit, branch or tag of a repository.
        device: device of the weights; the CPU by default.
        dtype: type to compute in; float32 by default.
        interpolator: registered name of a path to use instead of the model's own.
        cache_dir: folder of the cache; ``HF_HUB_CACHE`` by default.
        local_files_only: use the cache only, without any request to the Hub.
        token: token for the Hub; by default ``HF_TOKEN`` or the token of ``hf auth login``.

    Raises:
        UnknownNameError, AmbiguousNameError: no model, repository, revision or component has the name, or several do.
        PluginError: a plugin that the model needs is not installed; the message names its distribution.
        ConfigError: the model's config is invalid, or `interpolator` is not a valid name.
        HubError: the Hub does not answer, or refuses.
        WeightsError: the weights are damaged or do not fit the config.
        InputError: the device does not exist, or `dtype` is not a floating-point type.
    """
    if dtype is not None and not dtype.is_floating_point:
        raise InputError(f"dtype = {dtype}: expected a floating-point type, such as torch.float32")
    source = locate(name, revision, Access(cache_dir, local_files_only, token))
    config = _usable_config(source.path)
    if config.kind != "interpolator":
        raise ConfigError(f"{name!r} is a model of kind {config.kind!r}, not one that interpolates")
    if interpolator is not None:
        config = config.model_copy(update={"interpolator": named(interpolator, "interpolator")})
    return on_device(_read(source, config), device, dtype or torch.float32)


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


def read_model(source: Source) -> InterpolationModel:
    """The model in a folder, of any kind, on the CPU, in float32 and in eval mode; raises as `load`."""
    return _read(source, _usable_config(source.path))


@ordinary_mode
def _read(source: Source, config: ModelConfig) -> InterpolationModel:
    check_hash(source.path, CONFIG, source.hashes)
    check_hash(source.path, WEIGHTS, source.hashes)
    with torch.device("meta"):
        parts = build_parts(config)
    networks = {name: part for name, part in parts._asdict().items() if isinstance(part, nn.Module)}
    _assign(nn.ModuleDict(networks), source.path / WEIGHTS)
    examples, codes = (_codes(source, name, parts.encoder.latent_shape) for name in (EXAMPLES, CODES))
    model = InterpolationModel(config, *parts, examples=examples, codes=codes)
    if config.trained is not None and config.trained.training.channels_last:
        # As in training: twice as fast on CPUs, and the same frames as the trained model's, bit for bit.
        model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]  # missing from torch's stubs
    return model.eval()


def _usable_config(folder: Path) -> ModelConfig:
    """The folder's config; checks that its plugins are loaded, before any of their names is looked up."""
    config = read_config(folder)
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


def _check_finite(path: Path, name: str, tensor: Tensor) -> None:
    # The sum is quick, and finite only if all its terms are.
    if tensor.is_floating_point() and not tensor.sum(dtype=torch.float32).isfinite() and not tensor.isfinite().all():
        raise WeightsError(f"{path} has values in {name!r} that are not finite")


def _codes(source: Source, name: str, latent_shape: tuple[int, ...]) -> Tensor | None:
    path = source.path / name
    if name not in source.hashes and not path.exists():
        return None
    check_hash(source.path, name, source.hashes)
    codes = read_tensors(path).get("codes")
    if codes is not None and (codes.ndim == 0 or codes.shape[1:] != latent_shape or not codes.is_floating_point()):
        shape = ", ".join(map(str, latent_shape))
        raise WeightsError(f"{path} has 'codes' of shape {tuple(codes.shape)} and {codes.dtype}, expected (n, {shape})")
    if codes is not None:
        _check_finite(path, "codes", codes)
    return codes


def _assign(networks: nn.Module, path: Path) -> None:
    own = networks.state_dict()
    found = read_tensors(path, {name: tensor.shape for name, tensor in own.items()})
    for name, tensor in found.items():
        _check_finite(path, name, tensor)
        if tensor.dtype != own[name].dtype and not (tensor.is_floating_point() and own[name].is_floating_point()):
            raise WeightsError(f"{path} has {name!r} in {tensor.dtype}, the config's modules in {own[name].dtype}")
    # Copied, because a mapped tensor is aligned as it is in the file, and kernels round differently with the alignment:
    # a loaded model must give the frames of the saved one bit for bit.
    tensors = {name: t.to(torch.float32 if t.is_floating_point() else t.dtype, copy=True) for name, t in found.items()}
    networks.load_state_dict(tensors, assign=True)
    for name, tensor in (*networks.named_parameters(), *networks.named_buffers()):
        if tensor.is_meta:
            raise WeightsError(f"{path} cannot fill {name!r}: a component's buffers must be persistent to be loaded")
        tensor.requires_grad_(isinstance(tensor, nn.Parameter) and tensor.is_floating_point())
