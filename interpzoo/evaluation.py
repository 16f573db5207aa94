"""`evaluate`: what a pretrained model scores on held-out data."""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from interpzoo.build import build_component
from interpzoo.card import Result
from interpzoo.config import Component
from interpzoo.data.lines import Lines
from interpzoo.errors import DataError
from interpzoo.interfaces import DataSet
from interpzoo.loading import load
from interpzoo.metrics.lines import line_pairs, line_templates, score_interpolations
from interpzoo.metrics.reconstruction import psnr, reconstruction_mse
from interpzoo.metrics.representation import kmeans_accuracy, linear_probe
from interpzoo.model import InterpolationModel

_LINE_STEPS: Final = 16
_BATCH: Final = 500


@dataclass(frozen=True)
class Evaluation:
    """What was measured, on what, and with which versions."""

    model: str
    dataset: str
    seed: int
    results: list[Result]
    versions: dict[str, str]

    def to_json(self) -> str:
        """As text; a figure that is not a number becomes ``null``."""
        value = asdict(self)
        for result in value["results"]:
            if not math.isfinite(result["value"]):
                result["value"] = None
        return json.dumps(value, indent=2, allow_nan=False) + "\n"


def evaluate(
    model: str | Path | InterpolationModel,
    *,
    data_root: str | Path | None = None,
    dataset: Component | None = None,
    seed: int = 0,
) -> Evaluation:
    """Score a model on the held-out part of its data.

    Everywhere: mean squared error and PSNR of reconstructions in [0, 1]. On ``lines``: Mean Distance and Mean
    Smoothness of the ACAI paper (256 pairs, 16 frames along the model's own path). Where images have one label each:
    the linear probe and K-means of `interpzoo.metrics.representation`, on the codes of the full train set.

    Args:
        model: a model or what `load` takes.
        data_root: folder of local data sets; else the environment variable ``INTERPZOO_DATA``, else the Hub.
        dataset: other data than what the model was trained on.
        seed: of the line pairs and of K-means.

    Raises:
        DataError: the model does not say what it was trained on and `dataset` is not given, or the data is missing.
    """
    if not isinstance(model, InterpolationModel):
        model = load(model)
    component = dataset or (model.config.trained.data if model.config.trained else None)
    if component is None:
        raise DataError(f"{model.config.name!r} does not say what it was trained on: give a dataset")
    data: DataSet = build_component(
        "dataset", component, model.config.image, None if data_root is None else Path(data_root)
    )
    measured = {name: value for part in _measure(model, data, seed) for name, value in part.items()}
    return Evaluation(
        model=model.config.name,
        dataset=component.name,
        seed=seed,
        results=[Result(name, value, component.name) for name, value in measured.items()],
        versions={"interpzoo": version("interpzoo"), "torch": version("torch"), "python": platform.python_version()},
    )


def _measure(model: InterpolationModel, data: DataSet, seed: int) -> Iterator[Mapping[str, float]]:
    if isinstance(data, Lines):
        yield _lines(model, seed)
    test = data.test()
    label = test.get("label")
    if label is not None and label.ndim == 1 and data.size is not None:
        yield _representation(model, data, data.size, test["image"], label, seed)
    images = test["image"]
    reconstructions = torch.cat([model.reconstruct(x.clamp(0, 1)).cpu() for x in images.split(_BATCH)])
    yield {
        "reconstruction MSE": float(reconstruction_mse(images, reconstructions).mean()),
        "reconstruction PSNR (dB)": float(psnr(images, reconstructions).mean()),
    }


def _lines(model: InterpolationModel, seed: int) -> Mapping[str, float]:
    size = model.config.image.height
    starts, ends = line_pairs(seed, size=size)
    frames = model.interpolate(starts["image"], ends["image"], steps=_LINE_STEPS)
    scores = score_interpolations(frames.cpu(), line_templates(size))
    return {"Mean Distance": scores.mean_distance, "Mean Smoothness": scores.mean_smoothness}


def _representation(
    model: InterpolationModel, data: DataSet, size: int, images: Tensor, labels: Tensor, seed: int
) -> Mapping[str, float]:
    generator = torch.Generator().manual_seed(seed)
    codes: list[Tensor] = []
    targets: list[Tensor] = []
    for indices in torch.arange(size).split(_BATCH):
        batch = data.train(indices, generator)
        codes.append(_encode(model, batch["image"]))
        targets.append(batch["label"])
    train, test = torch.cat(codes), torch.cat([_encode(model, x) for x in images.split(_BATCH)])
    classes = int(labels.max()) + 1
    return {
        "linear probe accuracy": linear_probe(train, torch.cat(targets), test, labels),
        "K-means accuracy": kmeans_accuracy(train, test, labels, clusters=classes, seed=seed),
    }


@torch.no_grad()
def _encode(model: InterpolationModel, images: Tensor) -> Tensor:
    return model.encode(images).flatten(1).cpu()
