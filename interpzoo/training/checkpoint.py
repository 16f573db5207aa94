"""The whole state of a run in one safetensors file: networks, regularizer, optimizers, average and position.

Nothing is pickled. A checksum over the whole file is checked before anything is used. The file is replaced in one step,
and the checkpoint before it is kept beside it: a killed run always finds a complete one.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn
from torch.optim import Optimizer

from interpzoo.config import Recipe
from interpzoo.errors import TrainingError, WeightsError
from interpzoo.files import atomic_write
from interpzoo.pretrained.folder import CHECKPOINT, FORMER
from interpzoo.training.optimizers import laid_out_like
from interpzoo.training.settings import differences

MOST_HEADER_BYTES: Final = 1 << 22
"""Largest header of a checkpoint, which has the names of all tensors and the recipe."""

_BLANK: Final = "0" * 64
"""Stands for the checksum while it is computed."""

_ADVICE: Final = "Resume with the recipe it was started with"

_MOMENTS: Final = {"step", "exp_avg", "exp_avg_sq"}
"""What Adam keeps of each weight that it has moved."""


@dataclass(frozen=True)
class State:
    """The objects that a checkpoint saves and that `restore_checkpoint` fills."""

    modules: Mapping[str, nn.Module]
    optimizers: Mapping[str, Optimizer]

    def tensors(self) -> dict[str, Tensor]:
        """Every tensor, by name; an optimizer has those of the weights that it has moved."""
        found = self._weights()
        for name, optimizer in self.optimizers.items():
            for index, parameter in enumerate(_parameters(optimizer)):
                found |= {f"optimizer.{name}/{index}/{key}": v for key, v in optimizer.state[parameter].items()}
        return found

    def expected(self) -> dict[str, Tensor]:
        """Tensors of the names, shapes and types that `tensors` has once the optimizers have moved every weight."""
        found = self._weights()
        for name, optimizer in self.optimizers.items():
            for index, parameter in enumerate(_parameters(optimizer)):
                found |= {
                    f"optimizer.{name}/{index}/{key}": torch.zeros(()) if key == "step" else parameter.detach()
                    for key in _MOMENTS
                }
        return found

    def _weights(self) -> dict[str, Tensor]:
        return {f"{name}/{k}": v for name, module in self.modules.items() for k, v in module.state_dict().items()}


@dataclass(frozen=True)
class Position:
    """Where a run stands."""

    steps: int
    """Number of steps taken."""
    recipe: dict[str, Any]
    """The recipe's settings, see `settings_of`."""
    started_from: str | None = None
    """Name of the model that the run was started from."""
    images: int | None = None
    """Number of training images; ``None`` for an endless stream."""
    base: str | None = None
    """Hash of the base model on whose codes the networks learn, see `interpzoo.training.codes.hash_of`."""


def save_checkpoint(path: Path, state: State, position: Position) -> None:
    """Write the state, and keep the former checkpoint beside it as ``checkpoint.former.safetensors``.

    Raises:
        OutputError: it cannot be written; the former checkpoint can still be resumed.
    """
    tensors = {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in state.tensors().items()}
    values = {name: getattr(position, name) for name in ("recipe", "started_from", "images", "base")}
    metadata = {name: json.dumps(value, sort_keys=True) for name, value in values.items()}
    data = save(tensors, metadata | {"steps": str(position.steps), "sha256": _BLANK})
    end = 8 + int.from_bytes(data[:8], "little")
    head = data[:end].replace(_field(_BLANK), _field(hashlib.sha256(data).hexdigest()), 1)
    with atomic_write(path) as temporary:
        with temporary.open("wb") as file:
            file.write(head)
            file.write(memoryview(data)[end:])
        _keep_former(path)


def _keep_former(path: Path) -> None:
    if not path.is_file():
        return
    former = path.with_name(FORMER)
    former.unlink(missing_ok=True)
    try:
        os.link(path, former)
    except OSError:  # a file system without links
        os.replace(path, former)


def find_checkpoint(folder: Path) -> Path:
    """The checkpoint of a run, or the one before it if the run was killed while it exchanged them, or is finished.

    Raises:
        TrainingError: there is none.
    """
    for name in (CHECKPOINT, FORMER):
        if (folder / name).is_file():
            return folder / name
    raise TrainingError(f"there is no {CHECKPOINT} in {folder} to resume from: start without --resume")


def read_position(path: Path) -> Position:
    """Where the run of a checkpoint stands, from the file's header alone; raises as `restore_checkpoint`."""
    try:
        with path.open("rb") as file:
            return _position(_metadata(file.read(8 + MOST_HEADER_BYTES), path), path)
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror}") from None


def check_recipe(path: Path, position: Position, recipe: Recipe) -> None:
    """Raise a `TrainingError` if the checkpoint at `path` belongs to another recipe; it names what differs."""
    if found := differences(position.recipe, recipe):
        raise TrainingError(f"{path} belongs to another recipe: {'; '.join(found)}. {_ADVICE}")


