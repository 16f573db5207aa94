"""Where metamorphosis helps among paths: ``python benchmarks/morphed_models.py [MODEL ...]``.

Each model's straight line and its metamorphosis, and the same two paths between the images as they are (`pixels` at the
size of the model's images), scored on the model's own held-out data as `interpzoo evaluate` does, where the truth is
known: Mean Distance and Mean Smoothness say whether the frames lie on the data and move evenly, in-between MSE how far
they are from the true frames; sharpness is that of frames over that of the ends. 32 pairs.
"""

from __future__ import annotations

# ruff: noqa: T201
import sys

import torch

from interpzoo import load
from interpzoo.benchmark.protocol import EvaluationProtocol
from interpzoo.build import build_parts
from interpzoo.config import Component, ModelConfig
from interpzoo.evaluation import evaluate
from interpzoo.markdown import markdown_table
from interpzoo.model import InterpolationModel

MODELS = ("acai-lines", "acai-pole-shadow", "acai-coil20", "acai-mnist")
METRICS = ("mean-distance", "mean-smoothness", "in-between-mse", "sharpness")
PROTOCOL = EvaluationProtocol(pairs=32, reference=500, resamples=10)
PATHS = ("linear", "metamorphosis")


def main() -> None:
    torch.set_num_threads(1)
    for name in sys.argv[1:] or MODELS:
        rows = [(f"{name}, {path}", load(name, interpolator=path)) for path in PATHS]
        rows += [(f"pixels, {path}", pixels(rows[0][1].config, path)) for path in PATHS]
        scores: dict[str, dict[str, str]] = {}
        for label, model in rows:
            results = evaluate(model, metrics=METRICS, protocol=PROTOCOL).results
            scores[label] = {result.metric: f"{result.value:.4g}" for result in results}
        metrics = list(dict.fromkeys(metric for found in scores.values() for metric in found))
        table = [(label, *(found.get(metric, "") for metric in metrics)) for label, found in scores.items()]
        assert rows[0][1].config.trained is not None
        print(markdown_table((rows[0][1].config.trained.data.name, *metrics), table), flush=True)


def pixels(config: ModelConfig, path: str) -> InterpolationModel:
    """The model `pixels` for the images and the data of another."""
    same = {"encoder": Component(name="pixels"), "decoder": Component(name="pixels"), "prior": None}
    mine = config.model_copy(update={**same, "name": "pixels", "interpolator": Component(name=path)})
    return InterpolationModel(mine, *build_parts(mine)).eval()


if __name__ == "__main__":
    main()
