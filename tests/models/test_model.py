"""Images to codes and back: `encode`, `decode`, `reconstruct` and `sample`."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Generator, Tensor, nn

from interpzoo import wrap
from interpzoo.config import ComponentConfig
from interpzoo.errors import InputError
from interpzoo.geometry import jvp
from interpzoo.interfaces import Decoder, Encoder
from interpzoo.model import InterpolationModel
from tests.tiny import random_images, tiny_model

METHODS = ("ae", "vae")


class Affine(nn.Module):
    """a x + b, with no weights."""

    def __init__(self, a: float, b: float = 0) -> None:
        super().__init__()
        self.a, self.b = a, b

    def forward(self, x: Tensor) -> Tensor:
        return self.a * x + self.b


class Table(nn.Module):
    """x plus a buffer, with no weights either."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("index", torch.arange(3))
        self.register_buffer("offset", torch.full((1, 4, 4), 0.25))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.get_buffer("offset")


class Grainy(Decoder):
    """The code plus a hundredth of the noise."""

    noise_shape = (1, 16, 16)

    def __init__(self, model: InterpolationModel) -> None:
        super().__init__(ComponentConfig(), model.config.image, model.latent_shape)
        self.mean = model.decoder

    def forward(self, z: Tensor) -> Tensor:
        return self.mean(z)

    def sample(self, z: Tensor, noise: Tensor) -> Tensor:
        return self(z) + noise / 100


@pytest.fixture(params=METHODS)
def any_model(request: pytest.FixtureRequest) -> InterpolationModel:
    return tiny_model(request.param)


def test_codes_are_float32_of_the_latent_shape_and_always_the_same(any_model: InterpolationModel) -> None:
    images = random_images(3, any_model.config.image)
    codes = any_model.encode(images)
    assert codes.shape == (3, *any_model.latent_shape) == (3, 2, 4, 4)
    assert codes.dtype == torch.float32
    assert torch.equal(any_model.encode(images), codes)


def test_one_image_is_a_batch_of_one(any_model: InterpolationModel) -> None:
    images = random_images(2, any_model.config.image)
    assert torch.equal(any_model.encode(images[0]), any_model.encode(images[:1]))
    assert any_model.reconstruct(images[0]).shape == (1, 1, 16, 16)


def test_the_code_of_a_stochastic_encoder_is_its_posteriors_mean_in_training_too() -> None:
    model = tiny_model("vae")
    images = random_images(3, model.config.image)
    codes = model.encode(images)
    posterior = model.encoder.posterior(images)
    assert posterior is not None
    torch.testing.assert_close(codes, posterior.mean)
    assert (posterior.stddev > 0.1).all()
    assert torch.equal(model.train().encode(images), codes)


def test_reconstruction_is_the_decoded_code(any_model: InterpolationModel) -> None:
    images = random_images(3, any_model.config.image)
    assert torch.equal(any_model.reconstruct(images), any_model.decode(any_model.encode(images)))
    assert torch.equal(any_model(images), any_model.reconstruct(images))


def test_nothing_is_clamped() -> None:
    model = wrap(nn.Identity(), Affine(3, -1), image=(1, 4, 4))
    dark, bright = torch.zeros(1, 4, 4), torch.ones(1, 4, 4)
    assert torch.equal(model.reconstruct([dark, bright]), torch.stack([dark - 1, bright + 1]))
    assert torch.equal(model.interpolate(dark, bright, steps=3), torch.stack([dark - 1, dark + 0.5, bright + 1]))


@pytest.mark.parametrize("shape", [(2, 4, 4), (1, 2, 4), (1, 4, 2, 4), (1, 32), (2,), ()], ids=str)
def test_codes_of_another_shape_are_quoted(model: InterpolationModel, shape: tuple[int, ...]) -> None:
    wrong, right = torch.zeros(shape), torch.zeros(1, 2, 4, 4)
    calls: list[Callable[[], Tensor]] = [
        lambda: model.decode(wrong),
        lambda: model.interpolate_codes(wrong, wrong, [0.5]),
        lambda: model.interpolate_codes(right, wrong, [0.5]),
        lambda: model.interpolate_codes(wrong, right, [0.5]),
    ]
    for call in calls:
        with pytest.raises(InputError) as error:
            call()
        assert str(error.value) == f"codes have shape {shape}, expected (B, 2, 4, 4)"


