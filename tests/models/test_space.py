"""A codebook, or another space of codes, that a model carries: every image is that of a valid code."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor
from typing_extensions import override

import interpzoo
from interpzoo.config import Component, Recipe
from interpzoo.errors import ConfigError, InputError, WeightsError
from interpzoo.interfaces import CodeSpace
from interpzoo.model import InterpolationModel
from interpzoo.own import create
from interpzoo.recipes import load_recipe
from interpzoo.training.codes import inner_of, put_together
from tests.kit.cases import Case, registered
from tests.kit.plugin import Codebook, Quantizing
from tests.origins.tiny import write_tae
from tests.pixels import trainer_of
from tests.tiny import random_images, tiny_model, tiny_recipe

SPACE = Component.model_validate({"name": "tried-space", "size": 5})


@pytest.fixture(autouse=True)
def plugin() -> Iterator[None]:
    with registered(Case(Quantizing, beside=(Codebook,))):
        yield


def recipe(samples: int = 64 * 60) -> Recipe:
    found = load_recipe("tried:first", [f"training.samples={samples}", "training.optimizer.learning_rate=0.01"])
    return found.model_copy(update={"space": SPACE})


def quantized(seed: int = 0) -> InterpolationModel:
    return create(recipe(), seed=seed).eval()


def valid_images(model: InterpolationModel) -> Tensor:
    """The images of all codes of the table."""
    assert isinstance(model.space, Codebook)
    return model.decoder(model.space.table).detach()


def is_among(rows: Tensor, valid: Tensor) -> bool:
    return bool(((rows.flatten(1)[:, None] - valid.flatten(1)).abs().amax(2).amin(1) < 1e-5).all())


def test_every_frame_is_the_image_of_a_code_of_the_codebook() -> None:
    model = quantized()
    a, b, c, d = images = random_images(4, model.config.image)
    assert isinstance(model.space, Codebook)
    assert is_among(model.encode(images), model.space.table.detach())
    frames = [
        model.interpolate(images[:2], images[2:], 5).flatten(0, 1),
        model.interpolate(a, b, 5, spacing=lambda frames: frames.flatten(1) + torch.arange(len(frames))[:, None]),
        model.morph(images, 4),
        model.grid(a, b, c, d, 3, 3).flatten(0, 1),
        model.mix(images)[None],
        model.decode(torch.randn(6, *model.latent_shape)),
        model.reconstruct(images, refine=2),
    ]
    assert is_among(torch.cat(frames), valid_images(model))


def test_the_ends_of_a_path_are_the_reconstructions() -> None:
    model = quantized()
    a, b = random_images(2, model.config.image)
    frames = model.interpolate(a, b, 5)
    torch.testing.assert_close(frames[[0, -1]], model.reconstruct(torch.stack([a, b])))


class Plane(CodeSpace):
    """Codes whose last number is 1."""

    @override
    def project(self, z: Tensor) -> Tensor:
        return torch.cat([z[:, :-1], torch.ones_like(z[:, -1:])], 1)


def test_refined_codes_are_valid_and_their_images_closer() -> None:
    model = tiny_model()
    model.space = Plane(model.config.image, model.latent_shape)  # pyright: ignore[reportArgumentType]  # its config is not asked for
    x = random_images(3, model.config.image)
    plain, refined = model.encode(x), model.encode(x, refine=20)
    assert torch.equal(refined[:, -1], torch.ones_like(refined[:, -1]))
    errors = [(model.decode(codes) - x).square().flatten(1).sum(1) for codes in (plain, refined)]
    assert bool((errors[1] < errors[0]).all())


def test_it_is_trained_saved_verified_and_loaded_with_its_model(tmp_path: Path) -> None:
    trainer = trainer_of(recipe(), tmp_path / "run")
    losses = [trainer.step(index) for index in range(60)]
    assert float(losses[-1]["reconstruction"]) < 0.7 * float(losses[0]["reconstruction"])
    model = trainer.trained()
    x = random_images(4, model.config.image)
    model.examples = model.encode(x)
    folder = model.save_pretrained(tmp_path / "saved")
    assert "tried:tried-space (size = 5)" in (folder / "README.md").read_text()
    loaded = interpzoo.load(folder)
    assert isinstance(loaded.space, Codebook)
    assert isinstance(model.space, Codebook)
    assert torch.equal(loaded.space.table, model.space.table)
    assert torch.equal(loaded.interpolate(x[:2], x[2:], 5), model.interpolate(x[:2], x[2:], 5))
    assert not [finding for finding in interpzoo.verify(folder) if finding.problem]
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "space": {"name": "tried-space", "size": 6}}))
    (folder / "SHA256SUMS").unlink()
    with pytest.raises(WeightsError, match=r"'space.table' of shape \(5, 3\), the config says \(6, 3\)"):
        interpzoo.load(folder)


def test_a_model_without_one_says_nothing_of_it() -> None:
    assert '"space"' not in tiny_model().config.to_json()


def test_networks_on_a_base_model_keep_theirs(tmp_path: Path) -> None:
    write_tae(tmp_path)
    changes = {"base": f"tae:{tmp_path}", "space": SPACE}
    model = create(tiny_recipe(channels=3, size=(32, 32)).model_copy(update=changes))
    inner = inner_of(model)
    assert inner.space is model.space is not None
    other = create(tiny_recipe(channels=3, size=(32, 32)).model_copy(update=changes), seed=1)
    assert put_together(model, inner_of(other)).space is other.space


def test_what_cannot_have_one_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"method 'ae' does not train the space 'tried-space', .* leave the space"):
        trainer_of(tiny_recipe().model_copy(update={"space": SPACE}), tmp_path)
    model = quantized()
    with pytest.raises(InputError, match=r"'first' cannot be exported: .* space of codes 'Codebook'"):
        model.export(tmp_path / "exported")
    folder = model.save_pretrained(tmp_path / "saved")
    with pytest.raises(ConfigError, match=r"base = '.* has a space of codes, 'tried:tried-space'"):
        create(tiny_recipe(size=(8, 8)).model_copy(update={"base": str(folder)}))
    wrong = recipe().model_copy(update={"space": Component.model_validate({"name": "tried-space", "sizes": 2})})
    with pytest.raises(ConfigError, match=r"space 'tried-space': unknown field 'sizes'.* Did you mean 'size'"):
        create(wrong)
