"""The zoo's measures run on a model of the method."""

from __future__ import annotations

import math

from interpzoo.benchmark.protocol import EvaluationProtocol
from interpzoo.config import Recipe
from interpzoo.errors import DataError
from interpzoo.evaluation import evaluate
from interpzoo.testing.expect import expect
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


def check_metrics(recipe: Recipe) -> None:
    """An untrained model of the recipe is given finite figures, on its data.

    Where the data is not here it passes, and so does a network of kind ``features``.
    """
    model = create(recipe).eval()
    if model.config.kind == "features":
        return
    try:
        evaluation = evaluate(model, dataset=recipe.data, metrics=_FAMILIES, protocol=_SMALL)
    except DataError:
        return
    expect(bool(evaluation.results), f"no metric is applicable to a model of recipe {recipe.name!r}")
    for result in evaluation.results:
        expect(math.isfinite(result.value), f"{result.metric} of a model of recipe {recipe.name!r} is {result.value}")
