"""`interpzoo.train`: from a recipe to a folder that `load` reads."""

from __future__ import annotations

import platform
from importlib.metadata import version
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from interpzoo import create, load, train
from interpzoo.build import validated_options
from interpzoo.config import ComponentConfig
from interpzoo.data.lines import Lines
from interpzoo.errors import ConfigError, OutputError, TrainingError, UnknownNameError
from interpzoo.files import locked
from interpzoo.interfaces import Encoder
from interpzoo.pretrained.folder import read_config, read_hashes
from tests.pixels import trainer_of
from tests.tiny import tiny_model
from tests.training.runs import four_steps, write_pictures


@pytest.mark.parametrize("method", ["ae", "dae", "vae", "aae", "acai"])
def test_what_is_returned_is_what_is_written(method: str, tmp_path: Path) -> None:
    trained = train(four_steps(method, ema_decay=0.9), output=tmp_path)
    loaded = load(tmp_path)
    assert not trained.training
    assert loaded.config == trained.config
    state = loaded.state_dict()
    assert state.keys() == trained.state_dict().keys()
    assert all(torch.equal(value, state[name]) for name, value in trained.state_dict().items())
    assert not any(name.startswith(("critic", "discriminator")) for name in state)
    assert not (tmp_path / "checkpoint.safetensors").exists()
    listed = ["config.json", "examples.safetensors", "fitness.safetensors", "model.safetensors", "preview.png"]
    assert sorted(read_hashes(tmp_path)) == listed


def test_the_average_is_what_is_written(tmp_path: Path) -> None:
    found = four_steps(ema_decay=0.5)
    trainer = trainer_of(found, tmp_path)
    trainer.run(lambda done, values: None)
    (tmp_path / "checkpoint.safetensors").unlink()
    train(found, output=tmp_path)
    loaded = load(tmp_path)
    averaged, last = trainer.trained().state_dict(), trainer.model.state_dict()
    for name, value in loaded.state_dict().items():
        assert torch.equal(value, averaged[name])
        assert not torch.equal(value, last[name])


def test_the_config_records_the_training_with_full_names(tmp_path: Path) -> None:
    found = four_steps("acai", batch_size=6)
    config = train(found, output=tmp_path).config
    assert config.encoder.name == "baselines:conv"
    # Every option, those with default values too.
    assert config.encoder.options == validated_options(Encoder, found.encoder).model_dump(mode="json")
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


def test_examples_are_the_codes_of_held_out_images_of_different_classes_drawn_by_the_seed(tmp_path: Path) -> None:
    found = four_steps("vae", seed=3)
    trained = train(found, output=tmp_path)
    shown = Lines(ComponentConfig(), found.image).examples(8, torch.Generator().manual_seed(3))
    assert len(shown["label"].unique()) == 8
    examples = load(tmp_path).examples
    assert examples is not None
    assert torch.equal(examples, trained.encode(shown["image"]).detach())


def test_codes_are_those_of_training_images(tmp_path: Path) -> None:
    trained = train(four_steps(codes=5), output=tmp_path)
    assert trained.codes is not None
    assert trained.codes.shape == (5, *trained.latent_shape)
    kept = load(tmp_path).codes
    assert kept is not None
    assert torch.equal(kept, trained.codes)
    images = Lines(ComponentConfig(), trained.config.image).train(torch.arange(5), torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(kept, trained.encode(images["image"]))


def test_a_recipe_by_name_or_as_an_object_with_changes(tmp_path: Path) -> None:
    sizes = ["encoder.width=2", "encoder.scales=2", "encoder.latent_channels=2", "decoder.width=2"]
    few = ["training.samples=8", "training.batch_size=4", "image.height=16", "image.width=16"]
    named = train("ae-lines", output=tmp_path / "named", changes=[*sizes, *few, "training.seed=3"])
    assert named.config.trained is not None
    assert named.config.trained.training.seed == 3
    assert named.config.name == "ae-lines"
    assert named.latent_shape == (2, 4, 4)
    itself = train(four_steps(), output=tmp_path / "itself", changes=["training.samples=8", "summary=Short."])
    assert itself.config.trained is not None
    assert itself.config.trained.samples_seen == 8
    assert itself.config.summary == "Short."


def test_the_seed_determines_everything(tmp_path: Path) -> None:
    results: list[dict[str, torch.Tensor]] = []
    for number, seed in enumerate((1, 1, 2)):
        torch.manual_seed(number)
        before = torch.get_rng_state()
        results.append(train(four_steps("vae", seed=seed), output=tmp_path / str(number)).state_dict())
        assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(value, results[1][name]) for name, value in results[0].items())
    assert not any(torch.equal(value, results[2][name]) for name, value in results[0].items())


