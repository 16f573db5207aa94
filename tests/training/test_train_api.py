"""`interpzoo.train`: from a recipe to a folder that `load` reads."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn

import interpzoo
from interpzoo import create, evaluate, load, train, wrap
from interpzoo.config import ComponentConfig, Recipe
from interpzoo.data.lines import Lines
from interpzoo.errors import ConfigError, DataError, OutputError, TrainingError, UnknownNameError
from interpzoo.pretrained.folder import read_config, read_hashes
from interpzoo.recipes import load_recipe
from tests.pixels import copied, trainer_of
from tests.tiny import random_images, tiny_model, tiny_recipe


def recipe(method: str = "ae", **training: Any) -> Recipe:
    """Four steps."""
    return tiny_recipe(method, training={"samples": 32, **training})


def own_model() -> interpzoo.InterpolationModel:
    """Two layers that no plugin has registered."""
    torch.manual_seed(0)
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(256, 4))
    return wrap(encoder, nn.Sequential(nn.Linear(4, 256), nn.Unflatten(1, (1, 16, 16))), image=(1, 16, 16))


def write_pictures(folder: Path, mode: str, sizes: Sequence[tuple[int, int]]) -> Path:
    """A folder of noise, one file a size (width, height)."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number, (width, height) in enumerate(sizes):
        shape = (height, width) if mode == "L" else (height, width, 3)
        Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)).save(folder / f"{number}.png")
    return folder


@pytest.mark.parametrize("method", ["ae", "dae", "vae", "aae", "acai"])
def test_what_is_returned_is_what_is_written(method: str, tmp_path: Path) -> None:
    trained = train(recipe(method, ema_decay=0.9), output=tmp_path)
    loaded = load(tmp_path)
    assert not trained.training
    assert loaded.config == trained.config
    state = loaded.state_dict()
    assert state.keys() == trained.state_dict().keys()
    assert all(torch.equal(value, state[name]) for name, value in trained.state_dict().items())
    assert not any(name.startswith(("critic", "discriminator")) for name in state)
    assert not (tmp_path / "checkpoint.safetensors").exists()
    assert set(read_hashes(tmp_path)) == {"config.json", "model.safetensors", "examples.safetensors", "preview.png"}


def test_the_average_is_what_is_written(tmp_path: Path) -> None:
    found = recipe(ema_decay=0.5)
    trainer = trainer_of(found, tmp_path)
    trainer.run(lambda done, values: None)
    (tmp_path / "checkpoint.safetensors").unlink()
    train(found, output=tmp_path)
    loaded = load(tmp_path)
    averaged, last = trainer.trained().state_dict(), trainer.model.state_dict()
    for name, value in loaded.state_dict().items():
        assert torch.equal(value, averaged[name])
        assert not torch.equal(value, last[name])


def test_the_config_says_how_it_came_about_in_full_names(tmp_path: Path) -> None:
    found = recipe("acai", batch_size=6)
    config = train(found, output=tmp_path).config
    assert config.encoder.name == "baselines:conv"
    assert config.encoder.options == found.encoder.options
    assert config.interpolator.name == "baselines:linear"
    assert config.plugins == {name: f"interpzoo {version('interpzoo')}" for name in ("baselines", "acai")}
    trained = config.trained
    assert trained is not None
    assert (trained.recipe, trained.regularizer, trained.data) == ("acai-tiny", found.regularizer, found.data)
    assert trained.training == found.training
    assert trained.samples_seen == 36  # six steps: the last one completes its batch
    assert trained.started_from is None
    assert trained.versions == {
        "python": platform.python_version(),
        "torch": version("torch"),
        "interpzoo": version("interpzoo"),
    }


def test_examples_are_the_codes_of_the_first_held_out_images(tmp_path: Path) -> None:
    found = recipe("vae")
    trained = train(found, output=tmp_path)
    held_out = Lines(ComponentConfig(), found.image).test(8)["image"]
    examples = load(tmp_path).examples
    assert examples is not None
    assert torch.equal(examples, trained.encode(held_out).detach())


