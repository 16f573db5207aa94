"""`interpzoo.train` on networks and images of the user's own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import nn

import interpzoo
from interpzoo import evaluate, load, train, wrap
from interpzoo.config import ImageSpec
from interpzoo.data.images import Images, ImagesConfig
from interpzoo.errors import ConfigError, DataError, InterpzooError
from interpzoo.recipes import load_recipe
from interpzoo.training.own_data import choose_recipe, described
from tests.pixels import copied
from tests.tiny import random_images, tiny_model, tiny_recipe
from tests.training.runs import four_steps, write_pictures


def own_model() -> interpzoo.InterpolationModel:
    """Two layers that no plugin has registered."""
    torch.manual_seed(0)
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(256, 4))
    return wrap(encoder, nn.Sequential(nn.Linear(4, 256), nn.Unflatten(1, (1, 16, 16))), image=(1, 16, 16))


class TestOwnNetworks:
    """`model=wrap(...)`."""

    def test_they_are_trained_in_place_and_their_weights_written(self, tmp_path: Path) -> None:
        model = own_model()
        before = copied([*model.parameters()])
        trained = train(four_steps(), model=model, output=tmp_path)
        assert trained is model
        assert not any(torch.equal(x, y) for x, y in zip(before, model.parameters(), strict=True))
        assert {*os.listdir(tmp_path)} == {"model.safetensors", "checkpoint.former.safetensors", "history.jsonl"}
        weights = load_file(tmp_path / "model.safetensors")
        names = ("encoder.module.1", "decoder.module.0")
        assert set(weights) == {f"{name}.{kind}" for name in names for kind in ("weight", "bias")}
        assert all(torch.equal(value, model.state_dict()[name]) for name, value in weights.items())
        images = random_images(2, model.config.image)
        assert trained.interpolate(images[0], images[1]).isfinite().all()

    def test_the_average_leaves_them_at_their_last_step(self, tmp_path: Path) -> None:
        model = own_model()
        trained = train(four_steps(ema_decay=0.5), model=model, output=tmp_path)
        assert trained is not model
        weights = load_file(tmp_path / "model.safetensors")
        for name, value in trained.state_dict().items():
            assert torch.equal(weights[name], value)
            assert not torch.equal(model.state_dict()[name], value)

    def test_their_image_size_replaces_the_recipes(self, tmp_path: Path) -> None:
        encoder = nn.Sequential(nn.Flatten(), nn.Linear(400, 4))
        decoder = nn.Sequential(nn.Linear(4, 400), nn.Unflatten(1, (1, 20, 20)))
        trained = train(four_steps(), model=wrap(encoder, decoder, image=(1, 20, 20)), output=tmp_path)
        assert trained.config.image.shape == (1, 20, 20)

    def test_they_can_be_resumed(self, tmp_path: Path) -> None:
        whole = train(four_steps("acai"), model=own_model(), output=tmp_path / "whole")
        cut = tmp_path / "cut"
        with pytest.raises(StoppedError):
            train(four_steps("acai", checkpoint_steps=1), model=_stopping(own_model()), output=cut)
        resumed = train(four_steps("acai", checkpoint_steps=1), model=own_model(), output=cut, resume=True)
        assert all(torch.equal(v, resumed.state_dict()[name]) for name, v in whole.state_dict().items())

    def test_their_output_cannot_be_loaded(self, tmp_path: Path) -> None:
        train(four_steps(), model=own_model(), output=tmp_path)
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
        a, b = photos / "0.png", photos / "4.png"
        assert loaded.interpolate(a, b, steps=3).shape == (3, channels, 16, 24)
        torch.testing.assert_close(loaded.reconstruct(a), trained.reconstruct(a))

    @pytest.mark.parametrize(
        ("folder", "name"), [("Zellen für µm  (2)", "ae-Zellen-fur-m-2"), ("клетки", "ae-images"), ("...", "ae-images")]
    )
    def test_the_folder_names_the_model_in_latin_letters(self, folder: str, name: str, tmp_path: Path) -> None:
        photos = write_pictures(tmp_path / folder, "L", [(16, 16)] * 4)
        assert choose_recipe("ae-lines", (), dataset=photos, root=None, start_from=None)[0].name == name

    def test_a_name_is_looked_up_below_the_data_root(self, tmp_path: Path) -> None:
        write_pictures(tmp_path / "data" / "birds", "L", [(16, 16)] * 4)
        trained = train(four_steps(samples=8), dataset="birds", data_root=tmp_path / "data", output=tmp_path / "run")
        assert trained.config.name == "ae-birds"
        assert evaluate(tmp_path / "run", data_root=tmp_path / "data").results[0].metric == "reconstruction MSE"

    def test_changes_apply_to_how_they_are_read(self, tmp_path: Path) -> None:
        photos = write_pictures(tmp_path / "photos", "L", [(32, 32)] * 4)
        trained = train(four_steps(samples=8), dataset=photos, output=tmp_path / "run", changes=["data.held_out=0.5"])
        assert trained.examples is not None
        assert len(trained.examples) == 2

    def test_changes_override_what_the_images_say(self, tmp_path: Path) -> None:
        photos = write_pictures(tmp_path / "photos", "RGB", [(16, 16)] * 4)
        found = four_steps(samples=8).model_copy(update={"limitations": "Lines only.", "license": "mit"})
        changes = ["name=mine", "summary=My birds.", "limitations=Birds only.", "license=cc0-1.0"]
        changed = train(found, dataset=photos, output=tmp_path / "changed", changes=changes).config
        assert (changed.name, changed.summary, changed.limitations) == ("mine", "My birds.", "Birds only.")
        assert (changed.license, changed.image.channels) == ("cc0-1.0", 3)
        kept = train(found, dataset=photos, output=tmp_path / "kept", changes=["name=mine"]).config
        assert (kept.name, kept.summary) == ("mine", "Method 'ae' on images of 'photos'.")
        assert (kept.limitations, kept.license) == ("", "unknown")

    def test_changes_override_their_channels(self, tmp_path: Path) -> None:
        photos = write_pictures(tmp_path / "photos", "RGB", [(16, 16)] * 4)
        trained = train(four_steps(samples=8), dataset=photos, output=tmp_path / "run", changes=["image.channels=1"])
        assert trained.config.image.shape == (1, 16, 16)

    @pytest.mark.parametrize(("changes", "license"), [([], "unknown"), (["license=cc0-1.0"], "cc0-1.0")])
    def test_their_license_applies_if_the_recipe_names_none(
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
        train(four_steps(samples=8), dataset=photos, output=tmp_path / "run", changes=["method=baselines:ae"])
        assert load(tmp_path / "run").config.name == "baselines-ae-photos"

    def test_few_images_and_files_with_several_are_said(self, tmp_path: Path) -> None:
        """The second picture of a photo in the format MPO is a preview."""
        photos = write_pictures(tmp_path / "photos", "L", [(16, 16)] * 4)
        pages = [Image.new("L", (16, 16), value) for value in (0, 99)]
        pages[0].save(photos / "photo.jpg", "MPO", save_all=True, append_images=pages[1:])
        found = "4 images to train on and 1 held out (gray); the model takes them gray"
        few = f"{found}. A model memorizes so few: use some hundreds"

        def said() -> str:
            return described(Images(ImagesConfig(source=str(photos)), ImageSpec(channels=1, height=16, width=16)))

        assert said() == few
        (photos / "photo.jpg").unlink()
        for number in range(5):  # one of them is held out
            pages[0].save(photos / f"{number}.png", save_all=True, append_images=pages[1:])
        only = "Of a file with several pictures, such as an animation or a stack, only the first is taken"
        assert said() == f"{few}. {only}"
        for number in range(5, 112):
            (photos / f"{number}.png").write_bytes((photos / "0.png").read_bytes())
        (photos / "notes.txt").touch()
        assert said().endswith(f"the model takes them gray. {only}. Skipped 1 .txt")

    def test_a_folder_without_images(self, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        with pytest.raises(DataError, match="empty"):
            train(four_steps(), dataset=tmp_path / "empty", output=tmp_path / "run")
        assert not (tmp_path / "run").exists()


class TestPaths:
    """How a folder of images is named."""

    @pytest.mark.parametrize(
        "written",
        [Path("./birds"), Path("birds"), "./birds", "../here/birds", Path("../here/birds"), "~/birds", Path("~/birds")],
        ids=repr,
    )
    def test_a_path_is_that_folder_and_not_a_data_set_of_the_same_name(
        self, written: str | Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """And nothing that is written tells where it lies."""
        here = tmp_path / "home" / "somebody" / "here"
        write_pictures(here / "birds", "RGB", [(16, 16)] * 4)
        write_pictures(tmp_path / "data" / "birds", "L", [(16, 16)] * 4)
        monkeypatch.chdir(here)
        monkeypatch.setenv("HOME", str(here))
        trained = train(four_steps(samples=8), dataset=written, data_root=tmp_path / "data", output="run")
        assert trained.config.image.channels == 3
        assert trained.config.name == "ae-birds"
        for path in (here / "run").iterdir():
            assert b"somebody" not in path.read_bytes(), path
        assert 'interpzoo.load("./run")' in (here / "run" / "README.md").read_text()
        assert load("./run").config.name == "ae-birds"

    @pytest.mark.parametrize(
        "written",
        [Path("~nosuchuser/x"), "~nosuchuser", "./none", Path("none"), 5, b"./x", ["./x"], True],
        ids=repr,
    )
    def test_what_is_no_folder_is_one_clear_error(self, written: Any, tmp_path: Path) -> None:
        with pytest.raises(
            InterpzooError, match=r"there is no such folder|dataset = .*: expected a folder|a user that does not exist"
        ):
            train(four_steps(samples=8), dataset=written, output=tmp_path / "run")
        assert not (tmp_path / "run").exists()

    def test_a_method_takes_its_recipe_that_fits_the_images(self, tmp_path: Path) -> None:
        for mode, side, fits in (
            ("RGB", 40, (3, 32, 32)),
            ("RGB", 300, (3, 64, 64)),
            ("L", 40, (1, 32, 32)),
            ("L", 300, (1, 64, 64)),
        ):
            photos = write_pictures(tmp_path / f"{mode}{side}", mode, [(side, side)] * 4)
            recipe, said = choose_recipe("acai", [], dataset=photos, root=None, start_from=None)
            assert recipe.image.shape == fits
            assert "of method 'acai' that fits the images best" in said[0]

    def test_a_method_takes_the_networks_of_the_model_to_start_from(self, tmp_path: Path) -> None:
        """And a fine-tuned model keeps the license and the limitations of it."""
        origin = tiny_model(channels=3, seed=3)
        terms = {"license": "cc-by-nc-4.0", "limitations": "It knows faces only."}
        origin.config = origin.config.model_copy(update=terms)
        origin.save_pretrained(tmp_path / "origin")
        photos = write_pictures(tmp_path / "photos", "L", [(20, 20)] * 4)
        few = ["training.samples=8", "training.batch_size=4"]
        given: Any = {"dataset": photos, "start_from": tmp_path / "origin", "output": tmp_path / "tuned"}
        tuned = train("ae", **given, changes=few)
        assert tuned.config.encoder.options == origin.config.encoder.options
        assert tuned.config.image == origin.config.image
        assert tuned.config.license == "cc-by-nc-4.0"
        card = (tmp_path / "tuned" / "README.md").read_text()
        assert "Limitations of ae-tiny, from which it was started: It knows faces only." in card
        more = [*few, "training.samples=16"]
        again = train(
            "ae", dataset=photos, start_from=tmp_path / "origin", output=tmp_path / "tuned", changes=more, resume=True
        )
        assert (again.config.license, again.config.limitations) == (tuned.config.license, tuned.config.limitations)
