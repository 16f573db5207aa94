"""`evaluate`: what one model scores on held-out data, by the registered metrics."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from interpzoo.benchmark.candidates import Model
from interpzoo.benchmark.protocol import Protocol
from interpzoo.benchmark.results import Record
from interpzoo.benchmark.run import Told, metrics_named, score
from interpzoo.benchmark.trial import Arena
from interpzoo.config import Component, named
from interpzoo.errors import DataError
from interpzoo.features import features_named
from interpzoo.model import InterpolationModel
from interpzoo.pretrained.card import Result
from interpzoo.pretrained.load import load


@dataclass(frozen=True)
class Evaluation:
    """What was measured, on what, and with which versions."""

    model: str
    dataset: str
    seed: int
    results: list[Result]
    not_applicable: dict[str, str]
    """Metrics that say nothing of this model on this data, with the reason."""
    versions: dict[str, str]
    features: str
    """What images were compared by."""

    def to_json(self) -> str:
        """As text."""
        return json.dumps(asdict(self), indent=2, allow_nan=False) + "\n"


def evaluate(
    model: str | Path | InterpolationModel,
    *,
    data_root: str | Path | None = None,
    dataset: str | Component | None = None,
    metrics: Sequence[str] = (),
    protocol: Protocol | None = None,
    seed: int = 0,
    features: str | Path | None = None,
    told: Told = lambda subject, metric: None,
) -> Evaluation:
    """Score a model on the held-out part of its data by every registered metric that is applicable.

    Args:
        model: a model or what `load` takes.
        data_root: folder of local data sets; else the environment variable ``INTERPZOO_DATA``, else the Hub.
        dataset: other data than what the model was trained on: a registered name, or a `Component` with settings.
        metrics: shell patterns of metrics or families; all by default.
        protocol: how much is measured; `Protocol()` by default.
        seed: of the pairs and of everything else that is random, in place of the protocol's.
        features: what images are compared by, see `features_named`; the data set's own by default.
        told: called with the model and the metric before each is measured.

    Raises:
        DataError: the model does not say what it was trained on and `dataset` is not given, or the data is missing.
        UnknownNameError: there is no such data set, metric or network of features.
        ConfigError, WeightsError: `dataset` is no name, or the features are not of such images, or cannot be had.
        InputError: a frame of the model is not finite.
    """
    if not isinstance(model, InterpolationModel):
        model = load(model)
    if isinstance(dataset, str):
        dataset = named(dataset, "dataset")
    component = dataset or (model.config.trained.data if model.config.trained else None)
    if component is None:
        raise DataError(
            f"{model.config.name!r} does not say what it was trained on: give the data set by its name, such as "
            "interpzoo.evaluate(model, dataset='lines')"
        )
    protocol = (protocol or Protocol()).model_copy(update={"seed": seed})
    image, root = model.config.image, None if data_root is None else Path(data_root)
    network = None if features is None else features_named(features, image, device=model.device)
    arena = Arena(component, image, protocol, root, features=network)
    record = score(arena, Model(model), metrics_named(metrics), told=told)
    return Evaluation(
        model=model.config.name,
        dataset=component.name,
        seed=seed,
        results=results_of(record),
        not_applicable={figure.title: figure.reason for figure in record.figures.values() if figure.reason},
        versions=record.versions,
        features=record.features,
    )


def results_of(record: Record) -> list[Result]:
    """The figures of a record as a card has them; what is not applicable is left out."""
    return [
        Result(figure.title, figure.value, record.data.name, low=figure.low, high=figure.high)
        for figure in record.figures.values()
        if figure.value is not None
    ]