def test_codes_are_those_of_training_images(tmp_path: Path) -> None:
    trained = train(recipe(codes=5), output=tmp_path)
    assert trained.codes is not None
    assert trained.codes.shape == (5, *trained.latent_shape)
    kept = load(tmp_path).codes
    assert kept is not None
    assert torch.equal(kept, trained.codes)
    images = Lines(ComponentConfig(), trained.config.image).train(torch.arange(5), torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(kept, trained.encode(images["image"]))


def test_a_recipe_is_a_name_a_file_or_itself_and_changes_come_on_top(tmp_path: Path) -> None:
    sizes = ["encoder.width=2", "encoder.scales=2", "encoder.latent_channels=2", "decoder.width=2"]
    few = ["training.samples=8", "training.batch_size=4", "image.height=16", "image.width=16"]
    named = train("ae-lines", output=tmp_path / "named", changes=[*sizes, *few, "training.seed=3"])
    assert named.config.trained is not None
    assert named.config.trained.training.seed == 3
    assert named.config.name == "ae-lines"
    assert named.latent_shape == (2, 4, 4)
    itself = train(recipe(), output=tmp_path / "itself", changes=["training.samples=8", "summary=Short."])
    assert itself.config.trained is not None
    assert itself.config.trained.samples_seen == 8
    assert itself.config.summary == "Short."


def test_the_seed_settles_everything_whatever_was_drawn_before(tmp_path: Path) -> None:
    results: list[dict[str, torch.Tensor]] = []
    for number, seed in enumerate((1, 1, 2)):
        torch.manual_seed(number)
        before = torch.get_rng_state()
        results.append(train(recipe("vae", seed=seed), output=tmp_path / str(number)).state_dict())
        assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(value, results[1][name]) for name, value in results[0].items())
    assert not any(torch.equal(value, results[2][name]) for name, value in results[0].items())


def test_it_learns(tmp_path: Path) -> None:
    """The error of held-out lines after 100 steps is well below that of the best constant image."""
    changes = ["encoder.latent_channels=8", "training.optimizer.learning_rate=0.01"]
    trained = train(recipe(samples=100 * 16, batch_size=16), output=tmp_path, changes=changes)
    lines = Lines(ComponentConfig(), trained.config.image).test(200)["image"]
    error = (trained.reconstruct(lines) - lines).square().mean()
    assert error < 0.8 * (lines - lines.mean(0)).square().mean()


class TestOwnNetworks:
    """`model=wrap(...)`."""

    def test_they_are_trained_in_place_and_their_weights_written(self, tmp_path: Path) -> None:
        model = own_model()
        before = copied([*model.parameters()])
        trained = train(recipe(), model=model, output=tmp_path)
        assert trained is model
        assert not any(torch.equal(x, y) for x, y in zip(before, model.parameters(), strict=True))
        assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]
        weights = load_file(tmp_path / "model.safetensors")
        names = ("encoder.module.1", "decoder.module.0")
        assert set(weights) == {f"{name}.{kind}" for name in names for kind in ("weight", "bias")}
        assert all(torch.equal(value, model.state_dict()[name]) for name, value in weights.items())
        images = random_images(2, model.config.image)
        assert trained.interpolate(images[0], images[1]).isfinite().all()

    def test_the_average_leaves_them_at_their_last_step(self, tmp_path: Path) -> None:
        model = own_model()
        trained = train(recipe(ema_decay=0.5), model=model, output=tmp_path)
        assert trained is not model
        weights = load_file(tmp_path / "model.safetensors")
        for name, value in trained.state_dict().items():
            assert torch.equal(weights[name], value)
            assert not torch.equal(model.state_dict()[name], value)

    def test_they_are_made_for_other_images_than_the_recipes(self, tmp_path: Path) -> None:
        encoder = nn.Sequential(nn.Flatten(), nn.Linear(400, 4))
        decoder = nn.Sequential(nn.Linear(4, 400), nn.Unflatten(1, (1, 20, 20)))
        trained = train(recipe(), model=wrap(encoder, decoder, image=(1, 20, 20)), output=tmp_path)
        assert trained.config.image.shape == (1, 20, 20)

    def test_they_go_on_after_an_interruption(self, tmp_path: Path) -> None:
        whole = train(recipe("acai"), model=own_model(), output=tmp_path / "whole")
        cut = tmp_path / "cut"
        with pytest.raises(StoppedError):
            train(recipe("acai", checkpoint_steps=1), model=_stopping(own_model()), output=cut)
        resumed = train(recipe("acai", checkpoint_steps=1), model=own_model(), output=cut, resume=True)
        assert all(torch.equal(v, resumed.state_dict()[name]) for name, v in whole.state_dict().items())

    def test_what_only_weights_are_written_of_cannot_be_loaded(self, tmp_path: Path) -> None:
        train(recipe(), model=own_model(), output=tmp_path)
        with pytest.raises(ConfigError, match=r"is not a pretrained folder: it has no config\.json"):
            load(tmp_path)


