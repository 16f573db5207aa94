"""Wrapping one's own networks as a model."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Bernoulli, Independent, Normal
from torch.nn.functional import binary_cross_entropy_with_logits

from interpzoo import create, load, train, verify, wrap
from interpzoo.errors import ConfigError, InputError, UnknownNameError
from tests.tiny import tiny_recipe

IMAGE = (1, 4, 4)


class Pair(nn.Module):
    """Two tensors that are not a mean and a log-variance."""

    def forward(self, x: Tensor) -> Any:
        return x, x[:, :, :2]


class Mapping(nn.Module):
    """A dictionary, as some libraries give it."""

    def forward(self, x: Tensor) -> Any:
        return {"sample": x}


def linear_pair() -> tuple[nn.Module, nn.Module]:
    """Images of 16 pixels to codes of 3 numbers and back, with dropout on the way."""
    encoder = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(16, 3))
    return encoder, nn.Sequential(nn.Linear(3, 16), nn.Unflatten(1, IMAGE))


def test_the_latent_shape_is_the_encoders() -> None:
    model = wrap(*linear_pair(), image=IMAGE).eval()
    assert model.latent_shape == (3,)
    assert model.config.image.shape == IMAGE
    assert model.prior is None
    a, b = torch.rand(2, *IMAGE, generator=torch.Generator().manual_seed(0))
    assert model.interpolate(a, b, steps=3).shape == (3, *IMAGE)


def test_results_are_the_modules_own() -> None:
    encoder, decoder = linear_pair()
    model = wrap(encoder, decoder, image=IMAGE).eval()
    x = torch.rand(2, *IMAGE, generator=torch.Generator().manual_seed(0))
    assert torch.equal(model.encode(x), encoder(x))
    z = 0.25 * encoder(x[:1]) + 0.75 * encoder(x[1:])
    torch.testing.assert_close(model.interpolate(x[0], x[1], t=[0.75]), decoder(z).detach())


def test_the_weights_are_shared_and_not_copied() -> None:
    encoder, decoder = linear_pair()
    model = wrap(encoder, decoder, image=IMAGE)
    assert {id(p) for p in model.parameters()} == {id(p) for p in (*encoder.parameters(), *decoder.parameters())}


@pytest.mark.parametrize("training", [True, False])
def test_the_modules_stay_in_their_mode(training: bool) -> None:
    encoder, decoder = linear_pair()
    encoder.train(training)
    decoder.train(not training)
    wrap(encoder, decoder, image=IMAGE)
    assert (encoder.training, decoder.training) == (training, not training)
    with pytest.raises(InputError):
        wrap(encoder, nn.Linear(5, 5).train(not training), image=IMAGE)
    assert encoder.training == training


def test_wrapping_leaves_the_modules_unchanged() -> None:
    """The blank image changes no batch statistics and draws no dropout mask."""
    encoder = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(16), nn.Dropout(), nn.Linear(16, 3))
    decoder = linear_pair()[1].eval()
    statistics = [buffer.clone() for buffer in encoder.buffers()]
    before = torch.get_rng_state()
    wrap(encoder, decoder, image=IMAGE)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(x, y) for x, y in zip(statistics, encoder.buffers(), strict=True))


@pytest.mark.parametrize(
    ("encoder", "decoder", "message"),
    [
        (nn.Linear(5, 2), nn.Identity(), r"the modules do not accept images of shape \(1, 1, 4, 4\): "),
        (nn.Identity(), nn.Linear(5, 2), r"the modules do not accept images of shape \(1, 1, 4, 4\): "),
        (nn.Flatten(), nn.Flatten(3), r"the modules do not accept images of shape \(1, 1, 4, 4\): Dimension out of"),
        (Pair(), nn.Identity(), "the encoder returns an object of type 'tuple': expected a module"),
        (nn.Identity(), Mapping(), "the decoder returns an object of type 'dict': expected a module"),
        (nn.Identity(), nn.AvgPool2d(2), r"returns images of shape \(1, 1, 2, 2\), expected \(1, 1, 4, 4\)"),
        (nn.Flatten(), nn.Identity(), r"returns images of shape \(1, 16\), expected \(1, 1, 4, 4\)"),
    ],
    ids=str,
)
def test_modules_that_do_not_fit_are_reported(encoder: nn.Module, decoder: nn.Module, message: str) -> None:
    with pytest.raises(InputError, match=message):
        wrap(encoder, decoder, image=IMAGE)


def test_other_errors_of_a_module_pass_through() -> None:
    class Broken(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        wrap(Broken(), nn.Identity(), image=IMAGE)


@pytest.mark.parametrize(
    ("image", "error", "message"),
    [
        ((1, 8), InputError, r"image = \(1, 8\): expected \(C, H, W\)"),
        ((1, 8, 8, 8), InputError, "image = .*: expected"),
        ((1, 8, -8), ConfigError, "image = .*: width = -8: "),
        ((64, 64, 3), ConfigError, r"image = \(64, 64, 3\), read as \(C, H, W\): channels = 64: "),
    ],
)
def test_invalid_image_sizes(image: tuple[int, int, int], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        wrap(nn.Identity(), nn.Identity(), image)


class Signed(nn.Module):
    """An autoencoder with methods instead of modules, for images in [-1, 1]."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(2.0))
        self.seen: list[Tensor] = []

    def encode(self, x: Tensor) -> Any:
        self.seen.append(x)
        return SimpleNamespace(latents=self.weight * x)

    def decode(self, z: Tensor) -> Any:
        return SimpleNamespace(sample=z / 2)

    def spread(self, z: Tensor) -> Normal:
        return Normal(z / 2, 0.5)


