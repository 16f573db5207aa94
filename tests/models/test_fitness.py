"""Pictures of another kind than a model's own are told from those, and a user is warned of them once."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Generator, Tensor

from interpzoo import load
from interpzoo.config import ImageSpec
from interpzoo.errors import InputError, WeightsError
from interpzoo.fitness import FEWEST, count_of_statistics, measured, statistics
from interpzoo.model import InterpolationModel
from interpzoo.pretrained.folder import FITNESS, write_hashes
from interpzoo.pretrained.stored import write_tensors
from tests.tiny import tiny_model


def waves(n: int, model: InterpolationModel, seed: int) -> Tensor:
    """Images (n, C, H, W) of soft vertical stripes, which stand for the images of a data set."""
    spec, generator = model.config.image, Generator().manual_seed(seed)
    shift, height = torch.rand(2, n, 1, 1, 1, generator=generator)
    stripes = (torch.arange(spec.width) / 3 + 6 * shift).sin() * (0.1 + 0.1 * height) + 0.4
    return stripes.expand(n, *spec.shape) + 0.01 * torch.randn(n, *spec.shape, generator=generator)


@pytest.fixture(scope="module")
def model() -> InterpolationModel:
    model = tiny_model()
    images, others = waves(FEWEST, model, 0), waves(FEWEST, model, 1)
    model.fitness = measured(images, model.reconstruct(images), others, model.reconstruct(others))
    return model


def pictures(images: Tensor) -> list[Image.Image]:
    return [Image.fromarray((image[0] * 255).round().byte().numpy()) for image in images]


def test_images_of_the_same_kind_are_near_and_others_are_not(model: InterpolationModel) -> None:
    near = model.unlike(waves(500, model, 2))
    assert near.shape == (500,)
    assert 0.97 < float((near < 1).float().mean()) < 1
    spec = model.config.image
    for other in (torch.rand(50, *spec.shape), torch.zeros(1, *spec.shape), waves(50, model, 3).transpose(-1, -2)):
        assert bool((model.unlike(other) > 1).all())


def test_groups_of_images_leave_a_gap_between_them(model: InterpolationModel) -> None:
    shape = model.config.image.shape
    levels = torch.tensor([0.2, 0.8]).repeat(FEWEST // 2)[:, None, None, None]
    images = (levels + 0.02 * torch.randn(FEWEST, *shape, generator=Generator().manual_seed(7))).clamp(0, 1)
    found = measured(images, images, images, images)
    between = (0.5 + 0.02 * torch.randn(50, *shape)).clamp(0, 1)
    assert bool((found.distances(between, between) > 1).all())


def test_equal_images_have_figures_too(model: InterpolationModel) -> None:
    images = torch.full((FEWEST, *model.config.image.shape), 0.5)
    found = measured(images, images, images, images)
    assert bool(found.means.isfinite().all())
    assert bool((found.distances(1 - images[:2] * 0.2, images[:2]) > 1).all())


def test_what_the_model_draws_is_of_its_kind(model: InterpolationModel) -> None:
    drawn = model.reconstruct(waves(100, model, 4)).clamp(0, 1)
    assert float((model.unlike(drawn) < 1).float().mean()) > 0.9


def test_one_warning_tells_of_pictures_of_another_kind(model: InterpolationModel, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (3, model.config.image.height, model.config.image.width))
    files = [str(tmp_path / f"{n}.png") for n in range(3)]
    for file, pixels in zip(files, noise.astype(np.uint8), strict=True):
        Image.fromarray(pixels).save(file)
    own = pictures(waves(2, model, 5))
    with pytest.warns(
        UserWarning,
        match=r"^3 of 5 pictures \('\d.png' most\) are unlike the images that 'ae-tiny' was trained on.* distance",
    ):
        codes = model.encode([*own, *files])
    assert codes.shape[0] == 5
    with pytest.warns(UserWarning, match="^'0.png' is unlike"):
        model.interpolate(files[0], own[0], steps=2)


def test_no_warning_for_the_models_own_kind_nor_for_tensors(model: InterpolationModel) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.encode(pictures(waves(4, model, 6)))
        model.encode(torch.rand(4, *model.config.image.shape))


def test_the_figures_are_saved_with_the_model(model: InterpolationModel, tmp_path: Path) -> None:
    again = load(model.save_pretrained(tmp_path / "model"))
    images = torch.rand(3, *model.config.image.shape)
    torch.testing.assert_close(again.unlike(images), model.unlike(images))
    with pytest.raises(InputError, match="was saved without the statistics of its images"):
        load(tiny_model().save_pretrained(tmp_path / "without")).unlike(images)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: {**t, "means": t["means"] * torch.nan}, "values that are not finite"),
        (lambda t: {**t, "means": t["means"][:3]}, "'means' of shape"),
        (lambda t: {"means": t["means"]}, "lacks 'whitening'"),
    ],
    ids=["nan", "shape", "missing"],
)
def test_damaged_figures_are_refused(
    change: Callable[[dict[str, Tensor]], dict[str, Tensor]], message: str, model: InterpolationModel, tmp_path: Path
) -> None:
    folder = model.save_pretrained(tmp_path / "model")
    assert model.fitness is not None
    write_tensors(folder / FITNESS, change({n: getattr(model.fitness, n) for n in ("means", "whitening", "limit")}))
    write_hashes(folder)
    with pytest.raises(WeightsError, match=message):
        load(folder)


@pytest.mark.parametrize("shape", [(1, 16, 16), (3, 32, 20), (4, 5, 1), (2, 64, 64)])
def test_the_number_of_figures_is_known_without_an_image(shape: tuple[int, int, int]) -> None:
    spec = ImageSpec(**dict(zip(("channels", "height", "width"), shape, strict=True)))
    images = torch.rand(2, *shape)
    assert statistics(images, images).shape == (2, count_of_statistics(spec))
