"""Templates of made images: few numbers say where an ellipse ends and how bright it is."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import pytest
import torch
from interpzoo_metamorphosis import fitting, morphing, portraits
from interpzoo_metamorphosis.fitting import FitConfig, fitted
from interpzoo_metamorphosis.portraits import Portraits, PortraitsConfig
from interpzoo_metamorphosis.template import Template, TemplateDecoder
from PIL import Image, ImageDraw
from torch import Tensor

import interpzoo
from interpzoo.config import Recipe
from interpzoo.errors import ConfigError, DataError
from interpzoo.model import InterpolationModel
from interpzoo.testing.networks import check_decoder, check_encoder
from interpzoo.training.run import build_regularizer

SIZE, NUMBERS = 32, 4
"""Pixels of a side, and of a code: place, two axes and brightness."""


@pytest.fixture(scope="module")
def _quick() -> Iterator[None]:
    """Images are registered at 64 pixels."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(morphing, "_SHORTEST", 64)
        yield


def ellipses(n: int, seed: int) -> Tensor:
    """Bright ellipses (n, 1, 32, 32) on dark gray, with soft borders."""
    place, a, b, brightness = torch.rand(4, n, 1, 1, generator=torch.Generator().manual_seed(seed))
    y, x = torch.meshgrid(torch.arange(SIZE) + 0.5, torch.arange(SIZE) + 0.5, indexing="ij")
    across, down = (0.18 + 0.14 * a) * SIZE, (0.18 + 0.14 * b) * SIZE
    radius = (((x - (0.4 + 0.2 * place) * SIZE) / across) ** 2 + ((y - SIZE / 2) / down) ** 2).sqrt()
    inside = (0.5 + (1 - radius) * torch.minimum(across, down)).clamp(0, 1)
    return 0.1 + 0.8 * ((0.5 + 0.5 * brightness) * inside)[:, None]


def recipe(**parts: Any) -> Recipe:
    """A template of 3 numbers for shapes and 1 for appearances."""
    fields: dict[str, Any] = {
        "name": "template-tiny",
        "method": "template",
        "image": {"channels": 1, "height": SIZE, "width": SIZE},
        "encoder": {"name": "template", "shapes": NUMBERS - 1, "looks": 1},
        "decoder": {"name": "template", "shapes": NUMBERS - 1},
        "regularizer": {"name": "template", "rounds": 2},
        "data": {"name": "lines"},
        "training": {"samples": 2, "batch_size": 2, "precision": "float32"},
    }
    return Recipe.model_validate(fields | parts)


@pytest.fixture(scope="module")
def model(_quick: None) -> InterpolationModel:
    """A template of sixteen ellipses."""
    made = interpzoo.create(recipe())
    build_regularizer(recipe(), made).setup(made, {"image": ellipses(16, 0)}, torch.Generator())
    return made.eval()


@pytest.fixture(scope="module")
def others() -> Tensor:
    """Ellipses that the template was not fitted to."""
    return ellipses(24, 1)


def mean_of(model: InterpolationModel) -> Tensor:
    """The mean image (C, H, W) of a template."""
    assert isinstance(model.decoder, TemplateDecoder)
    return model.decoder.template.mean


def energy(images: Tensor) -> Tensor:
    """(B,): gradient energy."""
    return sum(images.diff(dim=d).square().mean((1, 2, 3)) for d in (2, 3))  # pyright: ignore[reportReturnType]


def extents(images: Tensor) -> Tensor:
    """(B, 4): the center and the spread of what is bright, across and down, in pixels."""
    bright = (images[:, 0] - 0.2).clamp_min(0)
    weight = bright / bright.sum((1, 2), keepdim=True)
    at = torch.arange(float(SIZE))
    sums = weight.sum(1), weight.sum(2)
    centers = [(s * at).sum(1) for s in sums]
    spreads = [((s * (at - c[:, None]) ** 2).sum(1)).sqrt() for s, c in zip(sums, centers, strict=True)]
    return torch.stack([*centers, *spreads], 1)


def test_new_images_come_out_far_better_than_from_as_many_components_of_pixels(
    model: InterpolationModel, others: Tensor
) -> None:
    training = ellipses(16, 0).flatten(1)
    basis = torch.linalg.svd(training - training.mean(0), full_matrices=False)[2][:NUMBERS]
    flat = others.flatten(1) - training.mean(0)
    of_pixels = (flat - flat @ basis.T @ basis).square().mean()
    assert (model.reconstruct(others) - others).square().mean() < of_pixels / 8