def test_methods_and_other_values_of_black_and_white() -> None:
    network = Signed()
    model = wrap(network.encode, network.decode, image=IMAGE, values=(-1, 1)).eval()
    x = torch.rand(2, *IMAGE, generator=torch.Generator().manual_seed(0))
    codes = model.encode(x)
    torch.testing.assert_close(network.seen[-1], 2 * x - 1)
    torch.testing.assert_close(codes, 2 * (2 * x - 1))
    torch.testing.assert_close(model.decode(codes), x)
    assert [*model.parameters()] == [network.weight]
    inverted = wrap(nn.Identity(), nn.Identity(), image=IMAGE, values=(255, 0)).eval()
    torch.testing.assert_close(inverted.encode(x), 255 - 255 * x)
    torch.testing.assert_close(inverted.reconstruct(x), x)


def test_a_likelihood_is_that_of_images_from_0_to_1() -> None:
    """The density of half as wide a value is twice as large."""
    network = Signed()
    model = wrap(network.encode, network.spread, image=IMAGE, values=(-1, 1))
    x = torch.rand(2, *IMAGE, generator=torch.Generator().manual_seed(0))
    z = torch.zeros(2, *IMAGE)
    found = model.decoder.log_prob(x, z)
    assert found is not None
    torch.testing.assert_close(found, Normal(0.5, 0.25).log_prob(x).flatten(1).sum(1))


def test_methods_are_trained(tmp_path: Path) -> None:
    network = Signed()
    model = wrap(network.encode, network.decode, image=(1, 16, 16), values=(-1, 1))
    recipe = tiny_recipe("acai", training={"samples": 16})
    nn.init.constant_(network.weight, 3.0)
    train(recipe, model=model, output=tmp_path)
    assert float(network.weight.detach()) < 3
    assert (tmp_path / "model.safetensors").is_file()


@pytest.mark.parametrize("values", [(0, 0), (0, 1, 2), "01", 1, (float("nan"), 1), ("a", "b")])
def test_values_are_two_different_numbers(values: Any) -> None:
    with pytest.raises(InputError, match="values = "):
        wrap(nn.Identity(), nn.Identity(), image=IMAGE, values=values)


@pytest.mark.parametrize(
    "given", [lambda x: x, "encode", torch.relu, [].append], ids=["function", "text", "builtin", "method of a list"]
)
def test_anything_but_a_module_or_its_method_is_refused(given: Any) -> None:
    with pytest.raises(
        InputError, match=r"encoder = .*: expected a torch\.nn\.Module, or a method of one such as vae\.encode"
    ):
        wrap(given, nn.Identity(), image=IMAGE)


