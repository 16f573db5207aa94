"""Runs of a few steps on parts that no plugin has registered."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save
from torch import Generator, Tensor
from torch.nn.functional import mse_loss

from interpzoo import create
from interpzoo.build import build_component
from interpzoo.config import ComponentConfig, Recipe
from interpzoo.data.lines import Lines
from interpzoo.interfaces import Batch, DataSet, LatentModel, Regularizer, Step, Update
from interpzoo.model import InterpolationModel
from interpzoo.training.trainer import Trainer
from interpzoo.training.workers import Workers
from tests.pixels import copied
from tests.tiny import tiny_recipe


def recipe_of(steps: int = 8, *, optimizer: Mapping[str, Any] | None = None, **training: Any) -> Recipe:
    """So many steps of 8 images, at a constant rate of 0.001 and without clipping by default."""
    options = {"schedule": "constant", "clip_norm": None, **(optimizer or {})}
    return tiny_recipe("ae", training={"samples": 8 * steps, **training}, optimizer=options)


def trainer_with(
    recipe: Recipe,
    folder: Path,
    regularizer: Regularizer | None = None,
    *,
    data: DataSet | None = None,
    workers: Workers | None = None,
    model: InterpolationModel | None = None,
) -> Trainer:
    """A trainer of parts that no plugin has registered."""
    model = create(recipe) if model is None else model
    if regularizer is None:
        regularizer = build_component(Regularizer, recipe.regularizer, recipe.image, model.latent_shape)
    if data is None:
        data = build_component(DataSet, recipe.data, recipe.image, None)
    return Trainer(recipe, model, regularizer, data, workers or Workers(), folder)


def forge(
    path: Path,
    *,
    tensors: Callable[[dict[str, Tensor]], object] = lambda tensors: None,
    metadata: Callable[[dict[str, str]], object] = lambda metadata: None,
) -> None:
    """Change a checkpoint, and give it the checksum of its new contents."""
    with safe_open(path, framework="pt") as file:
        texts: dict[str, str] = file.metadata()
    contents = load_file(path)
    tensors(contents)
    metadata(texts)
    data = save(contents, texts | {"sha256": "0" * 64})
    digest = hashlib.sha256(data).hexdigest()
    path.write_bytes(data.replace(b'"sha256":"' + b"0" * 64, b'"sha256":"' + digest.encode(), 1))


def ignore(done: int, values: object) -> None:
    """A progress callback that does nothing."""


class KeptLines(Lines):
    """Lines, and all that were given out for training."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__(ComponentConfig(), recipe.image)
        self.batches: list[Tensor] = []

    def train(self, indices: Tensor, generator: Generator) -> Batch:
        batch = super().train(indices, generator)
        self.batches.append(batch["image"])
        return batch


class Watcher(Regularizer):
    """Reconstruction alone, and what it saw of each step."""

    def __init__(self, *, autocast: bool = True, requires: frozenset[str] = frozenset()) -> None:
        super().__init__(ComponentConfig(), tiny_recipe().image, (2, 4, 4))
        self.autocast = autocast
        self.requires = requires
        self.calls: list[str] = []
        self.epochs: list[int] = []
        self.rows: list[dict[str, int]] = []
        self.dtypes: set[torch.dtype] = set()
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    def setup(self, model: LatentModel, batch: Batch, generator: Generator) -> None:
        self.calls.append("setup")
        self.batch = batch
        self.tracks = model.encoder(batch["image"]).requires_grad

    def updates(self, model: LatentModel) -> Sequence[Update]:
        return [Update("autoencoder", [*model.encoder.parameters(), *model.decoder.parameters()])]

    def loss(self, step: Step, update: str) -> Mapping[str, Tensor]:
        self.calls.append(f"loss {step.index}")
        self.epochs.append(step.epoch)
        self.rows.append({name: len(value) for name, value in step.batch.items()})
        self.dtypes.add(step.codes.dtype)
        self.weights = copied([*step.model.decoder.parameters()])
        step.log("brightness", step.x.mean())
        return {"reconstruction": mse_loss(step.reconstruction.float(), step.x)}

    def after(self, step: Step) -> None:
        moved = not torch.equal(self.weights[0], next(iter(step.model.decoder.parameters())))
        self.calls.append(f"after {step.index}, {'moved' if moved else 'still'}")
        self.count += 1


def four_steps(method: str = "ae", **training: Any) -> Recipe:
    """A recipe of four steps."""
    return tiny_recipe(method, training={"samples": 32, **training})


def write_pictures(folder: Path, mode: str, sizes: Sequence[tuple[int, int]]) -> Path:
    """A folder of noise, one file a size (width, height)."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number, (width, height) in enumerate(sizes):
        shape = (height, width) if mode == "L" else (height, width, 3)
        Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)).save(folder / f"{number}.png")
    return folder
