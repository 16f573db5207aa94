"""The networks of the ACAI paper: sizes, initial weights, slope and likelihoods of the official code."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from interpzoo.config import ImageSpec
from interpzoo.errors import ConfigError
from interpzoo.nets import (
    ConvConfig,
    ConvDecoder,
    ConvDecoderConfig,
    ConvEncoder,
    ConvEncoderConfig,
    activation,
    conv_trunk,
    signed,
)


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def networks(
    width: int, latent: int, scales: int, channels: int, posterior: str = "none", output: str = "linear"
) -> tuple[ConvEncoder, ConvDecoder]:
    """Encoder and decoder of 32x32 images."""
    image = ImageSpec(channels=channels, height=32, width=32)
    sizes = {"width": width, "scales": scales, "latent_channels": latent, "posterior": posterior}
    encoder = ConvEncoder(ConvEncoderConfig.model_validate(sizes), image)
    config = ConvDecoderConfig.model_validate({"width": width, "output": output})
    return encoder, ConvDecoder(config, image, encoder.latent_shape)


@pytest.mark.parametrize(
    ("width", "latent", "scales", "channels", "encoder_size", "decoder_size"),
    [
        (16, 16, 4, 1, 627_472, 313_985),  # lines
        (16, 2, 3, 1, 150_146, 75_265),  # MNIST, 32-d
        (16, 16, 3, 1, 166_288, 83_329),  # MNIST, 256-d
        (64, 2, 3, 3, 2_370_178, 1_186_947),  # SVHN, 32-d
        (64, 16, 3, 3, 2_434_704, 1_219_203),  # SVHN, CIFAR, 256-d
        (64, 64, 3, 3, 2_655_936, 1_329_795),  # CIFAR, 1024-d
    ],
)
def test_parameter_counts_of_the_official_code(
    width: int, latent: int, scales: int, channels: int, encoder_size: int, decoder_size: int
) -> None:
    with torch.device("meta"):
        encoder, decoder = networks(width, latent, scales, channels)
        critic = conv_trunk(
            ConvConfig(width=width, scales=scales, latent_channels=latent),
            ImageSpec(channels=channels, height=32, width=32),
        )
    assert (count(encoder), count(decoder), count(critic)) == (encoder_size, decoder_size, encoder_size)
    assert encoder.latent_shape == (latent, 32 >> scales, 32 >> scales)


def test_initial_weights_are_normal_of_the_official_deviation() -> None:
    torch.manual_seed(0)
    encoder, decoder = networks(32, 16, 3, 3, posterior="gaussian")
    layers = [m for m in [*encoder.modules(), *decoder.modules()] if isinstance(m, nn.Conv2d | nn.Linear)]
    # 1x1 and three double convolutions and two; the dense moments; three doubles and two.
    assert len(layers) == (1 + 6 + 2) + 1 + (6 + 2)
    for layer in layers:
        fan_in = layer.weight[0].numel()
        deviation = 1 / math.sqrt((1 + 0.2**2) * fan_in)
        scaled = layer.weight.detach().double() / deviation
        n = scaled.numel()
        # Mean, variance and fourth moment of a standard normal, to five of their own standard errors.
        assert abs(scaled.mean()) < 5 / math.sqrt(n)
        assert abs(scaled.var() - 1) < 5 * math.sqrt(2 / n)
        assert abs(scaled.pow(4).mean() - 3) < 5 * math.sqrt(96 / n)
        assert layer.bias is not None
        assert not layer.bias.any()


def test_the_order_of_layers_is_the_official_one() -> None:
    encoder, decoder = networks(4, 2, 2, 3)
    kinds = [type(layer).__name__ for layer in encoder.layers]
    double = ["Conv2d", "LeakyReLU", "Conv2d", "LeakyReLU"]
    # The first 1x1 convolution and the last layer have no activation.
    assert kinds == ["Conv2d", *[*double, "AvgPool2d"] * 2, "Conv2d", "LeakyReLU", "Conv2d"]
    assert [type(layer).__name__ for layer in decoder.layers] == [
        *[*double, "Upsample"] * 2,
        *("Conv2d", "LeakyReLU", "Conv2d"),
    ]
    first = encoder.layers[0]
    assert isinstance(first, nn.Conv2d)
    assert first.kernel_size == (1, 1)
    shapes = [tuple(p.shape[:2]) for p in encoder.layers.parameters() if p.ndim == 4]
    assert shapes == [(4, 3), (4, 4), (4, 4), (8, 4), (8, 8), (16, 8), (2, 16)]


def test_leaky_relu_has_the_slope_of_tensorflow() -> None:
    assert activation("leaky_relu")(torch.tensor([-1.0, 2.0])).tolist() == pytest.approx([-0.2, 2.0])


@pytest.mark.parametrize("name", ["elu", "silu"])
def test_smooth_activations_have_a_second_derivative(name: str) -> None:
    x = torch.tensor([-0.5], requires_grad=True)
    (first,) = torch.autograd.grad(activation(name)(x).sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), x)
    assert second != 0


def test_networks_work_in_the_official_units() -> None:
    encoder, decoder = networks(4, 2, 2, 1)
    x = torch.rand(2, 1, 32, 32, generator=Generator().manual_seed(0))
    assert torch.equal(signed(torch.tensor([0.0, 0.5, 1.0])), torch.tensor([-1.0, 0.0, 1.0]))
    torch.testing.assert_close(encoder(x), encoder.layers(2 * x - 1))
    z = encoder(x)
    torch.testing.assert_close(2 * decoder(z) - 1, decoder.layers(z))


def test_images_do_not_depend_on_their_batch() -> None:
    encoder, decoder = networks(4, 2, 2, 1)
    x = torch.rand(3, 1, 32, 32, generator=Generator().manual_seed(0))
    images = decoder(encoder(x))
    torch.testing.assert_close(images[1:2], decoder(encoder(x[1:2])))


@pytest.fixture
def stochastic() -> tuple[ConvEncoder, ConvDecoder]:
    torch.manual_seed(0)
    return networks(4, 2, 3, 1, posterior="gaussian", output="sigmoid")


def test_the_code_of_a_stochastic_encoder_is_its_mean(stochastic: tuple[ConvEncoder, ConvDecoder]) -> None:
    encoder, _ = stochastic
    x = torch.rand(2, 1, 32, 32, generator=Generator().manual_seed(0))
    posterior = encoder.posterior(x)
    assert posterior is not None
    assert posterior.batch_shape == (2,)
    assert posterior.event_shape == encoder.latent_shape
    assert torch.equal(encoder(x), posterior.mean)
    moments = encoder.moments
    assert moments is not None
    mean, log_variance = moments(encoder.layers(2 * x - 1).flatten(1)).split(32, dim=1)
    torch.testing.assert_close(posterior.mean.flatten(1), mean)
    torch.testing.assert_close(posterior.stddev.flatten(1), (log_variance / 2).exp())


def test_a_wild_log_variance_stays_finite(stochastic: tuple[ConvEncoder, ConvDecoder]) -> None:
    encoder, _ = stochastic
    assert encoder.moments is not None
    with torch.no_grad():
        encoder.moments.bias[32:] = torch.linspace(-1e6, 1e6, 32)
    posterior = encoder.posterior(torch.zeros(1, 1, 32, 32))
    assert posterior is not None
    assert posterior.stddev.isfinite().all()
    assert (posterior.stddev > 0).all()


def test_the_moments_of_reduced_precision_are_float32(stochastic: tuple[ConvEncoder, ConvDecoder]) -> None:
    encoder, decoder = stochastic
    x = torch.rand(2, 1, 32, 32, generator=Generator().manual_seed(0))
    with torch.autocast("cpu", torch.bfloat16):
        posterior = encoder.posterior(x)
        assert posterior is not None
        likelihood = decoder.log_prob(x, posterior.mean)
    assert posterior.mean.dtype == posterior.stddev.dtype == likelihood.dtype == torch.float32


def test_the_bernoulli_likelihood_is_the_cross_entropy(stochastic: tuple[ConvEncoder, ConvDecoder]) -> None:
    _, decoder = stochastic
    x = torch.rand(3, 1, 32, 32, generator=Generator().manual_seed(0))
    z = torch.randn(3, *(2, 4, 4), generator=Generator().manual_seed(1))
    logits = decoder.layers(z)
    expected = -binary_cross_entropy_with_logits(logits, x, reduction="none").sum((1, 2, 3))
    torch.testing.assert_close(decoder.log_prob(x, z), expected)
    torch.testing.assert_close(decoder(z), torch.sigmoid(logits))


def test_the_gaussian_likelihood_has_unit_variance() -> None:
    torch.manual_seed(0)
    _, decoder = networks(4, 2, 3, 3)
    x = torch.rand(2, 3, 32, 32, generator=Generator().manual_seed(0))
    z = torch.randn(2, 2, 4, 4, generator=Generator().manual_seed(1))
    squares: Tensor = (x - decoder(z)).square().sum((1, 2, 3))
    expected = -squares / 2 - x[0].numel() / 2 * math.log(2 * math.pi)
    torch.testing.assert_close(decoder.log_prob(x, z), expected)


def test_a_deterministic_encoder_has_no_posterior() -> None:
    encoder, _ = networks(4, 2, 3, 1)
    assert encoder.posterior(torch.zeros(1, 1, 32, 32)) is None


@pytest.mark.parametrize(("height", "width"), [(16, 64), (24, 40), (8, 8), (64, 64)])
def test_any_size_that_halves(height: int, width: int) -> None:
    image = ImageSpec(channels=3, height=height, width=width)
    encoder = ConvEncoder(ConvEncoderConfig(width=2, scales=3, latent_channels=2), image)
    decoder = ConvDecoder(ConvDecoderConfig(width=2), image, encoder.latent_shape)
    x = torch.rand(2, *image.shape, generator=Generator().manual_seed(0))
    assert encoder(x).shape[1:] == encoder.latent_shape == (2, height // 8, width // 8)
    assert decoder(encoder(x)).shape == x.shape


@pytest.mark.parametrize(("height", "width"), [(28, 32), (32, 28), (4, 8)])
def test_sizes_that_cannot_be_halved(height: int, width: int) -> None:
    image = ImageSpec(channels=1, height=height, width=width)
    with pytest.raises(ConfigError, match=rf"scales = 3 halvings of {height}x{width} images.*multiples of 8"):
        ConvEncoder(ConvEncoderConfig(width=2, scales=3, latent_channels=2), image)


def test_no_scales_keep_the_resolution() -> None:
    image = ImageSpec(channels=1, height=5, width=7)
    encoder = ConvEncoder(ConvEncoderConfig(width=2, scales=0, latent_channels=3), image)
    decoder = ConvDecoder(ConvDecoderConfig(width=2), image, encoder.latent_shape)
    assert encoder.latent_shape == (3, 5, 7)
    assert decoder(encoder(torch.zeros(1, 1, 5, 7))).shape == (1, 1, 5, 7)