def test_the_path_is_a_registered_name() -> None:
    model = wrap(nn.Identity(), nn.Identity(), image=IMAGE, interpolator="slerp")
    z0, z1 = torch.randn(2, 1, *IMAGE, generator=torch.Generator().manual_seed(0))
    expected = model.interpolate_codes(z0, z1, [0.5], interpolator="baselines:slerp")
    assert torch.equal(model.interpolate_codes(z0, z1, [0.5]), expected)
    with pytest.raises(UnknownNameError, match="'curly'"):
        wrap(nn.Identity(), nn.Identity(), image=IMAGE, interpolator="curly")


def test_a_wrapped_model_cannot_be_saved(tmp_path: Path) -> None:
    model = wrap(*linear_pair(), image=IMAGE)
    message = "its encoder 'WrappedEncoder' is not the registered component 'wrapped'.*Register it in a plugin"
    with pytest.raises(ConfigError, match=message):
        model.save_pretrained(tmp_path / "out")
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16], ids=str)
def test_modules_of_any_floating_point_type_are_wrapped(dtype: torch.dtype) -> None:
    encoder, decoder = (module.to(dtype) for module in linear_pair())
    frames = wrap(encoder, decoder, image=IMAGE).reconstruct(torch.rand(2, *IMAGE))
    assert frames.dtype == torch.float32
    assert frames.isfinite().all()


def test_modules_of_two_types_are_named() -> None:
    encoder, decoder = linear_pair()
    with pytest.raises(InputError, match=r"torch\.float32 on cpu and torch\.float64 on cpu: expected one type"):
        wrap(encoder, decoder.double(), image=IMAGE)


def test_each_layer_keeps_its_mode_and_what_is_frozen() -> None:
    encoder = nn.Sequential(nn.Flatten(), nn.Dropout(), nn.Linear(math.prod(IMAGE), 4))
    encoder[1].eval()
    encoder[2].requires_grad_(False)
    decoder = nn.Sequential(nn.Linear(4, math.prod(IMAGE)), nn.Unflatten(1, IMAGE))
    wrap(encoder, decoder, image=IMAGE)
    assert [layer.training for layer in encoder] == [True, False, True]
    assert not any(parameter.requires_grad for parameter in encoder.parameters())


class Returns(nn.Module):
    """A layer whose result is put into an object of another library."""

    def __init__(self, layer: nn.Module, kind: str) -> None:
        super().__init__()
        self.layer, self.kind = layer, kind

    def forward(self, x: Tensor) -> Any:
        mean = self.layer(x)
        posterior = Normal(mean, torch.full_like(mean, 0.5))
        diagonal = SimpleNamespace(mean=mean, std=posterior.stddev, mode=lambda: mean)
        return {
            "pair": (mean, torch.full_like(mean, 0.25).log()),
            "a distribution": posterior,
            "an independent distribution": Independent(posterior, mean.ndim - 1),
            "a tuple of one": (posterior,),
            "latent_dist": SimpleNamespace(latent_dist=diagonal),
            "latents": SimpleNamespace(latents=mean),
            "latent": SimpleNamespace(latent=mean),
            "sample": SimpleNamespace(sample=mean),
        }[self.kind]


STOCHASTIC = ("pair", "a distribution", "an independent distribution", "a tuple of one", "latent_dist")


@pytest.mark.parametrize("kind", [*STOCHASTIC, "latents", "latent"])
def test_encoders_may_return_what_other_libraries_do(kind: str) -> None:
    encoder, decoder = (module.eval() for module in linear_pair())
    plain = wrap(encoder, decoder, image=IMAGE)
    model = wrap(Returns(encoder, kind), Returns(decoder, "sample"), image=IMAGE)
    x = torch.rand(2, *IMAGE, generator=torch.Generator().manual_seed(0))
    assert torch.equal(model.encode(x), plain.encode(x))
    assert torch.equal(model.reconstruct(x), plain.reconstruct(x))
    posterior = model.encoder.posterior(x)
    assert (posterior is not None) is (kind in STOCHASTIC)
    if posterior is not None:
        assert (posterior.batch_shape, posterior.event_shape) == ((2,), (3,))
        torch.testing.assert_close(posterior.mean, encoder(x))
        torch.testing.assert_close(posterior.stddev, torch.full((2, 3), 0.5))