def test_training_lowers_the_error(tmp_path: Path) -> None:
    """The error of held-out lines after 100 steps is well below that of the best constant image."""
    changes = ["encoder.latent_channels=8", "training.optimizer.learning_rate=0.01"]
    trained = train(four_steps(samples=100 * 16, batch_size=16), output=tmp_path, changes=changes)
    lines = Lines(ComponentConfig(), trained.config.image).test(200)["image"]
    error = (trained.reconstruct(lines) - lines).square().mean()
    assert error < 0.8 * (lines - lines.mean(0)).square().mean()


def first(model: nn.Module) -> Tensor:
    return next(model.parameters()).detach()


class TestFineTuning:
    """`start_from`."""

    def test_it_begins_at_these_weights(self, tmp_path: Path) -> None:
        """By another method of the same networks, as a plain autoencoder becomes an adversarial one."""
        origin = tiny_model(seed=7)
        origin.save_pretrained(tmp_path / "origin")
        still = ["training.optimizer.learning_rate=1e-12"]
        tuned = train(four_steps("acai"), start_from=tmp_path / "origin", output=tmp_path / "tuned", changes=still)
        for name, value in origin.state_dict().items():
            torch.testing.assert_close(tuned.state_dict()[name], value, rtol=0, atol=1e-8)
        trained = read_config(tmp_path / "tuned").trained
        assert trained is not None
        assert trained.started_from == "origin"
        assert "| started from | origin |" in (tmp_path / "tuned" / "README.md").read_text()

    def test_own_networks_too(self, tmp_path: Path) -> None:
        origin = tiny_model(seed=7)
        origin.save_pretrained(tmp_path / "origin")
        model = create(four_steps())
        train(
            four_steps(optimizer={"learning_rate": 1e-12}),
            model=model,
            start_from=tmp_path / "origin",
            output=tmp_path / "tuned",
        )
        for name, value in origin.state_dict().items():
            torch.testing.assert_close(model.state_dict()[name], value, rtol=0, atol=1e-8)

    def test_the_start_of_a_recipe(self, tmp_path: Path) -> None:
        """It does not hold for networks or images of the user's own, and the argument goes before it."""
        origin, other = (tiny_model(seed=seed) for seed in (7, 8))
        origin.save_pretrained(tmp_path / "origin")
        other.save_pretrained(tmp_path / "other")
        found = four_steps(optimizer={"learning_rate": 1e-12})
        found = found.model_copy(update={"start_from": str(tmp_path / "origin")})
        started = {
            "said": train(found, output=tmp_path / "said"),
            "argued": train(found, output=tmp_path / "argued", start_from=tmp_path / "other"),
            "own": train(found, output=tmp_path / "own", model=create(four_steps(), seed=9)),
            "photos": train(
                found, output=tmp_path / "photos", dataset=write_pictures(tmp_path / "in", "RGB", [(20, 20)] * 8)
            ),
        }
        firsts = {name: first(model) for name, model in started.items()}
        torch.testing.assert_close(firsts["said"], first(origin), rtol=0, atol=1e-8)
        torch.testing.assert_close(firsts["argued"], first(other), rtol=0, atol=1e-8)
        torch.testing.assert_close(firsts["own"], first(create(four_steps(), seed=9)), rtol=0, atol=1e-8)
        trained = {name: read_config(tmp_path / name).trained for name in ("said", "argued", "photos")}
        assert [t.started_from for t in trained.values() if t] == ["origin", "other", None]

    def test_a_start_with_other_networks_is_refused(self, tmp_path: Path) -> None:
        tiny_model("vae").save_pretrained(tmp_path / "origin")
        with pytest.raises(ConfigError, match=r"origin' has other networks than the recipe: training cannot start"):
            train(four_steps(), start_from=tmp_path / "origin", output=tmp_path / "tuned")
        assert not (tmp_path / "tuned").exists()