class StoppedError(Exception):
    """Stands for whatever ends a run from outside."""


def _stopping(model: interpzoo.InterpolationModel) -> interpzoo.InterpolationModel:
    """The model, whose decoder gives up in the third step."""
    calls: list[int] = []

    def count(module: nn.Module, inputs: object) -> None:
        calls.append(1)
        if len(calls) > 5:  # the reconstruction and the mix, at each step
            raise StoppedError

    model.decoder.register_forward_pre_hook(count)
    return model


def first(model: nn.Module) -> Tensor:
    return next(model.parameters()).detach()


class TestFineTuning:
    """`start_from`."""

    def test_it_begins_at_these_weights(self, tmp_path: Path) -> None:
        """By another method of the same networks, as a plain autoencoder becomes an adversarial one."""
        origin = tiny_model(seed=7)
        origin.save_pretrained(tmp_path / "origin")
        still = ["training.optimizer.learning_rate=1e-12"]
        tuned = train(recipe("acai"), start_from=tmp_path / "origin", output=tmp_path / "tuned", changes=still)
        for name, value in origin.state_dict().items():
            torch.testing.assert_close(tuned.state_dict()[name], value, rtol=0, atol=1e-8)
        trained = read_config(tmp_path / "tuned").trained
        assert trained is not None
        assert trained.started_from == "origin"
        assert "| started from | origin |" in (tmp_path / "tuned" / "README.md").read_text()

    def test_own_networks_too(self, tmp_path: Path) -> None:
        origin = tiny_model(seed=7)
        origin.save_pretrained(tmp_path / "origin")
        model = create(recipe())
        train(
            recipe(optimizer={"learning_rate": 1e-12}),
            model=model,
            start_from=tmp_path / "origin",
            output=tmp_path / "tuned",
        )
        for name, value in origin.state_dict().items():
            torch.testing.assert_close(model.state_dict()[name], value, rtol=0, atol=1e-8)

    def test_a_recipe_may_say_it(self, tmp_path: Path) -> None:
        """It does not hold for networks or images of the user's own, and the argument goes before it."""
        origin, other = (tiny_model(seed=seed) for seed in (7, 8))
        origin.save_pretrained(tmp_path / "origin")
        other.save_pretrained(tmp_path / "other")
        found = recipe(optimizer={"learning_rate": 1e-12})
        found = found.model_copy(update={"start_from": str(tmp_path / "origin")})
        started = {
            "said": train(found, output=tmp_path / "said"),
            "argued": train(found, output=tmp_path / "argued", start_from=tmp_path / "other"),
            "own": train(found, output=tmp_path / "own", model=create(recipe(), seed=9)),
            "photos": train(
                found, output=tmp_path / "photos", dataset=write_pictures(tmp_path / "in", "RGB", [(20, 20)] * 8)
            ),
        }
        firsts = {name: first(model) for name, model in started.items()}
        torch.testing.assert_close(firsts["said"], first(origin), rtol=0, atol=1e-8)
        torch.testing.assert_close(firsts["argued"], first(other), rtol=0, atol=1e-8)
        torch.testing.assert_close(firsts["own"], first(create(recipe(), seed=9)), rtol=0, atol=1e-8)
        trained = {name: read_config(tmp_path / name).trained for name in ("said", "argued", "photos")}
        assert [t.started_from for t in trained.values() if t] == ["origin", "other", None]

    def test_other_networks_are_no_start(self, tmp_path: Path) -> None:
        tiny_model("vae").save_pretrained(tmp_path / "origin")
        with pytest.raises(ConfigError, match=r"origin' has other networks than the recipe: training cannot start"):
            train(recipe(), start_from=tmp_path / "origin", output=tmp_path / "tuned")
        assert not [*(tmp_path / "tuned").iterdir()]