class Variational(nn.Module):
    """Codes as (mean, log-variance), and images as a distribution."""

    def __init__(self, kind: str, image: tuple[int, int, int] = IMAGE) -> None:
        super().__init__()
        self.kind = kind
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(math.prod(image), 6))
        self.decoder = nn.Sequential(nn.Linear(3, math.prod(image)), nn.Unflatten(1, image))

    def encode(self) -> nn.Module:
        return Then(self.encoder, lambda y: y.chunk(2, 1))

    def decode(self) -> nn.Module:
        def found(y: Tensor) -> Any:
            kinds: dict[str, Any] = {
                "bernoulli": lambda: Bernoulli(logits=y),
                "independent": lambda: Independent(Bernoulli(logits=y), 3),
                "normal": lambda: Normal(y, 1.0),
                "whole": lambda: Independent(Normal(y, 1.0), 3),
                "tensor": lambda: y,
            }
            return kinds[self.kind]()

        return Then(self.decoder, found)


class Then(nn.Module):
    def __init__(self, layers: nn.Module, then: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.layers, self.then = layers, then

    def forward(self, x: Tensor) -> Any:
        return self.then(self.layers(x))


@pytest.mark.parametrize("kind", ["bernoulli", "independent", "normal", "whole"])
def test_the_likelihood_is_that_of_the_decoders_distribution(kind: str) -> None:
    parts = Variational(kind)
    model = wrap(parts.encode(), parts.decode(), image=IMAGE)
    x, z = torch.rand(4, *IMAGE), torch.randn(4, 3)
    y = parts.decoder(z)
    bernoulli = -binary_cross_entropy_with_logits(y, x, reduction="none")
    pixels = bernoulli if kind in ("bernoulli", "independent") else Normal(y, 1.0).log_prob(x)
    torch.testing.assert_close(model.decoder.log_prob(x, z), pixels.sum((1, 2, 3)))


def test_a_wrapped_vae_is_trained_as_one(tmp_path: Path) -> None:
    recipe, image = tiny_recipe("vae"), (1, 16, 16)
    parts = Variational("bernoulli", image)
    before = parts.decoder[0].weight.detach().clone()
    train(recipe, model=wrap(parts.encode(), parts.decode(), image=image), output=tmp_path / "run")
    assert not torch.equal(parts.decoder[0].weight, before)
    parts = Variational("tensor", image)
    with pytest.raises(ConfigError, match=r"this decoder has no likelihood: .* in a wrapped model .* a distribution"):
        train(recipe, model=wrap(parts.encode(), parts.decode(), image=image), output=tmp_path / "no")


def test_registered_networks_are_saved(tmp_path: Path) -> None:
    recipe = tiny_recipe("vae")
    model = create(recipe, seed=1).eval()
    mine = wrap(model.encoder, model.decoder, image=recipe.image.shape, interpolator="slerp")
    x = torch.rand(2, *recipe.image.shape, generator=torch.Generator().manual_seed(0))
    mine.examples = mine.encode(x)
    loaded = load(mine.save_pretrained(tmp_path / "mine"))
    assert torch.equal(loaded.encode(x), model.encode(x))
    assert torch.equal(loaded.interpolate(x[0], x[1], 3), mine.interpolate(x[0], x[1], 3))
    assert loaded.config.method.endswith("wrapped")
    assert not any(finding.problem for finding in verify(tmp_path / "mine"))
    changed = wrap(model.encoder, nn.Sequential(model.decoder), image=recipe.image.shape)
    with pytest.raises(ConfigError, match="is not the registered component"):
        changed.save_pretrained(tmp_path / "changed")


def test_the_images_of_registered_networks_are_theirs() -> None:
    model = create(tiny_recipe(), seed=0).eval()
    with pytest.raises(InputError, match="the encoder is for images of 1x16x16"):
        wrap(model.encoder, model.decoder, image=(1, 32, 32))
