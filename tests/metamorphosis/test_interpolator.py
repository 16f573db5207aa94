"""Metamorphosis as a path of a model."""

from __future__ import annotations

import warnings

import pytest
import torch
from interpzoo_metamorphosis import MorphReport, morph

import interpzoo
from interpzoo.errors import MatchWarning
from interpzoo.model import InterpolationModel
from tests.tiny import tiny_model


def test_frames_are_encoded_morphs_and_ends_are_exact() -> None:
    model: InterpolationModel = tiny_model(size=(8, 8))
    a, b = torch.randn(2, 3, *model.latent_shape, generator=torch.Generator().manual_seed(0))
    found = model.solve(a, b, [0.0, 0.5, 1.0], interpolator="metamorphosis")
    assert torch.equal(found.codes[:, 0], a)
    assert torch.equal(found.codes[:, 2], b)
    assert all(isinstance(report, MorphReport) for report in found.report)
    with torch.no_grad():
        middle = morph(model.decode(a), model.decode(b)).frames([0.5])[:, 0]
        torch.testing.assert_close(found.codes[:, 1], model.encoder(middle))


def test_a_model_of_the_zoo_morphs_its_examples() -> None:
    model = interpzoo.load("acai-mnist")
    assert model.examples is not None
    pair = model.decode(model.examples[:2]).detach().clamp(0, 1).split(1)
    codes = [model.encode(image) for image in pair]
    frames = model.interpolate(*pair, steps=3, interpolator="metamorphosis")
    assert frames.shape == (1, 3, 1, 32, 32)
    torch.testing.assert_close(frames[:, 0], model.decode(codes[0]).detach(), atol=1e-5, rtol=0)


def test_one_warning_says_that_faces_are_in_other_places() -> None:
    model = interpzoo.load("metamorphosis")
    assert model.examples is not None
    a, b = model.decode(model.examples).clamp(0, 1)
    away = torch.cat([b[..., :1].expand(-1, -1, 40), b[..., :-40]], -1)
    with pytest.warns(MatchWarning, match=r"the two pictures hardly match: \d\d % .* --frame face") as caught:
        model.interpolate(a, away, steps=3)
    assert len(caught) == 1
    with pytest.warns(MatchWarning, match=r"some pictures \(1 of 3\) hardly match"):
        model.mix([a, b, away])
    with pytest.warns(MatchWarning, match=r"some pictures \(1 of 3\) hardly match"):
        model.morph([a, b, away], steps=2)
    small = [torch.nn.functional.avg_pool2d(image, 2) for image in (a, away)]
    with warnings.catch_warnings():  # of what matches, and of small images
        warnings.simplefilter("error")
        model.interpolate(a, b, steps=3)
        model.interpolate(a, a, steps=3)
        model.mix([a, b, a])
        model.interpolate(*small, steps=3)
