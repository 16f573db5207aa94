"""`evaluate`: the scores of one model on held-out data by the registered metrics."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from interpzoo.arguments import called, of_type, seed_of
from interpzoo.benchmark.candidates import ModelCandidate
from interpzoo.benchmark.metric import metrics_named
from interpzoo.benchmark.protocol import EvaluationProtocol
from interpzoo.benchmark.ranking import words_of
from interpzoo.benchmark.results import Record
from interpzoo.benchmark.run import Progress, score_candidate
from interpzoo.benchmark.selection import data_named, own_data
from interpzoo.benchmark.task import Task
from interpzoo.config import Component
from interpzoo.errors import InputError
from interpzoo.features import features_named
from interpzoo.files import expanded
from interpzoo.model import InterpolationModel
from interpzoo.pretrained.card import Result
from interpzoo.pretrained.load import load
from interpzoo.tensors import ordinary_mode

_FEW: Final = 4
"""Names in a row that are read with ease."""


@dataclass(frozen=True)
class Scores:
    """The scores of a model on a data set, and what they were measured with."""

    model: str
    dataset: str
    seed: int
    results: list[Result]
    not_applicable: dict[str, str]
    """Metrics without a score for this model on this data, with the reason."""
    failed: dict[str, str]
    """Metrics that could not be measured, with the error."""
    versions: dict[str, str]
    """Versions of interpzoo, torch and Python, and the number of threads."""
    features: str
    """What images were compared by."""

    def to_json(self) -> str:
        """The scores as a JSON object."""
        return json.dumps(asdict(self), indent=2, allow_nan=False) + "\n"


@ordinary_mode
def evaluate(
    model: str | Path | InterpolationModel,
    *,
    data_root: str | Path | None = None,
    dataset: str | Path | Component | None = None,
    metrics: Sequence[str] = (),
    protocol: EvaluationProtocol | None = None,
    seed: int = 0,
    features: str | Path | None = None,
    progress: Progress = lambda model, metric: None,
) -> Scores:
    """Score a model on the held-out part of its data by every registered metric that is applicable.

    Args:
        model: a model or what `load` takes.
        dataset: other data than what the model was trained on: a registered name, a folder of images (a `Path`, or a
            string that starts with ``./``, ``../``, ``~`` or ``/``), a data set of images on the Hub, or a
            `Component` with settings.
        metrics: shell patterns of metrics or families; all by default.

    Other Parameters:
        data_root: folder of local data sets; else the environment variable ``INTERPZOO_DATA``, else the Hub.
        protocol: how much is measured; `EvaluationProtocol()` by default.
        seed: seed of the pairs and of everything else that is random, 0 to 2^32 - 1, instead of the protocol's.
        features: what images are compared by, see `features_named`; the data set's own by default.
        progress: called with the model and the metric before each is measured.

    Raises:
        DataError: `dataset` is not given and the model does not say what it was trained on, or the data is missing.
        UnknownNameError: there is no such data set, metric or network of features.
        ConfigError, WeightsError: `dataset` is not a name, or the features are not available for such images.
        InputError: an argument is not valid, or no metric could be measured, as where the frames are not finite.

    Example:
        >>> import interpzoo
        >>> for result in interpzoo.evaluate("ae-lines", metrics=["reconstruction-mse"]).results:
        ...     print(f"{result.metric}: {result.value:.1e}")
        reconstruction MSE: 3.4e-05
    """
    seed = seed_of(seed)
    called("progress", progress)
    if protocol is not None:
        of_type("protocol", protocol, EvaluationProtocol, "an EvaluationProtocol")
    if not isinstance(model, InterpolationModel):
        model = load(model)
    component = own_data(model.config) if dataset is None else data_named(dataset)
    protocol = (EvaluationProtocol() if protocol is None else protocol).model_copy(update={"seed": seed})
    image, root = model.config.image, None if data_root is None else expanded(data_root)
    network = None if features is None else features_named(features, image, device=model.device)
    task = Task(component, image, protocol, root, features=network)
    record = score_candidate(task, ModelCandidate(model), metrics_named(metrics), progress=progress, tolerant=True)
    failed = {score.title: score.error for score in record.scores.values() if score.error}
    results = results_of(record)
    if failed and not results:
        raise InputError(f"nothing could be measured: {next(iter(failed.values()))}")
    return Scores(
        model=model.config.name,
        dataset=component.name,
        seed=seed,
        results=results,
        not_applicable={score.title: score.reason for score in record.scores.values() if score.reason},
        failed=failed,
        versions=record.versions,
        features=record.features,
    )


def grouped(reasons: Mapping[str, str]) -> Iterator[str]:
    """Each reason once, after the metrics that it holds for, or their number if there are many."""
    titles: dict[str, list[str]] = {}
    for title, reason in reasons.items():
        titles.setdefault(reason, []).append(title)
    for reason, names in titles.items():
        yield f"{', '.join(names) if len(names) <= _FEW else f'{len(names)} metrics'} ({reason})"


def results_of(record: Record) -> list[Result]:
    """The scores of a record as a card has them; metrics that are not applicable are left out."""
    truth = any(score.family == "truth" and score.value is not None for score in record.scores.values())
    better = {named.name: words_of(named.metric, truth=truth) for named in metrics_named()}
    return [
        Result(score.title, score.value, record.data.name, low=score.low, high=score.high, better=better.get(name, ""))
        for name, score in record.scores.items()
        if score.value is not None
    ]
