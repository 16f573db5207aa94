"""Training on the codes of a frozen base model: encoded once, kept, and put together with what learned on them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

import interpzoo
from interpzoo import train
from interpzoo.config import Component, Recipe
from interpzoo.errors import ConfigError, DataError, InputError, TrainingError, WeightsError
from interpzoo.latent import LatentEncoder
from interpzoo.model import InterpolationModel
from interpzoo.pretrained.origins import Foreign
from interpzoo.training import codes
from interpzoo.training.codes import Codes, hash_of
from interpzoo.training.own_data import choose_recipe
from interpzoo.training.workers import Workers
from tests.origins.tiny import write_tae
from tests.tiny import Noted, files_of, tiny_recipe

IMAGES = 70  # two files of codes


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a base model, images, and a recipe on the codes of these."""
    folder = tmp_path_factory.mktemp("latent")
    write_tae(folder / "tae")
    (folder / "images").mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (IMAGES + 8, 4, 4, 3), dtype=np.uint8)
    for number, values in enumerate(pixels):
        Image.fromarray(values).resize((64, 64)).save(folder / "images" / f"{number:03}.png")
    return folder


def recipe(place: Path, method: str = "ae", **training: object) -> Recipe:
    found = tiny_recipe(method, channels=3, size=(64, 64), training={"samples": 32, **training})
    data = {"name": "images", "source": str(place / "images"), "held_out": 8 / (IMAGES + 8)}
    return Recipe.model_validate(
        {**found.model_dump(exclude={"license"}), "data": data, "base": f"tae:{place / 'tae'}"}
    )


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where codes are kept."""
    monkeypatch.setattr(codes, "folder_of_codes", lambda: tmp_path / "codes")
    return tmp_path / "codes"


@pytest.fixture(scope="module")
def run(place: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with its codes beside it."""
    folder = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(codes, "folder_of_codes", lambda: folder / "codes")
        train(recipe(place, "acai", codes=9, ema_decay=0.9), output=folder / "model")
    return folder


def images_of(place: Path, n: int = 3) -> list[Path]:
    return sorted((place / "images").iterdir())[:n]


def inside(model: InterpolationModel) -> LatentEncoder:
    assert isinstance(model.encoder, LatentEncoder)
    return model.encoder


def test_the_model_goes_from_image_to_image_through_both(place: Path, run: Path) -> None:
    model, base = interpzoo.load(run / "model"), interpzoo.load(f"tae:{place / 'tae'}")
    encoder = inside(model)
    z = base.encode(images_of(place))
    expected = ((z - encoder.range.low) / (encoder.range.high - encoder.range.low)).clamp(0, 1)
    with torch.no_grad():
        learned = encoder.inner(expected)
    torch.testing.assert_close(model.encode(images_of(place)), learned)
    assert model.latent_shape == (2, 2, 2)
    frames = model.interpolate(*images_of(place, 2), steps=3)
    assert frames.shape == (3, 3, 64, 64)
    assert model.encode(images_of(place), refine=2).shape == learned.shape
    assert model.codes is not None
    assert model.codes.shape == (9, 2, 2, 2)
    assert not any(finding.problem for finding in interpzoo.verify(run / "model"))
    assert model.fitness is None
    assert "frozen, on whose codes" in (run / "model" / "README.md").read_text()
    assert str(place) not in (run / "model" / "README.md").read_text() + (run / "model" / "config.json").read_text()
    assert (model.config.license, model.name) == ("unknown", "acai-tiny")


