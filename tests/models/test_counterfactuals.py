"""Paths to another answer of a classifier: to its nearest border, by gradients and without, and wrong classifiers."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import Tensor, nn

import interpzoo
from interpzoo.classifiers import classifier_on
from interpzoo.config import ImageSpec
from interpzoo.errors import InputError
from interpzoo.features import Features

SHAPE = (1, 4, 4)


@pytest.fixture
def model() -> interpzoo.InterpolationModel:
    """Images are their own codes."""
    return interpzoo.wrap(nn.Flatten(), nn.Unflatten(1, SHAPE), image=SHAPE)


def images(n: int = 3) -> Tensor:
    return 0.3 + 0.4 * torch.rand(n, *SHAPE, generator=torch.Generator().manual_seed(0))


def weights(k: int) -> Tensor:
    return torch.randn(16, k, generator=torch.Generator().manual_seed(1))


def test_the_path_ends_just_beyond_the_nearest_border(model: interpzoo.InterpolationModel) -> None:
    x, w = images(), weights(1)
    border = float((x.flatten(1) @ w).max()) + 0.3

    def classify(batch: Tensor) -> Tensor:
        return (batch.flatten(1) @ w)[:, 0] - border

    found = model.counterfactual(x, classify, steps=5)
    exact = (border - (x.flatten(1) @ w)[:, 0]) / w.norm()
    torch.testing.assert_close(found.distance, exact, rtol=1e-3, atol=1e-5)
    assert found.before.tolist() == [0, 0, 0]
    assert found.after.tolist() == [1, 1, 1]
    assert found.frames.shape == (3, 5, *SHAPE)
    torch.testing.assert_close(found.frames[:, 0], x)
    assert bool((classify(found.frames[:, -1]) > 0).all())
    assert bool((classify(found.frames[:, :-1].flatten(0, 1)) < 0).all())  # the last frame is the first to change


def test_of_many_classes_it_is_the_nearest_or_the_one_that_is_asked_for(model: interpzoo.InterpolationModel) -> None:
    x, w = images(4), weights(5)

    def classify(batch: Tensor) -> Tensor:
        return batch.flatten(1) @ w

    scores = classify(x)
    found = model.counterfactual(x, classify)
    for row in range(4):
        a = int(scores[row].argmax())
        apart = [(scores[row, a] - scores[row, k]) / (w[:, a] - w[:, k]).norm() for k in range(5) if k != a]
        assert float(found.distance[row]) == pytest.approx(float(min(apart)), rel=0.01)
    assert model.counterfactual(x, classify, target=2).after.tolist() == [2, 2, 2, 2]
    assert model.counterfactual(x[:1], classify, target=2, steps=2, interpolator="geodesic").after.tolist() == [2]


def test_without_gradients_the_nearest_known_image_is_the_goal(model: interpzoo.InterpolationModel) -> None:
    x = images(2)

    def bright(batch: Tensor) -> Tensor:
        return torch.tensor([float(image.mean() > 0.8) for image in batch]) - 0.5

    with pytest.warns(UserWarning, match="no image with another answer was found for 2 of 2 images: give images"):
        nothing = model.counterfactual(x, bright)
    assert nothing.distance.tolist() == [0, 0]
    assert torch.equal(nothing.frames, x[:, None].expand_as(nothing.frames))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = model.counterfactual(x, bright, towards=torch.ones(1, *SHAPE))
    assert found.after.tolist() == [1, 1]
    assert found.frames[:, -1].flatten(1).mean(1).tolist() == pytest.approx([0.8, 0.8], abs=1e-3)
    model.codes = torch.ones(1, 16)
    assert model.counterfactual(x, bright).after.tolist() == [1, 1]


def test_a_feature_network_becomes_a_classifier(model: interpzoo.InterpolationModel) -> None:
    x = images(40)
    labels = (x.flatten(1).mean(1) > x.mean()).long()
    spec = ImageSpec(channels=1, height=4, width=4)
    classify = classifier_on(Features("pixels", nn.Flatten()), x, labels, spec)
    assert float((classify(x).argmax(1) == labels).float().mean()) >= 0.95
    found = model.counterfactual(x[:2], classify)
    assert bool((found.before != found.after).all())
    attributes = classifier_on(Features("pixels", nn.Flatten()), x, labels[:, None], spec)
    assert attributes(x).shape == (40, 1)
    for wrong in (labels[:3], torch.zeros(40), torch.zeros(40, dtype=torch.int64)):
        with pytest.raises(InputError, match="labels"):
            classifier_on(Features("pixels", nn.Flatten()), x, wrong, spec)


def test_a_wrong_classifier_is_one_line(model: interpzoo.InterpolationModel) -> None:
    for classify, message in (
        (3, "classifier = 3: expected a function from images to scores"),
        (lambda batch: 1 / 0, "the classifier cannot classify images .*ZeroDivisionError"),
        (lambda batch: torch.zeros(7, 2), r"the classifier gives \(7, 2\) for 3 images"),
        (lambda batch: "cat", "the classifier gives str for 3 images"),
        (lambda batch: torch.full((len(batch),), torch.nan), "not finite"),
    ):
        with pytest.raises(InputError, match=message):
            model.counterfactual(images(), classify)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="target = 2: expected a whole number from 0 to 1"):
        model.counterfactual(images(), lambda batch: batch.flatten(1).mean(1), target=2)
