"""What else changes along a direction: ``python -m benchmarks.directions acai-celeba --attribute Smiling``.

Held-out faces without the attribute are edited until a classifier finds it more probable by 0.5 in the mean. Compared
are the difference of the mean codes, the probe (`direction_between`), and the difference of the mean images, added to
the pixels. For each:

- strength: how far the images were moved, in lengths of the direction;
- others: the mean change of the other attributes' probabilities;
- beside mean codes: how much more that is than with the difference of the mean codes, of the same faces;
- features: the distance of the features of the edited image from those of the image edited by 0.

The classifier is a logistic regression on the features of ``--features``, fitted to the labels of the training images;
images of twice its size are reduced by 2x2 means. Brackets are 95 % intervals over the faces, by 1,000 bootstrap draws.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Generator, Tensor
from torch.nn.functional import avg_pool2d, binary_cross_entropy_with_logits

from benchmarks.intervals import interval
from interpzoo.directions import direction_between
from interpzoo.features import Features, features_named
from interpzoo.markdown import markdown_table
from interpzoo.pretrained.load import read_model
from interpzoo.pretrained.locate import locate
from tools.directions import data_of, encoded

_RISE = 0.5
_HALVINGS = 12
_FARTHEST = 8.0
_BATCH = 512

Edit = Callable[[float], Tensor]
Probabilities = Callable[[Tensor], tuple[Tensor, Tensor]]


def classifier(features: Features, images: Tensor, labels: Tensor) -> Probabilities:
    """Images to features (B, D) and probabilities (B, k), fitted to labels (n, k)."""
    found = torch.cat([features(_small(part, features)) for part in images.split(_BATCH)])
    mean, spread = found.mean(0), found.std(0) + 1e-6

    def inputs(values: Tensor) -> Tensor:
        return torch.cat([(values - mean) / spread, torch.ones(len(values), 1)], dim=1)

    weights = torch.zeros(found.shape[1] + 1, labels.shape[1], requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = binary_cross_entropy_with_logits(inputs(found) @ weights, labels.float())
        value = value + 1e-4 * weights.square().sum()
        value.backward()
        return value

    optimizer.step(loss)

    def probabilities(images: Tensor) -> tuple[Tensor, Tensor]:
        values = features(_small(images, features))
        return values, (inputs(values) @ weights.detach()).sigmoid()

    return probabilities


def moved_by(edit: Edit, probabilities: Probabilities, attribute: int) -> tuple[float, Tensor, Tensor, Tensor]:
    """Strength, and the rise, the change of others and that of features, (faces,) each, of an edit."""
    before, first = probabilities(edit(0.0))

    def rise(strength: float) -> Tensor:
        return probabilities(edit(strength))[1][:, attribute] - first[:, attribute]

    low, high = 0.0, _FARTHEST
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if rise(middle).mean() < _RISE else (low, middle)
    after, last = probabilities(edit(high))
    moved = (last - first).abs()
    others = (moved.sum(1) - moved[:, attribute]) / (moved.shape[1] - 1)
    return high, rise(high), others, (after - before).norm(dim=1)


def _small(images: Tensor, features: Features) -> Tensor:
    return avg_pool2d(images, 2) if features.name == "features-celeba" and images.shape[-1] == 64 else images


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--attribute", action="append", help="a label of the data; can be repeated (default: Smiling)")
    parser.add_argument("--features", default="features-celeba")
    parser.add_argument("--faces", type=int, default=100)
    parser.add_argument("--data-root", type=Path)
    options = parser.parse_args()

    model = read_model(locate(options.model))
    data = data_of(model, options.data_root)
    codes, labels = encoded(model, data)
    images = torch.cat(
        [data.train(part, Generator().manual_seed(0))["image"] for part in torch.arange(len(labels)).split(_BATCH)]
    )
    shape = model.config.image.model_copy(update={"height": 32, "width": 32})
    probabilities = classifier(features_named(options.features, shape), images, labels)
    test = data.test()
    rows: list[list[str]] = []
    for name in options.attribute or ["Smiling"]:
        attribute = data.label_names.index(name)
        has = labels[:, attribute]
        faces = test["image"][~test["label"].bool()[:, attribute]][: options.faces]
        step = images[has].mean(0) - images[~has].mean(0)
        edits: dict[str, Edit] = {"mean images": lambda far, faces=faces, step=step: (faces + far * step).clamp(0, 1)}
        for kind, probe in (("mean codes", False), ("probe", True)):
            along = direction_between(codes[has], codes[~has], probe=probe)
            edits[kind] = lambda far, faces=faces, along=along: model.edit(faces, along, [far])[:, 0].clamp(0, 1)
        found = {kind: moved_by(edit, probabilities, attribute) for kind, edit in edits.items()}
        for kind, (strength, rise, others, features) in found.items():
            more = "-" if kind == "mean codes" else interval(others - found["mean codes"][2])
            row = (interval(rise, digits=4), interval(others, digits=4), more, interval(features, digits=4))
            rows.append([name, kind, f"{strength:.2f}", *row])
    header = ["attribute", "direction", "strength", "rise", "others", "beside mean codes", "features"]
    table = markdown_table(header, rows)
    print(f"{options.model}, {options.faces} held-out faces\n\n{table}")  # noqa: T201


if __name__ == "__main__":
    main()