def test_paths_of_codes_are_decoded_as_paths(model: InterpolationModel) -> None:
    codes = torch.randn(2, 3, *model.latent_shape)
    assert torch.equal(model.decode(codes)[1], model.decode(codes[1]))
    with pytest.raises(InputError, match="expected at least one code"):
        model.decode(codes[:, :0])


@pytest.mark.parametrize("n", [2, 40])  # in one part and in three
def test_images_are_copies_of_what_the_decoder_gives(n: int) -> None:
    model = wrap(nn.Identity(), nn.Identity(), image=(1, 64, 64))
    codes = torch.rand(n, *model.latent_shape)
    model.decode(codes).zero_()
    assert codes.max() > 0


class TestGradients:
    """`encode` and `decode` track those of what they are given; all other methods but a call track none."""

    def test_encode_tracks_gradients_only_of_images_that_require_them(self, any_model: InterpolationModel) -> None:
        images = random_images(2, any_model.config.image)
        assert not any_model.encode(images).requires_grad
        assert any_model(images).requires_grad
        assert any_model.encode([images[0], images[1].requires_grad_()]).requires_grad

    def test_decode_tracks_gradients_only_of_codes_that_require_them(self, any_model: InterpolationModel) -> None:
        codes = torch.randn(2, *any_model.latent_shape)
        assert not any_model.decode(codes).requires_grad
        assert not any_model.decode(codes[None]).requires_grad
        assert any_model.decode(codes.requires_grad_()).requires_grad
        assert any_model.decode(codes[None]).requires_grad

    def test_a_call_trains_a_decoder_alone(self, model: InterpolationModel) -> None:
        model.encoder.requires_grad_(False)
        assert model(random_images(2, model.config.image)).requires_grad

    @pytest.mark.parametrize("tracked", [False, True])
    def test_images_decoded_in_parts_have_the_right_gradients(self, tracked: bool) -> None:
        model = wrap(Affine(2), Affine(3, -1), image=(1, 64, 64))  # 16 images at once
        codes = torch.rand(40, *model.latent_shape)
        assert torch.equal(model.decode(codes.requires_grad_(tracked)), 3 * codes - 1)
        (pull,) = torch.func.vjp(model.decode, codes)[1](torch.ones_like(codes))
        _, push = jvp(model.decode, codes.detach(), torch.ones_like(codes))
        assert torch.equal(pull, torch.full_like(codes, 3))
        assert torch.equal(push, torch.full_like(codes, 3))

    def test_encode_and_decode_follow_the_caller(self, any_model: InterpolationModel) -> None:
        images = random_images(2, any_model.config.image).requires_grad_()
        (gradient,) = torch.autograd.grad(any_model.decode(any_model.encode(images)).sum(), images)
        assert gradient.abs().max() > 0
        with torch.no_grad():
            assert not any_model.decode(any_model.encode(images)).requires_grad
        with torch.inference_mode():
            assert any_model.decode(any_model.encode(images)).is_inference()

    def test_a_gradient_is_right(self) -> None:
        model = wrap(Affine(2), Affine(3, -1), image=(1, 4, 4))
        image = torch.full((1, 4, 4), 0.5, requires_grad=True)
        (gradient,) = torch.autograd.grad(model(image).sum(), image)
        assert torch.equal(gradient, torch.full((1, 4, 4), 6.0))

    def test_pictures_track_no_gradients(self) -> None:
        model = tiny_model("vae")
        a, b, c, d = random_images(4, model.config.image).requires_grad_()
        codes = model.encode([a, b])
        model.examples = codes.detach()
        for frames in (
            model.reconstruct(a),
            model.interpolate(a, b),
            model.morph([a, b, c]),
            model.grid(a, b, c, d, rows=2, cols=2),
            model.sample(2),
            model.example_strip(),
        ):
            assert not frames.requires_grad

    def test_training_goes_on_afterwards(self, model: InterpolationModel) -> None:
        a, b = random_images(2, model.config.image)
        model.interpolate(a, b)
        loss = model(a).square().mean()
        assert all((g != 0).any() for g in torch.autograd.grad(loss, [*model.parameters()]))


