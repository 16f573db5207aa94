"""Networks and codes in a pretrained folder: what is read is checked first, and what is written can be read."""

import warnings
from collections.abc import Iterable, Mapping
from itertools import chain
from pathlib import Path
from typing import Final, NamedTuple

import torch
from torch import Tensor, nn

from interpzoo.build import Parts, build_parts
from interpzoo.config import ModelConfig
from interpzoo.errors import InputError, PluginError, WeightsError
from interpzoo.files import write_text
from interpzoo.latent import base_names
from interpzoo.pretrained.folder import CODES, CONFIG, EXAMPLES, MOST_BYTES, WEIGHTS, file_of
from interpzoo.pretrained.origins import Foreign
from interpzoo.pretrained.stored import MOST_HEADER_BYTES, Shapes, check_shapes, read_tensors, write_tensors
from interpzoo.tensors import all_finite

MOST_CODE: Final = 1e6
"""Largest value of a stored code: far beyond any encoder's, and small enough to be decoded to finite images."""

_STORED: Final = (torch.float32, torch.float16, torch.bfloat16)
"""The types of stored weights; a model is always loaded in float32 first."""
_LARGEST_ITEM: Final = 8
"""Bytes of the widest type of a file."""


class Filled(NamedTuple):
    """The content of a pretrained folder."""

    parts: Parts
    examples: Tensor | None
    codes: Tensor | None


def read_networks(folder: Path, config: ModelConfig, hashes: Mapping[str, str], files: Foreign | None = None) -> Filled:
    """The networks that `config` names, with the folder's weights, and its codes; on the CPU and in float32.

    Args:
        folder: the pretrained folder.
        config: its config.
        hashes: SHA-256 by file name; files that are not listed are not read. Empty: there is no list.
        files: files in another library's format that have the weights, in place of the folder's.

    Raises:
        UnknownNameError, AmbiguousNameError, PluginError, ConfigError: as `build_parts`.
        WeightsError: a file is damaged or does not fit the config.
    """
    parts = without_values(config)
    _fill(_modules(parts), config, folder, hashes, files)
    examples, codes = (_read_codes(folder, name, hashes, parts.encoder.latent_shape) for name in (EXAMPLES, CODES))
    return Filled(parts, examples, codes)


def write_networks(folder: Path, config: ModelConfig, state: Mapping[str, Tensor], dtype: torch.dtype | None) -> None:
    """Write config and weights; floating-point ones in `dtype`, by default in their own, if `load` keeps it.

    Weights are not written where the config says that they are elsewhere.

    Raises:
        InputError: `dtype`, or that of a tensor, is not one that can be loaded.
    """
    if dtype is not None and dtype not in _STORED:
        raise InputError(f"dtype = {dtype}: expected {', '.join(map(str, _STORED))}")

    def stored(tensor: Tensor) -> Tensor:
        if not tensor.is_floating_point() or tensor.is_meta:
            return tensor
        return tensor.to(dtype or (tensor.dtype if tensor.dtype in _STORED else torch.float32))

    write_text(folder / CONFIG, config.to_json())
    elsewhere = names_elsewhere(config, state) if config.pointer is not None else {}
    if own := {name: stored(tensor) for name, tensor in state.items() if name not in elsewhere}:
        write_tensors(folder / WEIGHTS, own)


def names_elsewhere(config: ModelConfig, names: Iterable[str]) -> dict[str, str]:
    """Which `names` in the model's state are read from another library's files, and what their source calls them.

    Those of the base model, or all if there is none.
    """
    return {name: name for name in names} if config.base is None else base_names(names)


def most_weight_bytes(config: ModelConfig) -> int:
    """Largest size of a file with the weights of the config's networks; raises as `build_parts`."""
    return _most_bytes(nn.ModuleList(part for part in without_values(config) if isinstance(part, nn.Module)))


def without_values(config: ModelConfig) -> Parts:
    """The components on the meta device, which tell shapes and take no memory; raises as `build_parts`."""
    with torch.device("meta"), warnings.catch_warnings():
        # A component that starts from weights of its own copies them in vain here, and torch warns of each.
        warnings.filterwarnings("ignore", message=".*copying from a non-meta parameter", category=UserWarning)
        return build_parts(config)


def check_loadable(config: ModelConfig) -> None:
    """Raise a `PluginError` if the components keep tensors that no file would fill; otherwise as `build_parts`."""
    _check_fillable(_modules(without_values(config)))


def _modules(parts: Parts) -> nn.ModuleDict:
    return nn.ModuleDict({name: part for name, part in parts._asdict().items() if isinstance(part, nn.Module)})