class TestOutput:
    """The folder of a run."""

    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("model.safetensors", "is trained already: choose an empty or a new folder$"),
            ("checkpoint.safetensors", "already holds a training: continue with --resume, or choose"),
        ],
    )
    def test_a_training_is_never_overwritten(self, name: str, expected: str, tmp_path: Path) -> None:
        (tmp_path / name).write_bytes(b"of another run")
        with pytest.raises(OutputError, match=expected):
            train(four_steps(), output=tmp_path)
        assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [(name, b"of another run")]

    def test_a_recipe_that_does_not_validate_makes_no_folder(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"training\.samples = 0: "):
            train(four_steps(), output=tmp_path / "run", changes=["training.samples=0"])
        assert not (tmp_path / "run").exists()

    @pytest.mark.parametrize("dataset", [None, "none"])
    def test_an_unknown_method_is_reported_before_anything_is_read_or_written(
        self, dataset: str | None, tmp_path: Path
    ) -> None:
        with pytest.raises(UnknownNameError, match="unknown method 'nope'"):
            train(four_steps(), output=tmp_path / "run", dataset=dataset, changes=["method=nope"])
        assert not (tmp_path / "run").exists()

    @pytest.mark.parametrize("resume", [False, True])
    def test_a_finished_run_can_only_be_fine_tuned(self, resume: bool, tmp_path: Path) -> None:
        train(four_steps(), output=tmp_path / "done")
        before = (tmp_path / "done" / "model.safetensors").read_bytes()
        message = rf"done is trained already: choose an empty or a new folder, .* --from {tmp_path}/done \(start_from"
        with pytest.raises(OutputError, match=message):
            train(four_steps(), output=tmp_path / "done", resume=resume)
        assert (tmp_path / "done" / "model.safetensors").read_bytes() == before

    def test_nothing_to_resume_makes_no_folder(self, tmp_path: Path) -> None:
        with pytest.raises(TrainingError, match=r"no checkpoint\.safetensors in .*: start without --resume"):
            train(four_steps(), output=tmp_path / "run", resume=True)
        assert not (tmp_path / "run").exists()

    @pytest.mark.parametrize(("name", "text"), [("README.md", "# Mine"), ("config.json", '{"model_type": "bert"}')])
    def test_a_file_that_is_not_ours_is_left_alone(self, name: str, text: str, tmp_path: Path) -> None:
        (tmp_path / name).write_text(text)
        message = rf"already holds '{name}': choose an empty or a new folder"
        with pytest.raises(OutputError, match=message):
            train(four_steps(), output=tmp_path)
        with pytest.raises(OutputError, match=message):
            tiny_model().save_pretrained(tmp_path)
        assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(name, text)]

    def test_a_folder_with_only_logs_can_be_trained_in(self, tmp_path: Path) -> None:
        """Killed before its first checkpoint, it has only their folder."""
        (tmp_path / "logs").mkdir()
        train(four_steps(), output=tmp_path)
        assert load(tmp_path).config.trained is not None

    def test_a_second_run_in_one_folder_is_refused(self, tmp_path: Path) -> None:
        with locked(tmp_path), pytest.raises(OutputError, match=f"another process is writing to '{tmp_path}': wait"):
            train(four_steps(), output=tmp_path)
        assert not [*tmp_path.iterdir()]
        train(four_steps(), output=tmp_path)