class TestNoise:
    """A stochastic decoder."""

    @pytest.fixture
    def grainy(self, model: InterpolationModel) -> InterpolationModel:
        model.decoder = Grainy(model)
        return model

    def test_every_image_has_the_same_noise(self, grainy: InterpolationModel) -> None:
        codes = grainy.encode(random_images(5, grainy.config.image))
        grain = grainy.decode(codes) - grainy.decoder(codes)
        assert grain.std() > 0.001
        for other in grain[1:]:
            torch.testing.assert_close(other, grain[0], rtol=0, atol=1e-6)

    def test_calls_and_batch_sizes_do_not_matter(self, grainy: InterpolationModel) -> None:
        a, b = random_images(2, grainy.config.image)
        torch.manual_seed(1)
        frames = grainy.interpolate(a, b, steps=5)
        torch.manual_seed(2)
        assert torch.equal(grainy.interpolate(a, b, steps=5), frames)
        torch.testing.assert_close(grainy.interpolate(a, b, steps=5, batch_size=2), frames)

    def test_the_global_random_state_is_left_alone(self, grainy: InterpolationModel) -> None:
        before = torch.get_rng_state()
        grainy.reconstruct(random_images(1, grainy.config.image))
        assert torch.equal(torch.get_rng_state(), before)


class TestSample:
    """Images of the prior's codes."""

    def test_samples_are_decoded_draws_from_the_prior(self) -> None:
        model = tiny_model("vae")
        codes = torch.randn(5, 2, 4, 4, generator=Generator().manual_seed(3))
        torch.testing.assert_close(model.sample(5, seed=3), model.decode(codes).detach())

    def test_a_seed_repeats_and_another_does_not(self) -> None:
        model = tiny_model("aae")
        before = torch.get_rng_state()
        images = model.sample(4)
        assert images.shape == (4, 1, 16, 16)
        assert torch.equal(model.sample(4), images)
        assert not torch.equal(model.sample(4, seed=1), images)
        assert torch.equal(torch.get_rng_state(), before)

    def test_batches_do_not_matter(self) -> None:
        model = tiny_model("vae")
        torch.testing.assert_close(model.sample(7, batch_size=3), model.sample(7))

    def test_zero_samples_are_an_empty_batch_and_fewer_are_an_error(self) -> None:
        model = tiny_model("vae")
        assert model.sample(0).shape == (0, 1, 16, 16)
        with pytest.raises(InputError, match="n = -1"):
            model.sample(-1)

    def test_a_model_without_a_prior_cannot_sample(self, model: InterpolationModel) -> None:
        with pytest.raises(InputError, match=r"no prior to sample from \(method 'ae'\)"):
            model.sample(1)


class TestModulesWithoutWeights:
    """Device and type of a model whose decoder has no weights."""

    def test_buffers_determine_device_and_type(self) -> None:
        model = wrap(nn.Identity(), Table(), image=(1, 4, 4))
        assert model.dtype == torch.float32
        assert model.to(torch.bfloat16).dtype == torch.bfloat16
        assert torch.equal(model.reconstruct(torch.zeros(1, 4, 4)), torch.full((1, 1, 4, 4), 0.25))

    def test_the_encoder_determines_device_and_type(self) -> None:
        encoder = nn.Conv2d(1, 1, 1)
        model = wrap(encoder, Affine(1), image=(1, 4, 4)).double()
        assert model.dtype == torch.float64
        image = torch.full((1, 4, 4), 0.5)
        expected = (encoder.weight * 0.5 + encoder.bias).float().detach()
        torch.testing.assert_close(model.reconstruct(image), expected.expand(1, 1, 4, 4))

    def test_without_weights_device_and_type_are_the_defaults(self) -> None:
        model = wrap(Affine(2), Affine(0.5), image=(1, 4, 4))
        image = torch.rand(1, 4, 4, generator=Generator().manual_seed(0))
        assert (model.dtype, model.device.type) == (torch.float32, "cpu")
        assert torch.equal(model.reconstruct(image)[0], image)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("method", METHODS)