def test_choosing_the_recipe_reads_no_weights_of_the_base_model(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise AssertionError("weights are read")

    monkeypatch.setattr(Foreign, "tensors", refuse)
    chosen, said = choose_recipe("ae-lines", [], dataset=None, root=None, start_from=None, base=f"tae:{place / 'tae'}")
    assert (chosen.image.shape, said) == ((3, 256, 256), [f"the networks learn on the codes of 'tae:{place / 'tae'}'"])


def test_only_the_learned_networks_train(place: Path, run: Path) -> None:
    model = interpzoo.load(run / "model").train()
    base = interpzoo.load(f"tae:{place / 'tae'}")
    assert not any(layer.training for layer in inside(model).base.modules())
    model(torch.rand(2, 3, 64, 64)).sum().backward()
    assert {name.split(".")[1] for name, p in model.named_parameters() if p.grad is not None} == {"inner"}
    trained = inside(interpzoo.load(run / "model")).base.state_dict()
    assert all(torch.equal(value, trained[name]) for name, value in base.encoder.state_dict().items())


def test_the_range_is_three_deviations_around_the_mean(place: Path, run: Path) -> None:
    base, model = interpzoo.load(f"tae:{place / 'tae'}"), interpzoo.load(run / "model")
    data = Noted(model.config.image, 5)
    found = Codes(data, model, Workers(), "x", fit=True)
    z = base.encode(data.train(torch.arange(5), torch.Generator())["image"]).half().double()
    middle, deviation = z.mean((0, 2, 3)), z.std((0, 2, 3), correction=0)
    scale = inside(model).range
    torch.testing.assert_close(scale.low.flatten(), (middle - 3 * deviation).float(), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(scale.high.flatten(), (middle + 3 * deviation).float(), rtol=1e-4, atol=1e-4)
    values = found.train(torch.tensor([4, 1]), torch.Generator())["image"]
    assert 0 <= float(values.min()) <= float(values.max()) <= 1
    inner = z[[4, 1]].float().clamp(scale.low, scale.high)
    torch.testing.assert_close(scale.back(values), inner, rtol=1e-3, atol=2e-3)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images each call of the base model's encoder took."""
    calls: list[int] = []
    encode = Codes._encode  # pyright: ignore[reportPrivateUsage]

    def counting(self: Codes, images: torch.Tensor) -> torch.Tensor:
        calls.append(len(images))
        return encode(self, images)

    monkeypatch.setattr(Codes, "_encode", counting)
    return calls


def test_each_image_is_encoded_once_for_all_runs(place: Path, kept: Path, counted: list[int]) -> None:
    for method in ("ae", "acai"):
        model = interpzoo.create(recipe(place, method))
        Codes(Noted(model.config.image, IMAGES), model, Workers(), method)
    assert counted == [64, IMAGES - 64]
    assert len([*kept.iterdir()]) == 2
    Codes(Noted(model.config.image, IMAGES + 1), model, Workers(), method)  # other images, of other greys
    assert counted == [64, IMAGES - 64, 64, IMAGES + 1 - 64]


def test_damaged_and_half_written_codes_are_made_again(place: Path, kept: Path, counted: list[int]) -> None:
    model = interpzoo.create(recipe(place))
    data = Noted(model.config.image, IMAGES)
    Codes(data, model, Workers(), "x")
    whole = files_of(kept)
    cut, flipped = sorted(kept.iterdir())
    cut.write_bytes(cut.read_bytes()[:-3])
    content = bytearray(flipped.read_bytes())
    content[100] ^= 1
    flipped.write_bytes(content)
    old, new = kept / f".{'0' * 16}.tmp", kept / f".{'1' * 16}.tmp"
    for path in (old, new):
        path.write_bytes(b"left by a killed process")
    os.utime(old, (0, 0))
    Codes(data, model, Workers(), "x")
    assert counted == [64, IMAGES - 64] * 2
    new.unlink()  # somebody may still be writing it
    assert files_of(kept) == whole


def test_codes_that_vanish_end_the_run_with_a_way_on(place: Path, kept: Path) -> None:
    model = interpzoo.create(recipe(place))
    found = Codes(Noted(model.config.image, 5), model, Workers(), "x")
    for path in kept.iterdir():
        path.unlink()
    with pytest.raises(DataError, match="was removed or cut while it was in use: continue with --resume"):
        found.train(torch.tensor([0]), torch.Generator())


@pytest.mark.slow
def test_pairs_and_endless_streams_are_encoded_as_they_are_drawn(place: Path, kept: Path, tmp_path: Path) -> None:
    found = recipe(place).model_dump()
    changes = {"data": {"name": "rotating-object"}, "method": "lowbend", "regularizer": {"name": "lowbend"}}
    model = train(Recipe.model_validate({**found, **changes}), output=tmp_path / "run")
    assert not kept.exists()
    assert model.interpolate(torch.zeros(3, 64, 64), torch.ones(3, 64, 64), 2).isfinite().all()


@pytest.mark.slow
def test_a_run_goes_on_with_the_same_base_only(place: Path, kept: Path, tmp_path: Path) -> None:
    other = tmp_path / "tae"
    write_tae(other)
    given = recipe(place, samples=16)
    moved = given.model_copy(update={"base": f"tae:{other}"})
    train(given, output=tmp_path / "run")
    longer = ["training.samples=32"]
    train(moved, output=tmp_path / "run", resume=True, changes=longer)  # the same weights elsewhere
    weights = load_file(other / "encoder.safetensors")
    save_file({**weights, "0.bias": weights["0.bias"] + 1}, other / "encoder.safetensors")
    with pytest.raises(TrainingError, match="belongs to another base model"):
        train(moved, output=tmp_path / "run", resume=True, changes=["training.samples=48"])


@pytest.mark.slow
def test_a_model_is_fine_tuned_on_the_same_codes(place: Path, run: Path, kept: Path, tmp_path: Path) -> None:
    one = recipe(place, samples=8).model_copy(update={"name": "tuned"})
    origin = interpzoo.load(run / "model")
    tuned = train(one, output=tmp_path / "tuned", start_from=run / "model")
    assert torch.equal(inside(tuned).range.low, inside(origin).range.low)  # those that its networks learned with
    assert "from which it was started" not in tuned.config.limitations
    assert tuned.config.trained is not None
    assert tuned.config.trained.started_from == "model"
    with pytest.raises(ConfigError, match="learned on codes of 'tae:tae', and the recipe's networks take images"):
        train(one.model_copy(update={"base": None}), output=tmp_path / "no", start_from=run / "model")
    with pytest.raises(ConfigError, match="was itself trained on the codes of 'tae:tae'"):
        train(one.model_copy(update={"base": str(run / "model")}), output=tmp_path / "no")


@pytest.mark.slow
def test_a_method_and_a_folder_are_enough(place: Path, kept: Path, tmp_path: Path) -> None:
    changes = ["training.samples=8", "training.batch_size=8", "encoder.width=4", "decoder.width=4"]
    model = train("ae", dataset=place / "images", base=f"tae:{place / 'tae'}", changes=changes, output=tmp_path / "run")
    assert model.config.image.shape == (3, 256, 256)  # 32x32 codes, eight times as large
    assert model.name == "ae-images-on-tae"
    assert model.config.summary == "Method 'ae' on images of 'images', on the codes of 'tae:tae'."


def test_what_cannot_be_a_base_is_refused(place: Path, kept: Path, tmp_path: Path) -> None:
    model = interpzoo.create(tiny_recipe())
    with pytest.raises(InputError, match="and model are both given: expected one of them"):
        train(recipe(place), model=model, output=tmp_path / "run")
    with pytest.raises(ConfigError, match=r"image = 60x64: expected multiples of 8"):
        train(recipe(place), changes=["image.height=60"], output=tmp_path / "run")
    with pytest.raises(ConfigError, match="the base model 'ae-lines' is for images of 1x32x32, not of 1x16x16"):
        interpzoo.create(recipe(place).model_copy(update={"base": "ae-lines", "image": tiny_recipe().image}))
    huge = interpzoo.create(recipe(place))
    with torch.no_grad():
        inside(huge).base.get_parameter("layers.14.bias").fill_(1e6)
    with pytest.raises(WeightsError, match=r"gives codes up to 1e\+06: expected finite ones of at most 65,504"):
        Codes(Noted(huge.config.image, 5), huge, Workers(), "x")


def test_data_that_a_method_cannot_learn_from_are_refused_before_they_are_encoded(
    place: Path, kept: Path, tmp_path: Path
) -> None:
    wanted = recipe(place).model_copy(update={"method": "lowbend", "regularizer": Component(name="lowbend")})
    with pytest.raises(DataError, match="method 'lowbend' needs 'distance', 'midpoint', 'partner' in every batch"):
        train(wanted, output=tmp_path / "run")
    assert not kept.exists()


KILLED = """
import sys, time
from pathlib import Path
from interpzoo import train
from interpzoo.config import Recipe
from interpzoo.training.codes import Codes
from interpzoo.training.trainer import Trainer
encode, step = Codes._encode, Trainer.step
def slow_encode(self, images):
    print("encode", flush=True)
    time.sleep(PAUSE if len(images) < 64 else 0)
    return encode(self, images)
def slow_step(self, index, batch):
    print("step", index, flush=True)
    time.sleep(PAUSE if index == 3 else 0)
    return step(self, index, batch)
Codes._encode, Trainer.step = slow_encode, slow_step
train(Recipe.model_validate_json(Path("recipe.json").read_text()), output="run", resume="resume" in sys.argv)
"""


@contextmanager
def started(folder: Path, *arguments: str, pause: float = 0) -> Generator[tuple[subprocess.Popen[str], IO[str]]]:
    """A run in `folder` and what it says; it is killed if it is not done at the end."""
    code, environment = KILLED.replace("PAUSE", str(pause)), {**os.environ, "HF_HOME": str(folder / "home")}
    command = [sys.executable, "-c", code, *arguments]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        yield process, process.stdout
        process.kill()


def until(lines: IO[str], wanted: str) -> list[str]:
    """The lines up to one that is `wanted`."""
    found: list[str] = []
    for line in lines:
        found.append(line.strip())
        if found[-1] == wanted:
            break
    return found


@pytest.mark.slow
def test_a_killed_process_goes_on_in_caching_and_in_training(place: Path, tmp_path: Path) -> None:
    given = recipe(place, "acai", samples=64, checkpoint_steps=2)
    for name in ("killed", "whole"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "recipe.json").write_text(given.model_dump_json())
    with started(tmp_path / "killed", pause=60) as (_, lines):
        until(lines, "encode")
        until(lines, "encode")  # the first file of codes is written, and the second one is being made
    (first,) = (tmp_path / "killed" / "home" / "interpzoo" / "codes").glob("*.codes")
    stamp = first.stat().st_mtime_ns
    with started(tmp_path / "killed", pause=60) as (_, lines):
        assert until(lines, "step 3").count("encode") == 1  # the first file was found
    assert first.stat().st_mtime_ns == stamp
    with started(tmp_path / "killed", "resume") as (end, lines):
        found = [line.strip() for line in lines]
        assert end.wait() == 0
    assert found == [f"step {number}" for number in range(2, 8)]  # from the last checkpoint, and nothing is encoded
    with started(tmp_path / "whole") as (end, lines):
        assert until(lines, "step 7").count("encode") == 2
        assert end.wait() == 0
    one, two = (interpzoo.load(tmp_path / name / "run").state_dict() for name in ("killed", "whole"))
    assert all(torch.equal(value, two[name]) for name, value in one.items())


def test_the_hash_is_of_the_base_alone(place: Path) -> None:
    model = interpzoo.create(recipe(place))
    before = hash_of(model)
    with torch.no_grad():
        next(inside(model).inner.parameters()).add_(1)
    assert hash_of(model) == before
    with torch.no_grad():
        next(inside(model).base.parameters()).add_(1)
    assert hash_of(model) != before
    assert hash_of(interpzoo.create(tiny_recipe())) is None
