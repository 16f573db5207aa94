"""Metrics on a model of the method."""

import math

from interpzoo.benchmark import Task
from interpzoo.benchmark.candidates import ModelCandidate
from interpzoo.benchmark.metric import metrics_named
from interpzoo.benchmark.protocol import EvaluationProtocol
from interpzoo.benchmark.run import score_candidate
from interpzoo.config import Recipe
from interpzoo.errors import DataError
from interpzoo.testing.expect import expect
from interpzoo.testing.samples import Noise
from interpzoo.untrained import create

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
_HELD_OUT = 8


def check_metrics(recipe: Recipe) -> None:
    """An untrained model of the recipe gets finite scores.

    On a few images of the recipe's data if that has a ground truth, otherwise on noise, which needs no decoding. Passes
    where the data is not available, and for networks of kind ``features``.
    """
    model = create(recipe).eval()
    if model.config.kind == "features":
        return
    try:
        task = Task(recipe.data, recipe.image, _SMALL)
        if not task.has_truth:
            task.data = Noise(recipe.image)
        task.test = task.data.test(_HELD_OUT)
        record = score_candidate(task, ModelCandidate(model), metrics_named(_FAMILIES))
    except DataError:
        return
    values = {name: score.value for name, score in record.scores.items() if score.value is not None}
    expect(bool(values), f"no metric is applicable to a model of recipe {recipe.name!r}")
    for name, value in values.items():
        expect(math.isfinite(value), f"metric {name!r} of a model of recipe {recipe.name!r} is {value}")