def test_halfway_between_two_images_lies_one_sharp_image_of_mean_extents(
    model: InterpolationModel, others: Tensor
) -> None:
    a, b = others[:12], others[12:]
    z = (model.encode(a) + model.encode(b)) / 2
    middle = model.decode(z)
    ends = model.reconstruct(others)
    fade = (ends[:12] + ends[12:]) / 2
    assert (energy(middle) / (energy(ends[:12]) + energy(ends[12:])) * 2).mean() > 0.9
    assert (energy(fade) / energy(middle)).mean() < 0.9
    assert (extents(middle) - (extents(a) + extents(b)) / 2).abs().max() < 0.7


def test_a_code_of_zeros_is_the_mean_and_codes_have_unit_variance(model: InterpolationModel) -> None:
    zero = model.decode(torch.zeros(1, NUMBERS))
    assert torch.allclose(zero[0], mean_of(model), atol=1e-6)
    assert model.encode(ellipses(16, 0)).std(0).tolist() == pytest.approx([1.0] * NUMBERS, abs=0.3)


@pytest.mark.slow
def test_its_networks_keep_the_rules(model: InterpolationModel) -> None:
    """The decoder's derivative is that of its images, and each image is encoded alone, in every precision."""
    z = torch.randn(4, NUMBERS, generator=torch.Generator().manual_seed(0))
    kept = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    try:
        check_decoder(model.decoder, z)
        check_encoder(model.encoder, model.config.image)
    finally:  # they leave both in bfloat16
        model.float().load_state_dict(kept)


def test_it_is_saved_in_half_precision(model: InterpolationModel, others: Tensor, tmp_path: Path) -> None:
    again = interpzoo.load(model.save_pretrained(tmp_path / "model", dtype=torch.float16))
    assert torch.allclose(again.reconstruct(others), model.reconstruct(others), atol=0.01)


@pytest.mark.usefixtures("_quick")
def test_with_mirror_images_the_mean_is_symmetric() -> None:
    images = ellipses(4, 2).roll(3, dims=3)
    mean, velocity, looks = fitted(images, FitConfig(rounds=2, mirror=True), 8, 8)
    assert torch.allclose(mean, mean.flip(-1), atol=1e-6)
    assert len(velocity) <= 8
    assert len(looks) < 8  # eight images vary in at most seven ways
    assert extents(mean[None])[0, 0] == pytest.approx((SIZE - 1) / 2, abs=0.05)


def test_components_of_color_images_are_kept_whole() -> None:
    template = Template(3, (8, 8), 1, 1, 2, recipe().image)
    flat = torch.rand(2, 3, 1, 1).expand(-1, -1, 8, 8)
    template.fill(torch.zeros(3, 8, 8), torch.zeros(1, 2, 8, 8), flat)
    assert torch.allclose(template.looks(), flat, atol=1e-5)


