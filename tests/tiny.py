"""Small models, data and plugin packages for tests, built by the public functions."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor

from interpzoo import create
from interpzoo.config import ComponentConfig, ImageSpec, Recipe
from interpzoo.fitness import FEWEST, Fitness, measured
from interpzoo.interfaces import Batch, DataSet
from interpzoo.model import InterpolationModel
from interpzoo.testing.samples import random_images as random_images


def tiny_recipe(
    method: str = "ae",
    *,
    channels: int = 1,
    size: tuple[int, int] = (16, 16),
    training: Mapping[str, Any] | None = None,
    optimizer: Mapping[str, Any] | None = None,
    **regularizer: Any,
) -> Recipe:
    """A recipe of a registered method on networks of a few thousand weights, in float32."""
    critic = {"critic": {"width": 2, "scales": 2, "latent_channels": 2}} if method == "acai" else {}
    stochastic = method == "vae"
    return Recipe.model_validate(
        {
            "name": f"{method}-tiny",
            "method": method,
            "image": {"channels": channels, "height": size[0], "width": size[1]},
            "encoder": {
                "name": "conv",
                "width": 4,
                "scales": 2,
                "latent_channels": 2,
                "posterior": "gaussian" if stochastic else "none",
            },
            "decoder": {"name": "conv", "width": 4, "output": "sigmoid" if stochastic else "linear"},
            "prior": {"name": "normal"} if method in ("vae", "aae") else None,
            "regularizer": {"name": method, **critic, **regularizer},
            "data": {"name": "lines"},
            "training": {
                "samples": 64,
                "batch_size": 8,
                "precision": "float32",
                "optimizer": {"learning_rate": 1e-3, **(optimizer or {})},
                **(training or {}),
            },
        }
    )


def tiny_model(
    method: str = "ae", *, channels: int = 1, size: tuple[int, int] = (16, 16), seed: int = 0, examples: int = 0
) -> InterpolationModel:
    """An untrained model in eval mode, with so many random codes as its examples."""
    model = create(tiny_recipe(method, channels=channels, size=size), seed=seed).eval()
    if examples:
        model.examples = torch.randn(examples, *model.latent_shape, generator=Generator().manual_seed(seed))
    return model


def noise(*shape: int) -> Tensor:
    """Numbers in [0, 1), always the same."""
    return torch.rand(*shape, generator=Generator().manual_seed(0))


def files_of(folder: Path) -> dict[str, bytes]:
    """The content of each file in a folder, by its name."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


class Noted(DataSet):
    """`size` images in memory, each of one grey that identifies it; requested indices are recorded."""

    fields = frozenset({"image"})

    def __init__(self, image: ImageSpec, size: int) -> None:
        super().__init__(ComponentConfig(), image)
        self.size = size
        self.visited: list[list[int]] = []
        self._image = image

    def train(self, indices: Tensor, generator: Generator) -> Batch:
        """The images `indices`."""
        self.visited.append(indices.tolist())
        greys = indices.view(-1, 1, 1, 1) / (self.size or 1)
        return {"image": greys.expand(-1, *self._image.shape).contiguous()}

    def test(self, limit: int | None = None) -> Batch:
        """The first images."""
        return self.train(torch.arange(self.size or 0)[:limit], Generator())


def write_distribution(
    site: Path,
    name: str,
    files: Mapping[str, str],
    *,
    plugin: str,
    version: str = "1.0",
) -> str:
    """Write an installed distribution with one entry point, as pip would; gives its import package."""
    package = name.replace("-", "_")
    for path, text in files.items():
        target = site / package / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, "utf-8")
    info = site / f"{package}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", "utf-8")
    (info / "entry_points.txt").write_text(f"[interpzoo]\n{plugin} = {package}\n", "utf-8")
    return package


def run_python(
    code: str, *arguments: str, site: Path | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run `code` in a fresh interpreter on one thread, with the distributions of `site` installed."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("INTERPZOO_")}
    environment |= {"OMP_NUM_THREADS": "1", **variables}
    if site is not None:
        environment["PYTHONPATH"] = str(site)
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        env=environment,
    )


def python_json(code: str, *arguments: str, site: Path | None = None, **variables: str) -> Any:
    """The JSON that `code` prints in a new interpreter, which must succeed."""
    done = run_python(code, *arguments, site=site, **variables)
    if done.returncode:
        raise AssertionError(done.stderr)
    return json.loads(done.stdout)


def tiny_fitness(model: InterpolationModel) -> Fitness:
    """Figures as of a model whose images are noise."""
    images = random_images(FEWEST, model.config.image)
    return measured(images, images, images, images)
