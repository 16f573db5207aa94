"""The decoders of a mean image: where the code goes with skips and without, and what the layers compute."""

from __future__ import annotations

import math

import pytest
import torch
from interpzoo_skipvae.decoders import BernoulliDecoder, SkipConv, SkipMLP
from interpzoo_skipvae.pixelcnn import GatedPixelCNN
from torch import Tensor, nn

from interpzoo.build import build_component
from interpzoo.config import Component, ImageSpec
from interpzoo.errors import ConfigError
from interpzoo.geometry import jvp
from interpzoo.interfaces import Decoder

IMAGE = ImageSpec(channels=1, height=8, width=8)
LATENT = (3, 1, 1)
NAMES = {"skip-mlp": {"width": 6}, "skip-conv": {"width": 2, "scales": 2}, "gated-pixelcnn": {"width": 4}}


def made(name: str, *, image: ImageSpec = IMAGE, **options: object) -> Decoder:
    return build_component(Decoder, Component.model_validate({"name": name, **NAMES[name], **options}), image, LATENT)


def log_prob(decoder: Decoder, n: int = 4) -> Tensor:
    found = decoder.log_prob(torch.rand(n, *IMAGE.shape).round(), torch.randn(n, *LATENT))
    assert found is not None
    return found


def code_layers(decoder: Decoder) -> list[nn.Linear]:
    """Those that take the code."""
    return [layer for layer in decoder.modules() if isinstance(layer, nn.Linear) and layer.in_features == 3]


@pytest.mark.parametrize("name", NAMES)
class TestTwins:
    @pytest.mark.parametrize("skip", [True, False])
    def test_every_parameter_is_used(self, name: str, skip: bool) -> None:
        """The official baseline has the code's layers of the skip model and leaves them unused."""
        decoder = made(name, skip=skip)
        gradients = torch.autograd.grad(log_prob(decoder).sum(), [*decoder.parameters()])
        assert all(gradient.abs().max() > 0 for gradient in gradients)

    def test_the_code_goes_into_all_layers_or_only_the_first(self, name: str) -> None:
        """The MLP's 3 layers and output; the convolutions of 2 scales, the last two and the dense one; 4 and output."""
        layers = {"skip-mlp": 4, "skip-conv": 7, "gated-pixelcnn": 5}[name]
        assert len(code_layers(made(name))) == layers
        assert len(code_layers(made(name, skip=False))) == 1

    def test_without_skips_only_the_layers_of_the_code_differ(self, name: str) -> None:
        """As many, of as many outputs."""

        def shapes(decoder: Decoder) -> list[tuple[int, int]]:
            codes = {id(layer) for layer in code_layers(decoder)}
            layers = [m for m in decoder.modules() if isinstance(m, (nn.Linear, nn.Conv2d)) and id(m) not in codes]
            return [(len(layer.weight), layer.weight[0, 0].numel()) for layer in layers]

        assert shapes(made(name)) == shapes(made(name, skip=False))

    def test_each_layer_feels_the_code_by_itself(self, name: str) -> None:
        """With the code taken out of all others, each still carries it to the image."""
        decoder = made(name).eval()
        x = torch.rand(1, *IMAGE.shape).round().expand(2, -1, -1, -1)
        layers = code_layers(decoder)
        kept = [layer.weight.detach().clone() for layer in layers]
        for alone in range(len(layers)):
            for i, layer in enumerate(layers):
                layer.weight.data.copy_(kept[i] if i == alone else torch.zeros_like(kept[i]))
            first, second = decoder.log_prob(x, torch.tensor([[-1.0, 0.5, 1.0], [2.0, 0.0, -1.0]]).view(2, *LATENT))
            assert first != second, alone
        for layer in layers:
            layer.weight.data.zero_()
        first, second = decoder.log_prob(x, torch.randn(2, *LATENT))
        assert first == second

    def test_codes_of_any_shape_are_flattened(self, name: str) -> None:
        z = torch.randn(2, *LATENT)
        decoder = made(name).eval()
        torch.testing.assert_close(decoder(z), decoder(z.flatten(1)))


