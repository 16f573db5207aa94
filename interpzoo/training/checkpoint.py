"""The whole state of a run in one safetensors file: networks, regularizer, optimizers, average and position.

Nothing is pickled. The file is replaced in one step, so a killed run always finds the last complete checkpoint.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import safe_open
from torch import Tensor, nn
from torch.optim import Optimizer

from interpzoo.config import Recipe
from interpzoo.errors import TrainingError
from interpzoo.pretrained.folder import read_tensors, write_tensors
from interpzoo.training.optimizers import laid_out_like


@dataclass(frozen=True)
class State:
    """The objects that a checkpoint saves and that `restore_checkpoint` fills."""

    modules: Mapping[str, nn.Module]
    optimizers: Mapping[str, Optimizer]


def save_checkpoint(path: Path, state: State, *, steps: int, recipe: Recipe, started_from: str | None) -> None:
    """Write the state after `steps` steps, or raise an `OutputError` and leave the former checkpoint as it was."""
    tensors: dict[str, Tensor] = {}
    for name, module in state.modules.items():
        tensors |= {f"{name}/{key}": value for key, value in module.state_dict().items()}
    for name, optimizer in state.optimizers.items():
        for index, parameter in enumerate(_parameters(optimizer)):
            tensors |= {f"optimizer.{name}/{index}/{key}": v for key, v in optimizer.state[parameter].items()}
    # The header is not hashed or compared byte by byte, so it may hold the recipe as text.
    write_tensors(path, tensors, {"steps": str(steps), "recipe": _identity(recipe), "started_from": started_from or ""})


def check_exists(path: Path) -> None:
    """Raise a `TrainingError` if there is no checkpoint."""
    if not path.is_file():
        raise TrainingError(f"there is no {path.name} in {path.parent} to resume from: start without --resume")


def restore_checkpoint(path: Path, state: State, *, recipe: Recipe) -> tuple[int, str | None]:
    """Fill `state` from a checkpoint; returns its number of steps and the name of the model that the run started from.

    Raises:
        TrainingError: there is no checkpoint, or it belongs to another recipe or to other networks.
        WeightsError: the checkpoint is damaged.
    """
    check_exists(path)
    tensors = read_tensors(path)
    with safe_open(path, framework="pt") as file:
        metadata: dict[str, str] = file.metadata() or {}
    if metadata.get("recipe") != _identity(recipe):
        raise TrainingError(
            f"{path} belongs to another recipe: resume with the recipe that it was started with: "
            f"{_difference(metadata, recipe)}"
        )
    for name, module in state.modules.items():
        prefix = f"{name}/"
        try:
            module.load_state_dict({k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)})
        except RuntimeError as error:
            raise TrainingError(f"{path} belongs to other networks: {' '.join(str(error).split())}") from None
    for name, optimizer in state.optimizers.items():
        for index, parameter in enumerate(_parameters(optimizer)):
            prefix = f"optimizer.{name}/{index}/"
            for key, value in tensors.items():
                if key.startswith(prefix):
                    optimizer.state[parameter][key.removeprefix(prefix)] = laid_out_like(value, parameter).clone()
    return int(metadata["steps"]), metadata["started_from"] or None


def _parameters(optimizer: Optimizer) -> list[nn.Parameter]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def _identity(recipe: Recipe) -> str:
    return json.dumps(recipe.model_dump(mode="json", exclude={"summary", "limitations"}), sort_keys=True)


def _difference(metadata: Mapping[str, str], recipe: Recipe) -> str:
    old, new = json.loads(metadata.get("recipe", "{}")), json.loads(_identity(recipe))
    return ", ".join(f"{key} was {old.get(key)!r}" for key in new if old.get(key) != new[key])
