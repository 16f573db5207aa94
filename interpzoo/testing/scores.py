"""Checks of metrics, and of the scores of a method's models."""

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Generator, Tensor
from typing_extensions import override

from interpzoo.benchmark import Evaluation, Measured, NotApplicable, Task
from interpzoo.benchmark.candidates import ModelCandidate, controls
from interpzoo.benchmark.metric import Metric, build_metric, metrics_named
from interpzoo.benchmark.protocol import EvaluationProtocol
from interpzoo.benchmark.run import unmet
from interpzoo.config import Component, ComponentConfig, Recipe
from interpzoo.data.lines import Lines
from interpzoo.errors import UnknownNameError
from interpzoo.geometry import Circle
from interpzoo.interfaces import Batch, DataSet
from interpzoo.model import InterpolationModel
from interpzoo.testing.expect import (
    ConformanceError,
    UnavailableError,
    blaming,
    drawing_nothing,
    expect,
    writing_nothing,
)
from interpzoo.testing.samples import PLAIN, Noise, built, own_data, plain_model

_HELD_OUT = 8
_TRAINING = 40
_SMALL = EvaluationProtocol(
    pairs=4,
    motion_pairs=2,
    motion_divisions=4,
    geometry_pairs=2,
    slow_pairs=2,
    reference=10,
    training=10,
    resamples=2,
)
_FAMILIES = ("reconstruction", "motion", "truth")
_RANDOM = "draw from evaluation.generator(...)"


class _Gallery(Lines):
    """A few lines with all that a metric may need: a known number of images, classes and ground truth."""

    size = _TRAINING

    @override
    def train(self, indices: Tensor, generator: Generator) -> Batch:
        angles = torch.linspace(0, 6, _TRAINING, dtype=torch.float64)[indices]
        labels = torch.arange(_TRAINING)[indices] % 10
        return {"image": self.render(angles[:, None]).float(), "label": labels, "angle": angles.float()}

    @override
    def test(self, limit: int | None = None) -> Batch:
        return super().test(min(limit or 2 * _HELD_OUT, 2 * _HELD_OUT))

    @override
    def reference_grid(self) -> Tensor:
        return Circle().grid(100)


def check_metric(name: str, recipes: Sequence[Recipe]) -> None:
    """The metric scores controls and models with finite numbers, the same every time, and draws nothing global.

    It is tried on lines and, where it is not applicable to these, on the data of the plugin's own recipes.
    """
    what = f"metric {name!r}"
    with blaming(what):
        metric = build_metric(name)
    for task, model in _tasks(recipes):
        candidates = [ModelCandidate(model), *controls(task)]
        if sum([_check_score(what, metric, Evaluation(task, candidate)) for candidate in candidates]):
            return


def _check_score(what: str, metric: Metric, evaluation: Evaluation) -> bool:
    """Whether the metric is applicable to the candidate, which it then scores as it should."""
    if unmet(evaluation, metric):
        return False
    where = f"{what} of {evaluation.candidate.name!r}"
    with blaming(f"measuring {where}"):
        frames = evaluation.frames
        with drawing_nothing(where, _RANDOM), writing_nothing(where, frames=frames):
            first = metric.measure(evaluation)
        second = metric.measure(Evaluation(evaluation.task, evaluation.candidate))
    if isinstance(first, NotApplicable):
        return False
    if not isinstance(first, Measured):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConformanceError(f"{where} is of type {type(first).__name__!r}, expected Measured or NotApplicable")
    expect(
        math.isfinite(first.value),
        f"{where} is {first.value}: leave out what cannot be divided, or return NotApplicable with the reason",
    )
    same = isinstance(second, Measured) and second.value == first.value
    expect(same, f"{where} is another one when it is measured again: {_RANDOM}, and keep nothing in the metric")
    return True


def _tasks(recipes: Sequence[Recipe]) -> Iterator[tuple[Task, InterpolationModel]]:
    spec = Component(name="lines")
    yield Task(spec, PLAIN, _SMALL, data=_Gallery(ComponentConfig(), PLAIN)), plain_model()
    for recipe in recipes:
        try:
            model, data = built(recipe).eval(), own_data(recipe)
        except (ConformanceError, UnavailableError):  # which other checks report
            continue
        if data is not None and model.config.kind != "features":
            yield _task(recipe, data), model


def _task(recipe: Recipe, data: DataSet) -> Task:
    task = Task(recipe.data, recipe.image, _SMALL, data=data)
    task.test = data.test(2 * _HELD_OUT)
    return task


def check_scores(recipe: Recipe) -> None:
    """An untrained model of the recipe gets finite scores.

    On a few images of the recipe's data if that has a ground truth, otherwise on noise, which needs no decoding. Passes
    for networks of kind ``features``, and where no metrics are registered.
    """
    model = built(recipe).eval()
    data = own_data(recipe)
    if model.config.kind == "features":
        return
    try:
        metrics = metrics_named(_FAMILIES)
    except UnknownNameError:
        return
    task = None if data is None else _task(recipe, data)
    if task is None or not task.has_truth:
        task = _task(recipe, Noise(recipe.image))
    evaluation = Evaluation(task, ModelCandidate(model))
    scores: dict[str, float] = {}
    for named in metrics:
        if unmet(evaluation, named.metric):
            continue
        with blaming(f"metric {named.name!r} of a model of recipe {recipe.name!r}"):
            found = named.metric.measure(evaluation)
        if isinstance(found, Measured):
            scores[named.name] = found.value
            expect(
                math.isfinite(found.value),
                f"metric {named.name!r} of a model of recipe {recipe.name!r} is {found.value}",
            )
    expect(bool(scores), f"no metric is applicable to a model of recipe {recipe.name!r}")