class TestOwnImages:
    """`dataset`."""

    @pytest.mark.parametrize(("mode", "channels"), [("L", 1), ("RGB", 3)])
    def test_a_folder_of_any_sizes_keeps_its_channels(self, mode: str, channels: int, tmp_path: Path) -> None:
        """For a recipe of the other number of channels and of oblong images."""
        photos = write_pictures(tmp_path / "my photos", mode, [(40, 30), (17, 50), (16, 24), (9, 9)] * 3)
        found = tiny_recipe(channels=4 - channels, size=(16, 24), training={"samples": 16})
        trained = train(found, dataset=photos, output=tmp_path / "run")
        assert trained.config.image.shape == (channels, 16, 24)
        loaded = load(tmp_path / "run")
        assert loaded.config.name == "ae-my-photos"
        assert loaded.config.license == "unknown"
        assert "my-photos" in loaded.config.summary
        a, b = photos / "0.png", photos / "1.png"
        assert loaded.interpolate(a, b, steps=3).shape == (3, channels, 16, 24)
        torch.testing.assert_close(loaded.reconstruct(a), trained.reconstruct(a))

    def test_a_name_is_looked_up_below_the_data_root(self, tmp_path: Path) -> None:
        write_pictures(tmp_path / "data" / "birds", "L", [(16, 16)] * 4)
        trained = train(recipe(samples=8), dataset="birds", data_root=tmp_path / "data", output=tmp_path / "run")
        assert trained.config.name == "ae-birds"
        assert evaluate(tmp_path / "run", data_root=tmp_path / "data").results[0].metric == "reconstruction MSE"

    def test_changes_reach_how_they_are_read(self, tmp_path: Path) -> None:
        photos = write_pictures(tmp_path / "photos", "L", [(32, 32)] * 4)
        trained = train(recipe(samples=8), dataset=photos, output=tmp_path / "run", changes=["data.held_out=0.5"])
        assert trained.examples is not None
        assert len(trained.examples) == 2

    def test_changes_go_before_what_the_images_say(self, tmp_path: Path) -> None:
        photos = write_pictures(tmp_path / "photos", "RGB", [(16, 16)] * 4)
        found = recipe(samples=8).model_copy(update={"limitations": "Lines only.", "license": "mit"})
        changes = ["name=mine", "summary=My birds.", "limitations=Birds only.", "license=cc0-1.0"]
        told = train(found, dataset=photos, output=tmp_path / "told", changes=changes).config
        assert (told.name, told.summary, told.limitations) == ("mine", "My birds.", "Birds only.")
        assert (told.license, told.image.channels) == ("cc0-1.0", 3)
        untold = train(found, dataset=photos, output=tmp_path / "untold", changes=["name=mine"]).config
        assert (untold.name, untold.summary) == ("mine", "Method 'ae' on images of 'photos'.")
        assert (untold.limitations, untold.license) == ("", "unknown")

    def test_channels_are_the_changes_too(self, tmp_path: Path) -> None:
        photos = write_pictures(tmp_path / "photos", "RGB", [(16, 16)] * 4)
        trained = train(recipe(samples=8), dataset=photos, output=tmp_path / "run", changes=["image.channels=1"])
        assert trained.config.image.shape == (1, 16, 16)

    @pytest.mark.parametrize(("changes", "license"), [([], "unknown"), (["license=cc0-1.0"], "cc0-1.0")])
    def test_the_terms_of_other_images_go_before_those_of_a_recipe_that_names_none(
        self, changes: list[str], license: str, tmp_path: Path
    ) -> None:
        photos = write_pictures(tmp_path / "photos", "L", [(32, 32)] * 4)
        images = ["data.name=images", f"data.source={photos}", "training.samples=8", "training.batch_size=4"]
        assert load_recipe("ae-lines").license == "apache-2.0"
        trained = train("ae-lines", output=tmp_path / "run", changes=[*images, *changes])
        assert trained.config.license == license
        assert f"license: {license}\n" in (tmp_path / "run" / "README.md").read_text()

    def test_a_method_under_its_full_name(self, tmp_path: Path) -> None:
        photos = write_pictures(tmp_path / "photos", "L", [(16, 16)] * 4)
        train(recipe(samples=8), dataset=photos, output=tmp_path / "run", changes=["method=baselines:ae"])
        assert load(tmp_path / "run").config.name == "baselines-ae-photos"

    def test_a_folder_without_images(self, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        with pytest.raises(DataError, match="empty"):
            train(recipe(), dataset=tmp_path / "empty", output=tmp_path / "run")
        assert not (tmp_path / "run").exists()


class TestOutput:
    """The folder of a run."""

    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("model.safetensors", "is trained already: choose an empty or a new folder$"),
            ("checkpoint.safetensors", "already holds a training: go on with --resume, or choose"),
        ],
    )
    def test_a_training_is_never_written_over(self, name: str, expected: str, tmp_path: Path) -> None:
        (tmp_path / name).write_bytes(b"of another run")
        with pytest.raises(OutputError, match=expected):
            train(recipe(), output=tmp_path)
        assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [(name, b"of another run")]

    def test_a_recipe_that_does_not_validate_makes_no_folder(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"training\.samples = 0: "):
            train(recipe(), output=tmp_path / "run", changes=["training.samples=0"])
        assert not (tmp_path / "run").exists()

    @pytest.mark.parametrize("dataset", [None, "none"])
    def test_an_unknown_method_is_told_before_anything_is_read_or_made(
        self, dataset: str | None, tmp_path: Path
    ) -> None:
        with pytest.raises(UnknownNameError, match="unknown method 'nope'"):
            train(recipe(), output=tmp_path / "run", dataset=dataset, changes=["method=nope"])
        assert not (tmp_path / "run").exists()

    @pytest.mark.parametrize("resume", [False, True])
    def test_a_run_that_is_done_can_only_be_a_start(self, resume: bool, tmp_path: Path) -> None:
        train(recipe(), output=tmp_path / "done")
        before = (tmp_path / "done" / "model.safetensors").read_bytes()
        message = rf"done is trained already: choose an empty or a new folder, .* --from {tmp_path}/done \(start_from"
        with pytest.raises(OutputError, match=message):
            train(recipe(), output=tmp_path / "done", resume=resume)
        assert (tmp_path / "done" / "model.safetensors").read_bytes() == before

    def test_nothing_to_resume_makes_no_folder(self, tmp_path: Path) -> None:
        with pytest.raises(TrainingError, match=r"no checkpoint\.safetensors in .*: start without --resume"):
            train(recipe(), output=tmp_path / "run", resume=True)
        assert not (tmp_path / "run").exists()

    @pytest.mark.parametrize(("name", "text"), [("README.md", "# Mine"), ("config.json", '{"model_type": "bert"}')])
    def test_a_strangers_file_of_a_name_of_ours_is_left_alone(self, name: str, text: str, tmp_path: Path) -> None:
        (tmp_path / name).write_text(text)
        message = rf"already holds '{name}': choose an empty or a new folder"
        with pytest.raises(OutputError, match=message):
            train(recipe(), output=tmp_path)
        with pytest.raises(OutputError, match=message):
            tiny_model().save_pretrained(tmp_path)
        assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(name, text)]

    def test_trackers_leave_a_run_that_may_begin_anew(self, tmp_path: Path) -> None:
        """Killed before its first checkpoint, it has only their folder."""
        (tmp_path / "logs").mkdir()
        train(recipe(), output=tmp_path)
        assert load(tmp_path).config.trained is not None
