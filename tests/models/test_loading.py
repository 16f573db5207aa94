"""Saved and loaded again: the same model, bit for bit, or an error that says what is wrong with the folder."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from types import FrameType

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

import interpzoo
from interpzoo import create, load
from interpzoo.config import Component, ImageSpec
from interpzoo.errors import ConfigError, InputError, OutputError, PluginError, UnknownNameError, WeightsError
from interpzoo.interfaces import Decoder
from interpzoo.model import InterpolationModel
from interpzoo.nets import ConvDecoder, ConvDecoderConfig
from interpzoo.pretrained.folder import read_config
from interpzoo.registry import Kind
from tests.tiny import files_of, random_images, tiny_model, tiny_recipe

Register = Callable[[Kind, str, type], None]


class Warm(Decoder):
    """The convolutional decoder, brightened by a buffer, and with buffers of other types."""

    Config = ConvDecoderConfig
    persistent = True

    def __init__(self, config: ConvDecoderConfig, image: ImageSpec, latent_shape: tuple[int, ...]) -> None:
        super().__init__(config, image, latent_shape)
        self.body = ConvDecoder(config, image, latent_shape)
        self.register_buffer("warmth", torch.tensor(0.25), persistent=self.persistent)
        self.register_buffer("order", torch.arange(image.height).flip(0))
        self.register_buffer("mask", torch.arange(image.width) > 7)

    def forward(self, z: Tensor) -> Tensor:
        shifted = self.body(z) + self.get_buffer("warmth") * self.get_buffer("mask")
        return shifted[:, :, self.get_buffer("order")]


class Forgetful(Warm):
    """Its warmth is not saved."""

    persistent = False


def with_decoder(name: str) -> InterpolationModel:
    """A small model with a decoder that a test has registered."""
    recipe = tiny_recipe()
    decoder = Component(name=name, width=4)
    return create(recipe.model_copy(update={"decoder": decoder})).eval()


def with_examples(model: InterpolationModel, n: int = 4) -> InterpolationModel:
    """The model with example codes."""
    model.examples = torch.randn(n, *model.latent_shape, generator=torch.Generator().manual_seed(0))
    return model


def hashed(files: dict[str, bytes]) -> dict[str, bytes]:
    """All files but the card, which names the folder."""
    return {name: content for name, content in files.items() if name != "README.md"}


@pytest.mark.parametrize("method", ["ae", "vae", "aae"])
def test_a_loaded_model_equals_the_saved_one_bit_for_bit(method: str, tmp_path: Path) -> None:
    saved = with_examples(tiny_model(method, seed=4))
    loaded = load(saved.save_pretrained(tmp_path / "model"))
    assert loaded.config == saved.config
    assert loaded.state_dict().keys() == saved.state_dict().keys()
    assert all(torch.equal(value, loaded.state_dict()[name]) for name, value in saved.state_dict().items())
    images = random_images(3, saved.config.image)
    assert torch.equal(loaded.encode(images), saved.encode(images))
    assert torch.equal(loaded.interpolate(images[0], images[1]), saved.interpolate(images[0], images[1]))
    assert torch.equal(loaded.example_strip(), saved.example_strip())
    if method != "ae":
        assert torch.equal(loaded.sample(3, seed=2), saved.sample(3, seed=2))


def test_a_loaded_model_is_ready_to_use_and_to_train(model: InterpolationModel, tmp_path: Path) -> None:
    loaded = load(model.train().save_pretrained(tmp_path / "model"))
    assert not any(module.training for module in loaded.modules())
    loss = loaded(random_images(2, model.config.image)).square().mean()
    assert all((g != 0).any() for g in torch.autograd.grad(loss, [*loaded.parameters()]))


def test_a_failed_save_leaves_the_old_model_intact(model: InterpolationModel, tmp_path: Path) -> None:
    """All new files are written before the first old one is replaced."""
    with_examples(model).save_pretrained(tmp_path / "model")
    examples = tmp_path / "model" / "examples.safetensors"
    examples.unlink()
    examples.mkdir()
    before = {path.name: path.read_bytes() for path in (tmp_path / "model").iterdir() if path.is_file()}
    with pytest.raises(OutputError, match=r"examples\.safetensors': it is not a regular"):
        with_examples(tiny_model(seed=9)).save_pretrained(tmp_path / "model")
    examples.rmdir()
    assert files_of(tmp_path / "model") == before


def test_a_folder_written_as_a_name_is_suggested(
    model: InterpolationModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model.save_pretrained(tmp_path / "mine")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(UnknownNameError, match=r"unknown model 'mine'\..* For the folder write './mine'"):
        load("mine")
    for name in ("./mine", "~/mine"):
        assert load(name).config == model.config


def test_names_are_suggested_whatever_their_case() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown model 'ACAI-Lines'\. Did you mean 'acai-lines'"):
        load("ACAI-Lines")


def test_a_recipe_without_weights_says_how_to_make_them() -> None:
    with pytest.raises(
        UnknownNameError, match=r"'dae-lines' is a recipe without pretrained .*'interpzoo train dae-line"
    ):
        load("dae-lines")


def test_loading_uses_no_random_numbers(model: InterpolationModel, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path / "model")
    before = torch.get_rng_state()
    load(tmp_path / "model")
    assert torch.equal(torch.get_rng_state(), before)


def test_a_loaded_model_does_not_need_its_folder(model: InterpolationModel, tmp_path: Path) -> None:
    with_examples(model).save_pretrained(tmp_path / "model")
    loaded = load(tmp_path / "model")
    image = random_images(1, model.config.image)
    expected = loaded.reconstruct(image)
    for file in (tmp_path / "model").iterdir():
        with file.open("r+b") as opened:  # in place, where a mapped tensor would change with it
            opened.write(bytes(file.stat().st_size))
    assert torch.equal(loaded.reconstruct(image), expected)


def test_buffers_of_every_type_are_loaded(register: Register, tmp_path: Path) -> None:
    register("decoder", "warm", Warm)
    saved = with_decoder("warm")
    saved.decoder.get_buffer("warmth").fill_(0.75)
    loaded = load(saved.save_pretrained(tmp_path / "model"))
    image = random_images(1, saved.config.image)
    assert torch.equal(loaded.reconstruct(image), saved.reconstruct(image))
    assert {name: buffer.dtype for name, buffer in loaded.decoder.named_buffers()} == {
        "warmth": torch.float32,
        "order": torch.int64,
        "mask": torch.bool,
    }
    half = load(tmp_path / "model", dtype=torch.bfloat16)
    assert half.decoder.get_buffer("order").dtype == torch.int64
    assert half.reconstruct(image).isfinite().all()


def test_a_buffer_that_is_not_in_the_file_is_refused_by_name(register: Register, tmp_path: Path) -> None:
    register("decoder", "forgetful", Forgetful)
    with pytest.raises(PluginError, match=r"cannot fill 'decoder\.warmth': a component's buffers must be persistent"):
        with_decoder("forgetful").save_pretrained(tmp_path / "model")
    assert not (tmp_path / "model").exists()


class TestOptions:
    """The arguments of `load`."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        return with_examples(tiny_model("vae")).save_pretrained(tmp_path / "model")

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64], ids=str)
    def test_dtype_is_the_type_of_computation(self, dtype: torch.dtype, folder: Path) -> None:
        loaded = load(folder, dtype=dtype)
        assert {p.dtype for p in loaded.parameters()} == {dtype}
        images = random_images(2, loaded.config.image)
        frames = loaded.reconstruct(images)
        assert frames.dtype == torch.float32
        assert torch.equal(frames, load(folder).to(dtype).reconstruct(images))
        torch.testing.assert_close(frames, load(folder).reconstruct(images), rtol=0.05, atol=0.02)

    @pytest.mark.parametrize("dtype", [torch.int8, torch.bool, torch.complex64], ids=str)
    def test_an_integer_type_is_refused(self, dtype: torch.dtype, folder: Path) -> None:
        with pytest.raises(InputError, match=f"dtype = {dtype}: expected torch.float32"):
            load(folder, dtype=dtype)

    @pytest.mark.parametrize("name", ["slerp", "baselines:slerp"])
    def test_interpolator_becomes_the_default_path(self, name: str, folder: Path) -> None:
        loaded, usual = load(folder, interpolator=name), load(folder)
        a, b = random_images(2, usual.config.image)
        expected = usual.interpolate(a, b, interpolator="slerp")
        assert torch.equal(loaded.interpolate(a, b), expected)
        assert not torch.equal(usual.interpolate(a, b), expected)
        assert torch.equal(load(loaded.save_pretrained(folder.parent / "again")).interpolate(a, b), expected)

    def test_an_unknown_interpolator_suggests_the_nearest(self, folder: Path) -> None:
        with pytest.raises(UnknownNameError, match=r"unknown interpolator 'sler'\. Did you mean 'slerp'"):
            load(folder, interpolator="sler")

    def test_the_device_is_a_string_or_a_torch_device(self, folder: Path) -> None:
        for device in ("cpu", torch.device("cpu")):
            assert load(folder, device=device).device == torch.device("cpu")

    @pytest.mark.parametrize("device", ["cuda:99", "abacus", ""])
    def test_a_missing_device_is_quoted(self, device: str, folder: Path) -> None:
        with pytest.raises(InputError, match=f"device = '{device}' cannot be used: "):
            load(folder, device=device)

    def test_a_folder_is_a_path_or_a_string_that_looks_like_one(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(folder.parent)
        for name in (Path("model"), "./model", str(folder), "../" + folder.parent.name + "/model"):
            assert load(name).config.name == "vae-tiny"

    def test_a_bundled_model_has_no_revisions(self) -> None:
        with pytest.raises(InputError, match="revision = 'main': 'acai-mnist' has a fixed one"):
            load("acai-mnist", revision="main")

    def test_a_folder_has_no_revisions(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"revision = 'main': .* is a folder"):
            load(tmp_path, revision="main")


class TestReducedWeights:
    """A model saved in 16 bits."""

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
    def test_it_takes_half_the_space_and_is_computed_in_float32(self, dtype: torch.dtype, tmp_path: Path) -> None:
        full = tiny_model()
        full.save_pretrained(tmp_path / "full")
        half = with_examples(tiny_model()).to(dtype)
        half.save_pretrained(tmp_path / "half")
        weights = load_file(tmp_path / "half" / "model.safetensors")
        assert {value.dtype for value in weights.values()} == {dtype}
        elements = sum(value.numel() for value in weights.values())
        sizes = [(tmp_path / name / "model.safetensors").stat().st_size for name in ("full", "half")]
        assert sizes[0] - sizes[1] == pytest.approx(2 * elements, rel=0.01)

        loaded = load(tmp_path / "half")
        assert loaded.dtype == torch.float32
        for name, value in loaded.state_dict().items():
            assert torch.equal(value, half.state_dict()[name].float())
        images = random_images(2, full.config.image)
        assert torch.equal(load(tmp_path / "half", dtype=dtype).reconstruct(images), half.reconstruct(images))


class TestFolder:
    """The folder that `save_pretrained` writes."""

    def test_the_same_model_gives_the_same_files(self, tmp_path: Path) -> None:
        for name in ("a", "b"):
            with_examples(tiny_model("vae")).save_pretrained(tmp_path / name)
        files = files_of(tmp_path / "a")
        assert hashed(files) == hashed(files_of(tmp_path / "b"))
        assert sorted(files) == [
            "README.md",
            "SHA256SUMS",
            "config.json",
            "examples.safetensors",
            "model.safetensors",
            "preview.png",
        ]

    def test_saving_a_loaded_model_gives_the_same_files(self, tmp_path: Path) -> None:
        with_examples(tiny_model("vae")).save_pretrained(tmp_path / "a")
        load(tmp_path / "a").save_pretrained(tmp_path / "b")
        assert hashed(files_of(tmp_path / "a")) == hashed(files_of(tmp_path / "b"))
        load(tmp_path / "a").save_pretrained(tmp_path / "a")
        assert hashed(files_of(tmp_path / "a")) == hashed(files_of(tmp_path / "b"))

    def test_examples_are_saved_with_their_frames(self, tmp_path: Path) -> None:
        saved = with_examples(tiny_model())
        saved.save_pretrained(tmp_path / "model")
        examples = load_file(tmp_path / "model" / "examples.safetensors")
        assert saved.examples is not None
        assert torch.equal(examples["codes"], saved.examples)
        torch.testing.assert_close(load(tmp_path / "model").decode(examples["codes"]).detach(), examples["frames"])

    def test_saving_removes_all_files_of_the_old_model(self, tmp_path: Path) -> None:
        with_examples(tiny_model("vae")).save_pretrained(tmp_path)
        tiny_model("ae").save_pretrained(tmp_path)
        assert sorted(files_of(tmp_path)) == ["README.md", "SHA256SUMS", "config.json", "model.safetensors"]
        loaded = load(tmp_path)
        assert loaded.examples is None
        assert loaded.prior is None

    @pytest.mark.parametrize(("channels", "n"), [(2, 4), (1, 1)])
    def test_a_model_without_pictures_has_no_preview(self, channels: int, n: int, tmp_path: Path) -> None:
        saved = with_examples(tiny_model(channels=channels), n)
        saved.save_pretrained(tmp_path)
        assert not (tmp_path / "preview.png").exists()
        assert "preview.png" not in (tmp_path / "README.md").read_text()
        examples = load(tmp_path).examples
        assert examples is not None
        assert torch.equal(examples, saved.examples)

    def test_a_folder_with_other_files_is_left_alone(self, model: InterpolationModel, tmp_path: Path) -> None:
        (tmp_path / "thesis.tex").write_text("mine")
        with pytest.raises(OutputError, match=r"already holds 'thesis\.tex': choose an empty or a new folder"):
            model.save_pretrained(tmp_path)
        assert files_of(tmp_path) == {"thesis.tex": b"mine"}

    def test_an_unregistered_network_cannot_be_saved(self, model: InterpolationModel, tmp_path: Path) -> None:
        class Better(ConvDecoder):
            pass

        model.decoder = Better(ConvDecoderConfig(width=4), model.config.image, model.latent_shape)
        message = "its decoder 'Better' is not the registered component 'baselines:conv'"
        with pytest.raises(ConfigError, match=message):
            model.save_pretrained(tmp_path / "out")
        assert not (tmp_path / "out").exists()


class TestDamage:
    """Damaged folders, beside those in the tests of the command line."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        return with_examples(tiny_model()).save_pretrained(tmp_path / "model")

    @pytest.mark.parametrize("name", ["config.json", "model.safetensors", "examples.safetensors"])
    def test_one_changed_byte_is_found(self, name: str, folder: Path) -> None:
        """In a text of the config or in the last weight, so that the file stays valid."""
        data = (folder / name).read_bytes()
        data = data.replace(b'"ae-tiny"', b'"ae-tine"') if name == "config.json" else data[:-1] + bytes([data[-1] ^ 1])
        (folder / name).write_bytes(data)
        with pytest.raises(WeightsError, match=rf"{name} is damaged: its SHA-256 is [0-9a-f]{{12}}\.\.\., expected"):
            load(folder)

    def test_the_card_may_be_edited(self, folder: Path) -> None:
        (folder / "README.md").write_text("mine")
        assert load(folder).config.name == "ae-tiny"

    @pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.uint8], ids=str)
    def test_weights_of_an_integer_type(self, dtype: torch.dtype, folder: Path) -> None:
        weights = load_file(folder / "model.safetensors")
        weights["decoder.layers.0.bias"] = weights["decoder.layers.0.bias"].to(dtype)
        save_file(weights, folder / "model.safetensors")
        (folder / "SHA256SUMS").unlink()
        with pytest.raises(WeightsError, match=rf"has 'decoder\.layers\.0\.bias' in {dtype}, the config's modules in "):
            load(folder)

    def test_a_table_of_another_type(self, register: Register, tmp_path: Path) -> None:
        register("decoder", "warm", Warm)
        with_decoder("warm").save_pretrained(tmp_path)
        weights = load_file(tmp_path / "model.safetensors")
        weights["decoder.order"] = weights["decoder.order"].float()
        save_file(weights, tmp_path / "model.safetensors")
        (tmp_path / "SHA256SUMS").unlink()
        with pytest.raises(
            WeightsError, match=r"has 'decoder\.order' in torch\.float32, the config's modules in torch"
        ):
            load(tmp_path)

    @pytest.mark.parametrize(
        "codes", [torch.zeros(3, 3), torch.zeros(2, 4, 4), torch.tensor(1.0), torch.zeros(2, 2, 4, 4).long()], ids=str
    )
    def test_examples_without_valid_codes(self, codes: Tensor, folder: Path) -> None:
        save_file({"codes": codes}, folder / "examples.safetensors")
        (folder / "SHA256SUMS").unlink()
        with pytest.raises(WeightsError, match=r"has 'codes' of shape .* expected \(n, 2, 4, 4\)"):
            load(folder)

    def test_many_faults_are_counted(self, folder: Path) -> None:
        save_file({"surplus": torch.zeros(1)}, folder / "model.safetensors")
        (folder / "SHA256SUMS").unlink()
        with pytest.raises(WeightsError, match=r"lacks 'encoder[^;]*; lacks [^;]*; lacks [^;]* \(and \d+ more\)$"):
            load(folder)

    def test_a_config_of_another_size_of_code_is_refused_by_its_tensors(self, folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        config["encoder"]["latent_channels"] = 3
        (folder / "config.json").write_text(json.dumps(config))
        (folder / "SHA256SUMS").unlink()
        with pytest.raises(WeightsError, match=r"has '.*' of shape \(2, .*, the config says \(3, "):
            load(folder)

    @pytest.mark.parametrize("name", ["baselines:conv", "baselines:gone"])
    def test_a_config_that_another_version_wrote_names_that_version(self, name: str, folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        config["encoder"] = {"name": name, "girth": 2}
        (folder / "SHA256SUMS").unlink()
        for made in (config["plugins"]["baselines"], "interpzoo 0.0.1"):
            (folder / "config.json").write_text(json.dumps({**config, "plugins": {"baselines": made}}))
            with pytest.raises((ConfigError, UnknownNameError), match=r"unknown (field|encoder)") as refusal:
                load(folder)
            said = f". 'ae-tiny' was made with interpzoo 0.0.1 (here is {version('interpzoo')}), which can read it"
            assert str(refusal.value).endswith(said) == (made == "interpzoo 0.0.1")

    def test_a_config_of_a_megabyte_is_not_read(self, folder: Path) -> None:
        with (folder / "config.json").open("a") as file:
            file.write(" " * (1 << 20))
        with pytest.raises(ConfigError, match=r"config\.json has 1,04\d,\d{3} bytes, expected at most 1,048,576"):
            load(folder)

    def test_a_folder_without_a_model(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"is not a pretrained folder: it has no config\.json"):
            load(tmp_path)

    def test_other_files_are_never_read(self, folder: Path) -> None:
        """Pickles beside the weights and code beside the config are ignored."""
        for name in ("pytorch_model.bin", "model.pt", "examples.pt", "modeling.py", "__init__.py", "adapter.pkl"):
            (folder / name).write_bytes(b"cos\nabort\n(tR.")
        moved = folder.rename(folder.parent / "moved")
        assert load(moved).examples is not None


def test_a_created_model_is_saved_and_loaded(tmp_path: Path) -> None:
    """`interpzoo.create`, `save_pretrained`, `interpzoo.load`, by a registered recipe."""
    made = interpzoo.create("vae-lines", seed=3).eval()
    loaded = interpzoo.load(made.save_pretrained(tmp_path / "vae"))
    image = random_images(1, made.config.image)
    assert torch.equal(loaded.reconstruct(image), made.reconstruct(image))
    assert read_config(tmp_path / "vae").method == "vae"


def test_loading_a_bundled_model_visits_few_modules() -> None:
    """Find, check, read, build, fill. The classes of the components are not counted."""
    load("acai-mnist")
    visited: set[str] = set()

    def note(frame: FrameType, event: str, argument: object) -> None:
        if event == "call":
            visited.add(frame.f_globals.get("__name__", ""))

    sys.setprofile(note)
    try:
        load("acai-mnist")
    finally:
        sys.setprofile(None)
    ours = {name for name in visited if name.split(".")[0] == "interpzoo"}
    components = {name for name in ours if name.startswith(("interpzoo.interfaces.", "interpzoo.nets"))}
    assert ours - components == {
        "interpzoo.build",
        "interpzoo.config",
        "interpzoo.files",
        "interpzoo.fitness",
        "interpzoo.model",
        "interpzoo.plugins",
        "interpzoo.pretrained.folder",
        "interpzoo.pretrained.load",
        "interpzoo.pretrained.locate",
        "interpzoo.pretrained.networks",
        "interpzoo.pretrained.reading",
        "interpzoo.pretrained.stored",
        "interpzoo.registry",
        "interpzoo.saving",
        "interpzoo.tensors",
    }
