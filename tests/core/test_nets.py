"""The networks of the ACAI paper: sizes, initial weights, slope and likelihoods of the official code."""

from __future__ import annotations

import math
from typing import get_args

import pytest
import torch
from torch import Generator, Tensor, nn
from torch.autograd import forward_ad
from torch.nn.functional import binary_cross_entropy_with_logits

from interpzoo.config import ImageSpec
from interpzoo.errors import ConfigError
from interpzoo.layers import DoublingConv2d, NarrowConv2d
from interpzoo.nets import (
    Activation,
    ConvConfig,
    ConvDecoder,
    ConvDecoderConfig,
    ConvEncoder,
    ConvEncoderConfig,
    activation,
    conv_trunk,
    signed,
    spread_init,
    standard_images,
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
    encoder, decoder = networks(32, 16, 3, 3)
    layers = [m for m in [*encoder.modules(), *decoder.modules()] if isinstance(m, nn.Conv2d | nn.Linear)]
    # 1x1 and three double convolutions and two; three doubles and two.
    assert len(layers) == (1 + 6 + 2) + (6 + 2)
    for layer in layers:
        check_normal(layer, 1 / ((1 + 0.2**2) * layer.weight[0].numel()))


def check_normal(layer: nn.Conv2d | nn.Linear, variance: float) -> None:
    """Weights are normal of that variance, biases 0."""
    scaled = layer.weight.detach().double() / math.sqrt(variance)
    n = scaled.numel()
    # Mean, variance and fourth moment of a standard normal, to five of their own standard errors.
    assert abs(scaled.mean()) < 5 / math.sqrt(n)
    assert abs(scaled.var() - 1) < 5 * math.sqrt(2 / n)
    assert abs(scaled.pow(4).mean() - 3) < 5 * math.sqrt(96 / n)
    assert layer.bias is not None
    assert not layer.bias.any()


@pytest.mark.parametrize("name", get_args(Activation))
def test_every_output_of_every_layer_starts_with_mean_0_and_variance_1(name: Activation) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(2, 5, 1),
        nn.Conv2d(5, 6, 3, padding=1, bias=False),
        activation(name),
        nn.AvgPool2d(4),
        nn.Conv2d(6, 7, 3, padding=1),
        activation(name),
        nn.Flatten(),
        nn.Linear(7, 8),
    )
    x = torch.randn(200, 2, 4, 4, generator=Generator().manual_seed(1))
    spread_init(network, x)
    with torch.no_grad():
        for layer in network:
            x = layer(x)
            if isinstance(layer, nn.Conv2d | nn.Linear):
                variance, mean = torch.var_mean(x.transpose(0, 1).flatten(1), dim=1)
                torch.testing.assert_close(variance, torch.ones_like(variance), atol=1e-3, rtol=0)
                if layer.bias is not None:  # without one nothing can be shifted
                    torch.testing.assert_close(mean, torch.zeros_like(mean), atol=1e-4, rtol=0)


def test_an_output_that_never_varies_stays_finite() -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 1))
    spread_init(network, torch.ones(4, 1, 2, 2))
    assert all(parameter.isfinite().all() for parameter in network.parameters())


def test_the_order_of_layers_is_the_official_one() -> None:
    encoder, decoder = networks(4, 2, 2, 3)
    kinds = [type(layer).__name__ for layer in encoder.layers]
    double = ["Conv2d", "LeakyReLU", "Conv2d", "LeakyReLU"]
    # The first 1x1 convolution and the last layer have no activation.
    assert kinds == ["Conv2d", *[*double, "AvgPool2d"] * 2, "Conv2d", "LeakyReLU", "Conv2d"]
    assert [type(layer).__name__ for layer in decoder.layers] == [
        *(*double, "Identity", "DoublingConv2d", *double[1:], "Identity"),
        *("DoublingConv2d", "LeakyReLU", "NarrowConv2d"),
    ]
    first = encoder.layers[0]
    assert isinstance(first, nn.Conv2d)
    assert first.kernel_size == (1, 1)
    shapes = [tuple(p.shape[:2]) for p in encoder.layers.parameters() if p.ndim == 4]
    assert shapes == [(4, 3), (4, 4), (4, 4), (8, 4), (8, 8), (16, 8), (2, 16)]