def _check_fillable(networks: nn.Module) -> None:
    kept = networks.state_dict()
    for name, tensor in networks.named_buffers():
        if tensor.is_meta and name not in kept:
            raise PluginError(f"cannot fill {name!r}: a component's buffers must be persistent to be loaded")
    for path, module in networks.named_modules():
        for name, value in vars(module).items():
            if isinstance(value, Tensor) and value.is_meta:
                raise PluginError(
                    f"cannot fill {f'{path}.{name}'!r}, a plain attribute: keep it with register_buffer({name!r}, "
                    "tensor) to have it saved and loaded, or compute it in forward"
                )


def _most_bytes(networks: nn.Module) -> int:
    numbers = sum(tensor.numel() for tensor in networks.state_dict().values())
    return min(MOST_BYTES[WEIGHTS], MOST_HEADER_BYTES + _LARGEST_ITEM * (1 + numbers))


def check_codes(codes: Tensor, latent_shape: tuple[int, ...], where: str) -> Tensor:
    """`codes` in float32; raises a `WeightsError` unless they are (n, *latent_shape), floating point and in range."""
    if codes.ndim == 0 or codes.shape[1:] != latent_shape or not codes.is_floating_point():
        found, shape = f"{tuple(codes.shape)} and {codes.dtype}", ", ".join(map(str, latent_shape))
        raise WeightsError(f"{where} has 'codes' of shape {found}, expected (n, {shape})")
    codes = codes.float()
    _check_finite(codes, "codes", where)
    if len(codes) and (largest := float(codes.abs().max())) > MOST_CODE:
        raise WeightsError(f"{where} has 'codes' up to {largest:.3g}, expected at most {MOST_CODE:g}")
    return codes


def _fill(
    networks: nn.Module, config: ModelConfig, folder: Path, hashes: Mapping[str, str], files: Foreign | None
) -> None:
    """Give networks on the meta device the weights in the folder, and those in another library's files."""
    own, path = networks.state_dict(), file_of(folder, WEIGHTS, hashes)
    shapes = {name: tuple(tensor.shape) for name, tensor in own.items()}
    elsewhere = {} if files is None else names_elsewhere(config, own)
    here = {name: shape for name, shape in shapes.items() if name not in elsewhere}

    def check(found: Shapes) -> None:
        check_shapes(path, found, here)

    found: dict[str, Tensor] = {}
    if here or files is None:
        found |= read_tensors(path, check, most=_most_bytes(networks), sha256=hashes.get(WEIGHTS))
    if files is not None:
        theirs = files.tensors({there: shapes[name] for name, there in elsewhere.items()})
        found |= {name: theirs[there] for name, there in elsewhere.items()}
        path = path if here else files.folder
    for name, tensor in found.items():
        if tensor.dtype != own[name].dtype and not (tensor.is_floating_point() and own[name].is_floating_point()):
            raise WeightsError(f"{path} has {name!r} in {tensor.dtype}, the config's modules in {own[name].dtype}")
        found[name] = tensor.float() if tensor.is_floating_point() else tensor
        _check_finite(found[name], name, str(path))
    tied = _tied(networks)
    for name, first in tied.items():
        if not torch.equal(found[name], found[first]):
            raise WeightsError(f"{path} has different values in {name!r} and {first!r}, which are one tensor")
    networks.load_state_dict(found, assign=True)
    for name, first in tied.items():
        (module, _, own_name), (other, _, its_name) = name.rpartition("."), first.rpartition(".")
        setattr(networks.get_submodule(module), own_name, getattr(networks.get_submodule(other), its_name))
    _check_fillable(networks)


def _tied(networks: nn.Module) -> dict[str, str]:
    """The first name of each parameter or buffer that has several, by its other names."""
    first: dict[int, str] = {}
    every = chain(networks.named_parameters(remove_duplicate=False), networks.named_buffers(remove_duplicate=False))
    names = {name: first.setdefault(id(tensor), name) for name, tensor in every}
    return {name: one for name, one in names.items() if name != one}


def _check_finite(tensor: Tensor, name: str, where: str) -> None:
    if tensor.is_floating_point() and not all_finite(tensor):
        raise WeightsError(f"{where} has values in {name!r} that are not finite")


def _read_codes(folder: Path, name: str, hashes: Mapping[str, str], latent_shape: tuple[int, ...]) -> Tensor | None:
    path = file_of(folder, name, hashes)
    if name not in hashes and (hashes or not path.exists()):
        return None

    def check(found: Shapes) -> None:
        shape = found.get("codes")
        if shape is not None and (not shape or shape[1:] != latent_shape):
            expected = ", ".join(map(str, latent_shape))
            raise WeightsError(f"{path} has 'codes' of shape {shape}, expected (n, {expected})")

    codes = read_tensors(path, check, most=MOST_BYTES[name], sha256=hashes.get(name), wanted=("codes",)).get("codes")
    return None if codes is None else check_codes(codes, latent_shape, str(path))