def test_a_perceptron_by_hand() -> None:
    """h_1 = relu(2 z), h_2 = relu(3 h_1 + 5 z), logits 7 h_2 + 11 z: of z = 1, 2, 11 and 88."""
    image = ImageSpec(channels=1, height=1, width=1)
    component = Component.model_validate({"name": "skip-mlp", "width": 1, "layers": 2})
    decoder = build_component(Decoder, component, image, (1,))
    assert isinstance(decoder, SkipMLP)
    for layer, weight in zip([decoder.first, *decoder.layers, *decoder.skips], (2.0, 3.0, 7.0, 5.0, 11.0), strict=True):
        nn.init.constant_(layer.weight, weight)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
    assert decoder.logits(torch.ones(1, 1)).item() == pytest.approx(88)
    assert made("skip-mlp", layers=1)(torch.zeros(2, *LATENT)).shape == (2, *IMAGE.shape)


def test_likelihood_by_hand() -> None:
    """Of logits of zero everywhere: 64 log 1/2 for any image."""
    for name in ("skip-mlp", "skip-conv"):
        decoder = made(name)
        for parameter in decoder.parameters():
            nn.init.zeros_(parameter)
        assert log_prob(decoder).tolist() == pytest.approx([64 * math.log(0.5)] * 4)
        assert bool((decoder(torch.randn(2, *LATENT)) == 0.5).all())


@pytest.mark.parametrize("name", ["skip-mlp", "skip-conv"])
def test_the_likelihood_is_of_the_mean_image(name: str) -> None:
    decoder = made(name, image=ImageSpec(channels=3, height=8, width=8))
    z, x = torch.randn(4, *LATENT), torch.rand(4, 3, 8, 8).round()
    p = decoder(z)
    expected = (x * p.log() + (1 - x) * (1 - p).log()).sum((1, 2, 3))
    torch.testing.assert_close(decoder.log_prob(x, z), expected)


@pytest.mark.parametrize("name", ["skip-mlp", "skip-conv"])
def test_the_mean_image_is_differentiable(name: str) -> None:
    """By forward mode, as geodesics differentiate, against finite differences."""
    decoder = made(name, activation="silu").double()
    z, direction = torch.randn(2, 2, *LATENT, dtype=torch.float64)
    assert decoder.differentiable
    assert decoder.noise_shape is None
    _, slope = jvp(decoder, z, direction)
    difference = (decoder(z + 1e-5 * direction) - decoder(z - 1e-5 * direction)) / 2e-5
    torch.testing.assert_close(slope, difference, rtol=1e-5, atol=1e-9)


def test_the_convolutions_begin_small_and_end_at_the_image() -> None:
    image = ImageSpec(channels=1, height=32, width=16)
    decoder = made("skip-conv", image=image, scales=3, width=4)
    assert isinstance(decoder, SkipConv)
    assert decoder.start == (16, 4, 2)
    assert [layer.conv.out_channels for layer in decoder.layers] == [16, 16, 8, 8, 4, 4, 4, 1]
    assert [layer.resolution for layer in decoder.layers] == 2 * [(4, 2)] + 2 * [(8, 4)] + 2 * [(16, 8)] + 2 * [
        (32, 16)
    ]
    assert decoder(torch.randn(2, *LATENT)).shape == (2, 1, 32, 16)
    assert made("skip-conv", scales=0)(torch.randn(2, *LATENT)).shape == (2, *IMAGE.shape)


def test_images_that_cannot_be_doubled_to() -> None:
    with pytest.raises(ConfigError, match=r"scales = 4 doublings cannot end at images of 8x8.*multiples of 16"):
        made("skip-conv", scales=4)


def test_a_pixelcnn_of_colours() -> None:
    with pytest.raises(ConfigError, match="images of 1 channel, not 3"):
        made("gated-pixelcnn", image=ImageSpec(channels=3, height=8, width=8))


def test_the_maps_are_drawn_as_official() -> None:
    """N(0, 2 / fan_in)."""
    decoder = made("gated-pixelcnn", image=ImageSpec(channels=1, height=32, width=32), layers=8)
    assert isinstance(decoder, GatedPixelCNN)
    weights = torch.cat([layer.weight.flatten() for layer in code_layers(decoder)])
    assert weights.std().item() == pytest.approx(math.sqrt(2 / 3), rel=0.02)
    assert weights.mean().abs() < 0.02


def test_greys_are_scored_by_the_mean_over_images_drawn_from_them() -> None:
    decoder = made("skip-mlp")
    assert isinstance(decoder, BernoulliDecoder)
    z = torch.randn(1, *LATENT)
    grey = torch.full((1, *IMAGE.shape), 0.25)
    white, black = (decoder.log_prob(torch.full_like(grey, value), z) for value in (1.0, 0.0))
    torch.testing.assert_close(decoder.log_prob(grey, z), 0.25 * white + 0.75 * black)