class TestReducedPrecision:
    """Computed in 16 bits; codes and images stay float32."""

    def test_results_are_close_and_float32(self, method: str, dtype: torch.dtype) -> None:
        full, half = tiny_model(method), tiny_model(method).to(dtype)
        images = random_images(3, full.config.image)
        assert half.dtype == dtype
        codes, frames = half.encode(images), half.reconstruct(images)
        assert codes.dtype == frames.dtype == torch.float32
        assert not torch.equal(codes, full.encode(images))
        torch.testing.assert_close(codes, full.encode(images), rtol=0.05, atol=0.02)
        torch.testing.assert_close(frames, full.reconstruct(images), rtol=0.05, atol=0.02)

    @pytest.mark.parametrize("interpolator", ["linear", "slerp"])
    def test_a_path_is_exact_at_its_ends_and_repeats(self, method: str, dtype: torch.dtype, interpolator: str) -> None:
        model = tiny_model(method).to(dtype)
        a, b = random_images(2, model.config.image)
        z0, z1 = model.encode(a), model.encode(b)
        path = model.interpolate_codes(z0, z1, [0, 0.3, 1], interpolator=interpolator)
        assert path.dtype == torch.float32
        assert torch.equal(path[:, 0], z0)
        assert torch.equal(path[:, -1], z1)
        frames = model.interpolate(a, b, steps=4, interpolator=interpolator)
        assert torch.equal(model.interpolate(a, b, steps=4, interpolator=interpolator), frames)
        assert frames.isfinite().all()

    def test_images_of_the_same_type_are_taken(self, method: str, dtype: torch.dtype) -> None:
        model = tiny_model(method).to(dtype)
        image = torch.full((1, 16, 16), 0.5)
        assert torch.equal(model.encode(image.to(dtype)), model.encode(image))


def test_encoders_and_decoders_are_used_as_they_are() -> None:
    """An encoder of vectors and a decoder of images: no shape is assumed but the component's own."""

    class Mean(Encoder):
        latent_shape = (1,)

        def forward(self, x: Tensor) -> Tensor:
            return x.mean((2, 3))

    class Flat(Decoder):
        def forward(self, z: Tensor) -> Tensor:
            return z[:, :, None, None].expand(-1, -1, 16, 16)

    tiny = tiny_model()
    image = tiny.config.image
    model = InterpolationModel(
        tiny.config, Mean(ComponentConfig(), image), Flat(ComponentConfig(), image, (1,)), None, tiny.interpolator
    )
    grey = torch.full((1, 16, 16), 0.25)
    assert model.encode(grey).tolist() == [[0.25]]
    frames = model.interpolate(grey, torch.zeros(1, 16, 16), steps=3)
    assert torch.equal(frames.mean((1, 2, 3)), torch.tensor([0.25, 0.125, 0]))


def test_print_is_a_summary_and_layers_are_shown_on_request(model: InterpolationModel) -> None:
    assert repr(model).splitlines() == [
        "InterpolationModel('ae-tiny')",
        "  method:  ae",
        "  image:   1 x 16 x 16",
        "  code:    2 x 4 x 4 (32 numbers)",
        "  path:    baselines:linear",
        f"  weights: {sum(p.numel() for p in model.parameters()):,} in float32 on cpu",
    ]
    assert "Conv2d(" in repr(model.encoder)