def test_the_first_two_convolutions_run_as_one_up_to_the_border() -> None:
    trunk = conv_trunk(ConvConfig(width=4, scales=1, latent_channels=2), ImageSpec(channels=3, height=4, width=6))
    for name, parameter in trunk.named_parameters():
        if name.endswith("bias"):
            nn.init.normal_(parameter, generator=Generator().manual_seed(0))
    x = torch.randn(2, 3, 4, 6, generator=Generator().manual_seed(1))
    together = trunk(x)
    seen: list[Tensor] = []
    hook = trunk[0].register_forward_hook(lambda layer, arguments, output: seen.append(output))
    torch.testing.assert_close(together, trunk(x))
    assert len(seen) == 1
    hook.remove()


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # by torch's own forward mode
@pytest.mark.parametrize("size", [(1, 5), (24, 23)], ids=str)
def test_doubling_is_upsampling_and_convolving(size: tuple[int, int]) -> None:
    doubling = DoublingConv2d(3, 4, 3, padding=1).double()
    plain = nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(3, 4, 3, padding=1)).double()
    plain[1].load_state_dict(doubling.state_dict())
    x, direction = torch.randn(2, 2, 3, *size, generator=Generator().manual_seed(0), dtype=torch.float64)
    x.requires_grad_()
    answers: list[list[Tensor]] = []
    for network in (doubling, plain):
        y = network(x)
        gradients = torch.autograd.grad(y.pow(3).sum(), (x, *network.parameters()), create_graph=True)
        second = torch.autograd.grad(gradients[0].square().sum(), (x, *network.parameters()), allow_unused=True)
        with forward_ad.dual_level():
            moved = forward_ad.unpack_dual(network(forward_ad.make_dual(x, direction))).tangent
        answers.append([y, moved, *gradients, *(value for value in second if value is not None)])
    for ours, theirs in zip(*answers, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


def test_doubling_is_the_same_in_bfloat16() -> None:
    doubling = DoublingConv2d(3, 4, 3, padding=1)
    x = torch.randn(2, 3, 24, 23, generator=Generator().manual_seed(0))
    with torch.autocast("cpu", torch.bfloat16):
        rounded = doubling(x.bfloat16())
    assert rounded.dtype == torch.bfloat16
    torch.testing.assert_close(rounded.float(), doubling(x), rtol=2e-2, atol=2e-2)


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # by torch's own forward mode
@pytest.mark.parametrize("channels", range(1, 6))
@pytest.mark.parametrize("size", [(8, 12), (6, 4), (5, 8), (1, 1)], ids=str)
def test_blocks_of_pixels_are_what_a_convolution_gives(channels: int, size: tuple[int, int]) -> None:
    blocks, plain = (layer(3, channels, 3, padding=1).double() for layer in (NarrowConv2d, nn.Conv2d))
    plain.load_state_dict(blocks.state_dict())
    x, direction = torch.randn(2, 2, 3, *size, generator=Generator().manual_seed(0), dtype=torch.float64)
    answers: list[list[Tensor]] = []
    for network in (blocks, plain):
        with torch.no_grad(), forward_ad.dual_level():
            moved = forward_ad.unpack_dual(network(forward_ad.make_dual(x, direction))).tangent
            answers.append([network(x), moved])
        gradients = torch.autograd.grad(network(x.requires_grad_()).pow(3).sum(), (x, *network.parameters()))
        answers[-1] += gradients
        x = x.detach()
    for ours, theirs in zip(*answers, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # by torch's own forward mode
@pytest.mark.parametrize("name", ["leaky_relu", "elu", "silu"])
def test_overwriting_activations_have_the_derivatives_of_others(name: Activation) -> None:
    convolution = nn.Conv2d(2, 3, 3).double()
    apart = activation(name)
    apart.inplace = False
    x, direction = torch.randn(2, 2, 2, 4, 4, generator=Generator().manual_seed(0), dtype=torch.float64)
    x.requires_grad_()
    answers: list[list[Tensor]] = []
    for network in (nn.Sequential(convolution, activation(name)), nn.Sequential(convolution, apart)):
        y = network(x)
        (first,) = torch.autograd.grad(y.pow(3).sum(), x, create_graph=True)
        second = torch.autograd.grad(first.square().sum(), (x, convolution.weight))
        with forward_ad.dual_level():
            moved = forward_ad.unpack_dual(network(forward_ad.make_dual(x.detach(), direction))).tangent
        with torch.no_grad():
            answers.append([y, first, *second, moved, network(x)])
    for ours, theirs in zip(*answers, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


def test_leaky_relu_has_the_slope_of_tensorflow() -> None:
    assert activation("leaky_relu")(torch.tensor([-1.0, 2.0])).tolist() == pytest.approx([-0.2, 2.0])


@pytest.mark.parametrize("name", ["elu", "silu"])
def test_smooth_activations_have_a_second_derivative(name: Activation) -> None:
    x = torch.tensor([-0.5], requires_grad=True)
    (first,) = torch.autograd.grad(activation(name)(1 * x).sum(), x, create_graph=True)  # a leaf cannot be overwritten
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
    mean, log_variance = encoder.layers(2 * x - 1).split(2, dim=1)
    torch.testing.assert_close(posterior.mean, mean)
    torch.testing.assert_close(posterior.stddev, (log_variance / 2).exp())


@pytest.mark.parametrize(("heads", "affine"), [("features", False), ("code", True)])
def test_the_log_variance_is_not_a_function_of_the_mean(heads: str, affine: bool) -> None:
    """An affine function of the mean would leave nothing of it; old models have one."""
    torch.manual_seed(0)
    sizes = {"width": 4, "scales": 4, "latent_channels": 4, "posterior": "gaussian", "heads": heads}
    encoder = ConvEncoder(ConvEncoderConfig.model_validate(sizes), ImageSpec(channels=1, height=16, width=16))
    spread_init(encoder, standard_images(encoder.image))
    with torch.no_grad():
        posterior = encoder.posterior(standard_images(encoder.image))
        assert posterior is not None
        inputs = torch.cat([posterior.mean.flatten(1), torch.ones(64, 1)], 1)
        log_variance = 2 * posterior.stddev.flatten(1).log()
        rest = log_variance - inputs @ torch.linalg.lstsq(inputs, log_variance).solution
    unexplained = float(rest.var(0).mean() / log_variance.var(0).mean())
    assert unexplained < 1e-4 if affine else unexplained > 0.1


@pytest.mark.parametrize("posterior", ["gaussian", "none"])
@pytest.mark.parametrize("name", get_args(Activation))
@pytest.mark.parametrize(("size", "scales"), [(4, 2), (8, 3), (16, 2), (16, 4), (32, 3), (32, 5), (64, 6)])
def test_codes_are_spread_at_the_start_however_deep_the_encoder(
    size: int, scales: int, name: Activation, posterior: str
) -> None:
    """On other images than those of the initialization; with half of He's gain it is 1e-6 to 1e-2."""
    torch.manual_seed(0)
    image = ImageSpec(channels=1, height=size, width=size)
    sizes = {"width": 8, "scales": scales, "latent_channels": 8, "activation": name, "posterior": posterior}
    encoder = ConvEncoder(ConvEncoderConfig.model_validate(sizes), image)
    with torch.no_grad():
        spread = encoder(standard_images(image, seed=1)).std(0)
    if name == "leaky_relu" and posterior == "none":
        assert spread.mean() < 0.1  # the official network, whose initialization made its paper's tables
    else:
        assert spread.min() > 0.2
        assert spread.max() < 3


def test_a_wild_log_variance_stays_finite(stochastic: tuple[ConvEncoder, ConvDecoder]) -> None:
    encoder, _ = stochastic
    head = encoder.layers[-1]
    assert isinstance(head, nn.Conv2d)
    assert head.bias is not None
    with torch.no_grad():
        head.bias[2:] = torch.tensor([-1e6, 1e6])
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
