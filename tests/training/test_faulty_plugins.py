"""Components that do not give what their interface says are named before or at the step that needs it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import mse_loss
from typing_extensions import override

import interpzoo
from interpzoo.config import ComponentConfig, ImageSpec
from interpzoo.errors import InputError, PluginError
from interpzoo.geometry import lerp
from interpzoo.interfaces import (
    DataSet,
    Decoder,
    Encoder,
    Interpolator,
    LatentModel,
    Prior,
    Regularizer,
    Step,
    Update,
    parameters_of,
)
from interpzoo.interfaces.component import Configured
from tests.models.conftest import register_mine as register_mine
from tests.tiny import tiny_recipe

Register = Callable[[str, str, type[Configured[Any]]], None]
PLUGIN = "plugin 'mine' (interpzoo-mine 1.0)"


class Sound(Regularizer):
    """The squared error."""

    returned: Any = None
    made: Any = None

    @override
    def updates(self, model: LatentModel) -> Any:
        default = super().updates(model)
        return default if self.made is None else self.made(model)

    @override
    def loss(self, step: Step, update: str) -> Any:
        error = mse_loss(step.reconstruction.float(), step.x)
        return {"error": error} if self.returned is None else self.returned(error)


class Half(DataSet):
    """Gray images, after what a test does to them."""

    changed: Any = staticmethod(lambda batch: batch)
    held_out: Any = staticmethod(lambda batch: batch)

    @override
    def train(self, indices: Tensor, generator: Generator) -> Any:
        return type(self).changed({"image": torch.full((len(indices), *self.image.shape), 0.5)})

    @override
    def test(self, limit: int | None = None) -> Any:
        return type(self).held_out({"image": torch.full((limit or 8, *self.image.shape), 0.5)})


class Flat(Encoder):
    """Images to codes of 4."""

    def __init__(self, config: ComponentConfig, image: ImageSpec) -> None:
        super().__init__(config, image)
        self.latent_shape = (4,)
        self.layer = nn.Linear(256, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x.flatten(1))


class Unshaped(Flat):
    """Codes whose shape is no tuple."""

    def __init__(self, config: ComponentConfig, image: ImageSpec) -> None:
        super().__init__(config, image)
        self.latent_shape: Any = 4


class Misshaped(Flat):
    """Codes of another shape than it says."""

    def __init__(self, config: ComponentConfig, image: ImageSpec) -> None:
        super().__init__(config, image)
        self.latent_shape = (5,)


class Raised(Decoder):
    """Codes to images."""

    def __init__(self, config: ComponentConfig, image: ImageSpec, latent_shape: tuple[int, ...]) -> None:
        super().__init__(config, image, latent_shape)
        self.layer = nn.Linear(latent_shape[0], 256)

    def forward(self, z: Tensor) -> Tensor:
        return self.layer(z).unflatten(1, self.image.shape)


class Grey(Raised):
    """Images without channels, which broadcast to the square of the batch in a loss."""

    @override
    def forward(self, z: Tensor) -> Tensor:
        return super().forward(z)[:, 0]


class Tabled(Raised):
    """A table that no file has."""

    def __init__(self, config: ComponentConfig, image: ImageSpec, latent_shape: tuple[int, ...]) -> None:
        super().__init__(config, image, latent_shape)
        self.table = torch.randn(16)

    @override
    def forward(self, z: Tensor) -> Tensor:
        return super().forward(z) + self.table


class Bare(Regularizer):
    """Without the constructor of its interface."""

    def __init__(self, config: ComponentConfig, image: ImageSpec, latent_shape: tuple[int, ...]) -> None:
        self.weight = 1

    def loss(self, step: Step, update: str) -> Mapping[str, Tensor]:
        raise NotImplementedError


def trained(folder: Path, **parts: dict[str, Any]) -> None:
    recipe = tiny_recipe("ae", training={"samples": 16}).model_dump(mode="json")
    interpzoo.train(interpzoo.config.Recipe.model_validate({**recipe, **parts}), output=folder)


def encoder_terms(model: LatentModel) -> list[Update]:
    return [Update("a", parameters_of(model.encoder)), Update("a", parameters_of(model.decoder))]


@pytest.mark.parametrize(
    ("returned", "says"),
    [
        (lambda error: error, "is tensor("),
        (lambda error: {}, "is {}: expected its terms, scalar tensors by name"),
        (lambda error: {"error": error, "k": 0.5}, "has term 'k' of type 'float', expected a tensor of shape ()"),
        (lambda error: {"error": error[None]}, "has term 'error' of shape (1,), expected a tensor of shape ()"),
        (lambda error: {"error": error.detach()}, "depends on no weight: do not detach what it is computed from"),
    ],
)
def test_a_loss(returned: Any, says: str, register_mine: Register, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(Sound, "returned", staticmethod(returned))
    register_mine("regularizer", "sound", Sound)
    pattern = re.escape(f"{PLUGIN}: regularizer 'sound' {says}")
    with pytest.raises(PluginError, match=f"^the loss of update 'autoencoder' of {pattern}"):
        trained(tmp_path / "run", regularizer={"name": "sound"})


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (lambda model: [], "'updates' of WHAT gives [], expected an Update, as the model has weights"),
        (lambda model: 3, "'updates' of WHAT gives 3, expected a list of Updates"),
        (lambda model: [3], "'updates' of WHAT gives 3, expected an Update"),
        (encoder_terms, "update 'a' of WHAT has another one's name"),
        (lambda model: [Update("a", [], every=0)], "update 'a' of WHAT has every = 0, expected 1 or more"),
    ],
)
def test_updates(made: Any, says: str, register_mine: Register, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(Sound, "made", staticmethod(made))
    register_mine("regularizer", "sound", Sound)
    says = says.replace("WHAT", f"{PLUGIN}: regularizer 'sound'")
    with pytest.raises(PluginError, match=f"^{re.escape(says)}$"):
        trained(tmp_path / "run", regularizer={"name": "sound"})


@pytest.mark.parametrize("part", ["changed", "held_out"])
@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda b: b["image"], "gives an object of type 'Tensor': expected tensors by field"),
        (lambda b: {"images": b["image"]}, "gives 'images': expected 'image' among them"),
        (lambda b: {**b, "label": ["a"]}, "has field 'label' of type 'list': batches hold only tensors"),
        (lambda b: {**b, "label": torch.zeros(1)}, "has field 'label' of 1 rows"),
        (lambda b: {"image": b["image"].mT.unsqueeze(1)}, "has field 'image' of shape"),
        (lambda b: {"image": b["image"].byte()}, "has field 'image' in torch.uint8, expected torch.float32"),
        (
            lambda b: {"image": 255 * b["image"]},
            "has field 'image' in [127.5, 127.5], expected finite values",
        ),
        (lambda b: {"image": b["image"] / 0 * 0}, "has field 'image' in [nan, nan], expected finite values"),
    ],
)
def test_data(part: str, change: Any, says: str, register_mine: Register, tmp_path: Path, monkeypatch: Any) -> None:
    """Held-out images are looked at before the first step, and not when hours of training are over."""
    monkeypatch.setattr(Half, part, staticmethod(change))
    register_mine("dataset", "half", Half)
    where = "the held-out part of " if part == "held_out" else ""
    says = f"{where}{PLUGIN}: dataset 'half' {says}"
    with pytest.raises(PluginError, match=f"^{re.escape(says)}"):
        trained(tmp_path / "run", data={"name": "half"})


@pytest.mark.parametrize("size", [0, "8"])
def test_the_size_of_data(size: Any, register_mine: Register, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(Half, "size", size)
    register_mine("dataset", "half", Half)
    with pytest.raises(PluginError, match=f"dataset 'half' has size = {size!r}: expected the number of its images"):
        trained(tmp_path / "run", data={"name": "half"})


@pytest.mark.parametrize(
    ("encoder", "decoder", "says"),
    [
        (
            Unshaped,
            Raised,
            f"{PLUGIN}: encoder 'e' has latent_shape = 4, expected a tuple of sizes: set it in __init__",
        ),
        (Misshaped, Raised, "encoder 'mine:e' gives a code of shape (2, 4), expected a tensor of shape (2, 5)"),
        (Flat, Grey, "decoder 'mine:d' gives an image of shape (2, 16, 16), expected a tensor of shape (2, 1, 16, 16)"),
        (Flat, Tabled, "cannot fill 'decoder.table', a plain attribute: keep it with register_buffer('table', tensor)"),
    ],
)
def test_networks(encoder: Any, decoder: Any, says: str, register_mine: Register, tmp_path: Path) -> None:
    """Before the first step, and before anything is written."""
    register_mine("encoder", "e", encoder)
    register_mine("decoder", "d", decoder)
    with pytest.raises(PluginError, match=f"^{re.escape(says)}"):
        trained(tmp_path / "run", encoder={"name": "e"}, decoder={"name": "d"})
    assert not [*tmp_path.rglob("*.safetensors")]


def test_a_constructor_that_skips_its_interface(register_mine: Register, tmp_path: Path) -> None:
    register_mine("regularizer", "bare", Bare)
    says = f"{PLUGIN}: regularizer 'bare' has no config after it was built: begin its __init__ with super().__init__("
    with pytest.raises(PluginError, match=re.escape(says)):
        trained(tmp_path / "run", regularizer={"name": "bare"})


class Short(Interpolator):
    """A path that loses a dimension."""

    def __call__(self, z0: Tensor, z1: Tensor, t: Tensor, *, model: LatentModel) -> Tensor:
        return lerp(z0, z1, t)[..., 0]


class Undefined(Interpolator):
    """A path of NaN."""

    def __call__(self, z0: Tensor, z1: Tensor, t: Tensor, *, model: LatentModel) -> Tensor:
        return lerp(z0, z1, t) * float("nan")


class Wide(Prior):
    """Samples that are no codes."""

    def sample(self, n: int, *, generator: Generator | None = None) -> Tensor:
        return torch.zeros(n, 7)

    def log_prob(self, z: Tensor) -> Tensor:
        return z.sum(1)


def test_paths_and_priors(register_mine: Register) -> None:
    for kind, name, cls in (("interpolator", "short", Short), ("interpolator", "nan", Undefined), ("prior", "w", Wide)):
        register_mine(kind, name, cls)
    recipe = tiny_recipe("ae").model_copy(update={"prior": interpzoo.config.Component(name="w")})
    model = interpzoo.create(recipe).eval()
    codes = torch.rand(2, *model.latent_shape)
    says = r"^the path 'Short' gives codes of shape \(1, 3, 2, 4\), expected a tensor of shape \(1, 3, 2, 4, 4\)$"
    with pytest.raises(PluginError, match=says):
        model.interpolate_codes(codes[:1], codes[1:], [0, 0.5, 1], interpolator="short")
    with pytest.raises(InputError, match=r"^the path 'Undefined' is not finite at t from 0 to 1: expected other codes"):
        model.interpolate_codes(codes[:1], codes[1:], [0, 0.5, 1], interpolator="nan")
    with pytest.raises(PluginError, match=r"^prior 'mine:w' gives a sample of shape \(3, 7\), expected a tensor"):
        model.sample(3)