def restore_checkpoint(
    path: Path, state: State, recipe: Recipe, images: int | None, base: str | None = None
) -> Position:
    """Fill `state` from a checkpoint; `images` and `base` are those of the `Position` that it must have.

    Raises:
        TrainingError: there is no checkpoint, or it belongs to another recipe, base model, other images or networks.
        WeightsError: the checkpoint is damaged. The message says whether the one before it is whole.
    """
    path = find_checkpoint(path.parent)
    expected = state.expected()
    most = 8 + MOST_HEADER_BYTES + sum(tensor.nbytes for tensor in expected.values())
    try:
        tensors, position = _read(path, most)
    except WeightsError as error:
        raise WeightsError(f"{error}; {_way_on(path.with_name(FORMER), path, most)}") from None
    check_recipe(path, position, recipe)
    if position.images != images:
        raise TrainingError(
            f"{path} belongs to other images: there were {position.images} to train on, and now there are {images}. "
            "Resume with the same images, or start from its model with --from in another folder"
        )
    if position.base != base:
        raise TrainingError(
            f"{path} belongs to another base model: the networks learned on other codes. Resume with the same --base, "
            "with the weights that it had then"
        )
    _check_networks(path, tensors, expected)
    for name, module in state.modules.items():
        prefix = f"{name}/"
        module.load_state_dict({k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)})
    for name, optimizer in state.optimizers.items():
        for index, parameter in enumerate(_parameters(optimizer)):
            prefix = f"optimizer.{name}/{index}/"
            for key in _MOMENTS if f"{prefix}step" in tensors else ():
                value = laid_out_like(tensors[prefix + key], parameter)
                optimizer.state[parameter][key] = value.clone()
    return position


def _read(path: Path, most: int) -> tuple[dict[str, Tensor], Position]:
    """The checked contents of a checkpoint: what is checked is what is used, whatever becomes of the file."""
    try:
        if (size := path.stat().st_size) > most:
            raise WeightsError(f"{path} has {size:,} bytes, expected at most {most:,} for these networks")
        data = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror}") from None
    metadata = _metadata(data, path)
    position = _position(metadata, path)
    end = 8 + int.from_bytes(data[:8], "little")
    stated = metadata.get("sha256")
    digest = hashlib.sha256(data[:end].replace(_field(stated), _field(_BLANK), 1))
    digest.update(memoryview(data)[end:])
    if (found := digest.hexdigest()) != stated:
        raise WeightsError(f"{path} is damaged: its checksum is {found[:12]}..., not {str(stated)[:12]}...")
    try:
        return load(data), position
    except SafetensorError as error:
        raise WeightsError(f"{path} is not a whole safetensors file: {error}") from None


def _position(metadata: Mapping[str, Any], path: Path) -> Position:
    try:
        recipe, started_from, images = (json.loads(metadata[name]) for name in ("recipe", "started_from", "images"))
        base: Any = json.loads(metadata.get("base", "null"))  # written since there are base models
        position = Position(int(metadata["steps"]), recipe, started_from, images, base)
    except (KeyError, TypeError, ValueError, RecursionError):
        raise WeightsError(f"{path} is damaged: its header does not say where the run stands") from None
    typed = isinstance(recipe, dict) and isinstance(started_from, str | None) and isinstance(images, int | None)
    typed = typed and isinstance(base, str | None)
    if not typed or position.steps < 0:
        raise WeightsError(f"{path} is damaged: its header does not say where the run stands")
    return position


def _metadata(data: bytes, path: Path) -> dict[str, Any]:
    size = int.from_bytes(data[:8], "little")
    if len(data) < 8 or size > min(MOST_HEADER_BYTES, len(data) - 8):
        raise WeightsError(f"{path} is not a whole safetensors file: its header would have {size:,} bytes")
    try:
        header: Any = json.loads(data[8 : 8 + size])
    except (ValueError, RecursionError):
        raise WeightsError(f"{path} is not a whole safetensors file: its header is not JSON") from None
    metadata: Any = header.get("__metadata__") if isinstance(header, dict) else None
    return metadata if isinstance(metadata, dict) else {}


def _field(checksum: object) -> bytes:
    """The checksum's place in the header; inside of texts, quotes would have a backslash."""
    return f'"sha256":"{checksum}"'.encode("utf-8", "replace")


def _way_on(former: Path, path: Path, most: int) -> str:
    with suppress(WeightsError):
        if path != former:
            steps = _read(former, most)[1].steps
            return f"the one before it, of step {steps}, is whole: rename {former} to {path.name} to continue from it"
    return "no whole checkpoint is left: start again in another folder"


def _check_networks(path: Path, tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    for name, tensor in tensors.items():
        like = expected.get(name)
        if like is None or (tensor.shape, tensor.dtype) != (like.shape, like.dtype):
            have = "no such tensor" if like is None else f"{like.dtype} of shape {tuple(like.shape)}"
            found = f"{name!r}, {tensor.dtype} of shape {tuple(tensor.shape)}"
            raise TrainingError(
                f"{path} belongs to other networks: it has {found}, and the recipe's have {have}. {_ADVICE}"
            )
    moved = {name.rpartition("/")[0] for name in tensors if name.startswith("optimizer.")}
    for name in expected:
        if name not in tensors and (not name.startswith("optimizer.") or name.rpartition("/")[0] in moved):
            raise TrainingError(f"{path} belongs to other networks: it lacks {name!r}. {_ADVICE}")


def _parameters(optimizer: Optimizer) -> list[nn.Parameter]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]