@pytest.mark.slow
@pytest.mark.usefixtures("_quick")
def test_it_trains_in_one_step(tmp_path: Path) -> None:
    trained = interpzoo.train(recipe(), output=tmp_path / "run")
    assert mean_of(trained).any()
    assert torch.equal(mean_of(interpzoo.load(tmp_path / "run")), mean_of(trained))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five ellipses as files."""
    (tmp_path / "images").mkdir()
    for number, image in enumerate(ellipses(5, 3)):
        Image.fromarray((image[0] * 255).byte().numpy()).save(tmp_path / "images" / f"{number}.png")
    return tmp_path / "images"


@pytest.mark.usefixtures("_quick")
@pytest.mark.parametrize("batch_size", [2, 8])
def test_it_is_fitted_to_every_training_image_once_whatever_the_batch_size(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch_size: int
) -> None:
    seen: list[Tensor] = []
    nothing = torch.zeros(1, SIZE, SIZE), torch.zeros(0, 2, SIZE, SIZE), torch.zeros(0, 1, SIZE, SIZE)
    monkeypatch.setattr(fitting, "fitted", lambda images, *_: seen.append(images) or nothing)
    training = {"samples": batch_size, "batch_size": batch_size, "precision": "float32"}
    trained = interpzoo.train(recipe(training=training), output=tmp_path / "run", dataset=folder)
    means = sorted(seen[0].mean((1, 2, 3)).tolist())
    assert len(means) == len({round(mean, 5) for mean in means}) == 4  # one of the five is held out
    assert trained.config.trained is not None
    assert trained.config.trained.samples_seen == max(4, batch_size)


@pytest.mark.usefixtures("_quick")
def test_more_images_than_fit_at_once_are_refused(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fitting.Fit, "setup_images", 3)
    with pytest.raises(DataError, match=r"gives 4 images, and method 'template' is fitted to all at once, 3 at most"):
        interpzoo.train(recipe(), output=tmp_path / "run", dataset=folder)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"decoder": {"name": "template", "shapes": 2}}, "decoder.shapes = 2, expected 3"),
        ({"encoder": {"name": "conv"}, "decoder": {"name": "conv"}}, "the recipe has others"),
        ({"decoder": {"name": "template", "shapes": 4}}, "set it to the shapes of the encoder"),
    ],
)
def test_networks_that_do_not_fit_are_refused(parts: dict[str, Any], message: str) -> None:
    def fit() -> None:
        made = interpzoo.create(recipe(**parts))
        build_regularizer(recipe(), made).setup(made, {"image": ellipses(2, 0)}, torch.Generator())

    with pytest.raises(ConfigError, match=message):
        fit()


def write_portraits(root: Path, columns: dict[str, list[Any]]) -> None:
    kinds = {
        "expression": datasets.Value("string"),
        "age": datasets.Value("float64"),
        "person": datasets.Value("string"),
    }
    table = datasets.Dataset.from_dict(columns, features=datasets.Features({"image": datasets.Image(), **kinds}))
    for split in ("train", "validation"):
        (root / "portraits256").mkdir(exist_ok=True)
        table.to_parquet(root / "portraits256" / f"{split}-00000-of-00001.parquet")


def test_a_smiling_face_is_brought_to_where_the_others_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its eyes lie where those of the neutral one do, and below its end goes on the neutral one."""
    files, side = [], 64
    for shade, left, right in (("gray", (21.5, 29.5), (42.5, 29.5)), ("white", (18, 40), (39, 40))):
        picture = Image.new("RGB", (8 * side, 8 * side), shade)
        for x, y in (left, right):
            ImageDraw.Draw(picture).ellipse((8 * x - 24, 8 * y - 24, 8 * x + 24, 8 * y + 24), fill="black")
        file = io.BytesIO()
        picture.resize((side, side), Image.Resampling.BOX).save(file, "PNG")
        files.append(file.getvalue())
    key = hashlib.sha256(files[1]).hexdigest()[:16]
    monkeypatch.setattr(portraits, "_smiles", lambda: {key: [value / side for value in (18, 40, 39, 40)]})
    columns = {
        "image": [{"bytes": file, "path": None} for file in files],
        "expression": ["neutral", "smiling"],
        "age": [20.0, 20.0],
        "person": ["a", "a"],
    }
    write_portraits(tmp_path, columns)
    image = recipe().image.model_copy(update={"channels": 3, "height": side, "width": side})
    data = Portraits(PortraitsConfig(), image, tmp_path)
    batches = [data.train(torch.tensor([1, 0]), torch.Generator()), data.test(), data.examples(2, torch.Generator())]
    for batch in batches:
        assert {*batch} == data.fields == {"image", "label"}
        smiling, neutral = (batch["image"][batch["label"][:, 0] == smiles][0, 0] for smiles in (1, 0))
        eyes, expected = ((face[:40] < 0.25).nonzero().float().mean(0) for face in (smiling, neutral))
        assert torch.allclose(eyes, expected, atol=0.2)
        assert torch.allclose(smiling[40:50, 6:55], torch.ones(()))
        assert torch.equal(smiling[-9:], neutral[-9:])  # 64 - 40 rows are below the eyes, where 34 are needed


def test_portraits_say_who_smiles_and_who_is_older(tmp_path: Path) -> None:
    file = io.BytesIO()
    Image.new("RGB", (4, 4)).save(file, "PNG")
    columns = {
        "image": [{"bytes": file.getvalue(), "path": None}] * 3,
        "expression": ["smiling", "neutral", "neutral"],
        "age": [24.0, 30.0, None],
        "person": ["a", "a", "b"],
    }
    write_portraits(tmp_path, columns)
    data = Portraits(PortraitsConfig(), recipe().image.model_copy(update={"channels": 3}), tmp_path)
    assert data.label_names == ("Smiling", "Older")
    assert data.test()["label"].tolist() == [[1, 0], [0, 1], [0, 0]]
