"""Checks of encoders, decoders, priors and spaces: values, batches, layouts and types, derivatives, random numbers."""

import copy
from collections.abc import Callable

import torch
from torch import Generator, Tensor, nn

from interpzoo.config import ImageSpec
from interpzoo.geometry import flat_decoder, jvp
from interpzoo.interfaces import CodeSpace, Decoder, Encoder, FeatureNetwork, Prior
from interpzoo.testing.expect import (
    blaming,
    drawing_nothing,
    expect,
    expect_equal,
    expect_float32,
    expect_shape,
    is_close,
    writing_nothing,
)
from interpzoo.testing.samples import BATCH, random_images

_ALONE = "give each image of a batch the result that it has alone: normalize it by itself (GroupNorm, LayerNorm)"
_IN_TRAINING = (
    "batch normalization does this: normalize each image by itself (GroupNorm, LayerNorm), or, if the network is meant "
    "to, say 'batch_statistics = True' in its class"
)
_RANDOM = "use the generator that the method is given (step.generator); dropout cannot be used"
_LAYOUT = "use reshape or flatten instead of view, since training and loading use channels_last"
_HALF = "make tensors in the type of the input, as in 'z.new_zeros(...)' or 'table.to(z)'"

_STEPS = (1e-2, 3e-3, 1e-3)
"""Lengths of finite differences, relative to the deviation of the codes; the shorter, the fewer kinks they cross."""
_MISMATCH = 0.2
"""Largest relative difference between a derivative and the nearest of its finite differences."""
_FEW = 0.01
"""Share of pixels that may be exactly 0 or 1 by chance."""
_DRAWS = 1024
"""Samples of a prior that show its mean."""


def check_encoder(encoder: Encoder, image: ImageSpec) -> None:
    """Codes are float32, each of its own image alone, in both layouts and in bfloat16; `encoder` ends in bfloat16."""
    what, shape = "the encoder", encoder.latent_shape
    encoder.eval()
    x, other = random_images(BATCH, image), 0.3 * random_images(BATCH, image, seed=1)
    codes = expect_float32(_call(encoder, what, x=x), (BATCH, *shape), "the code")
    expect_equal(_call(encoder, what, x=x), codes, "the codes of the same images twice")
    mixed = torch.cat([x[:2], other[2:]])

    def moments(images: Tensor) -> tuple[Tensor, ...]:
        posterior = encoder.posterior(images)
        return () if posterior is None else (posterior.mean, posterior.stddev)

    with torch.no_grad(), blaming("the posterior"), writing_nothing("the posterior", x=x):
        found = moments(x)
        for value, name in zip(found, ("mean", "deviation"), strict=False):
            expect_float32(value, (BATCH, *shape), f"the posterior's {name}")
        if found:
            expect_equal(found[0], codes, "the posterior's mean and the code")
            same = all(is_close(a[:2], b[:2]) for a, b in zip(moments(mixed), found, strict=True))
            expect(same, f"the posterior of an image depends on the other images of its batch: {_ALONE}")
    _check_alone(encoder, what, "eval", x, mixed)
    if not encoder.batch_statistics:
        _check_alone(encoder, what, "train", x, mixed)
    _check_layouts(encoder.eval(), what, x)


def check_decoder(decoder: Decoder, z: Tensor) -> None:
    """Images are float32 and not clamped, each of its own code alone; `decoder` ends in bfloat16.

    Its derivative is that of its images, if it says that it is differentiable.
    """
    what, size = "the decoder", decoder.image.shape
    decoder.eval()
    images = expect_float32(_call(decoder, what, z=z), (len(z), *size), "the decoded image")
    expect_equal(_call(decoder, what, z=z), images, "the images of the same codes twice")
    mixed = torch.cat([z[:2], -3 * z[2:]])
    _check_alone(decoder, what, "eval", z, mixed)
    x = random_images(len(z), decoder.image)
    with torch.no_grad(), blaming("the likelihood"), writing_nothing("the likelihood", x=x, z=z):
        likelihood = decoder.log_prob(x, z)
        if likelihood is not None:
            expect_shape(likelihood, (len(z),), "the likelihood")
            alone = decoder.log_prob(x[:1], z[:1])
            same = alone is not None and is_close(alone, likelihood[:1])
            expect(same, f"the likelihood of an image depends on the other images of its batch: {_ALONE}")
    if decoder.noise_shape is not None:
        noise = torch.rand(len(z), *decoder.noise_shape, generator=Generator().manual_seed(0))
        with torch.no_grad(), blaming("the decoder's sample"), writing_nothing("the sample", z=z, noise=noise):
            with drawing_nothing("the decoder's sample", "all that is random comes from 'noise'"):
                drawn = decoder.sample(z, noise)
            expect_float32(drawn, (len(z), *size), "the decoder's sample")
    elif decoder.differentiable:
        _check_differentiable(decoder, z)
        _check_unclamped(decoder, z)
    if not decoder.batch_statistics:
        _check_alone(decoder, what, "train", z, mixed)
    _check_layouts(decoder.eval(), what, z)


@torch.no_grad()
def check_prior(prior: Prior) -> None:
    """Samples come from the generator and have the mean that is given, and densities are of each code alone."""
    n, shape = 16, prior.latent_shape
    prior.eval()

    def draw(seed: int) -> Tensor:
        with blaming("the prior's sample"):
            return prior.sample(n, generator=Generator().manual_seed(seed))

    hint = "pass it on, as in torch.randn(..., generator=generator)"
    with drawing_nothing("the prior's sample", f"{hint}: it ignores its generator"):
        z = expect_float32(draw(0), (n, *shape), "the prior's sample")
    expect_equal(draw(0), z, "the prior's samples from generators of one seed", f"it ignores its generator: {hint}")
    differs = not torch.equal(draw(1), z)
    expect(differs, f"the prior's samples are the same for every generator: it ignores its generator: {hint}")
    with blaming("the prior's mean"):
        if (mean := prior.mean) is not None:
            expect_float32(mean, shape, "the prior's mean")
            many = prior.sample(_DRAWS, generator=Generator().manual_seed(0))
            close = (mean - many.mean(0)).abs() <= 8 * many.std(0) / _DRAWS**0.5
            expect(bool(close.all()), "the prior's mean is not that of its samples: give None where no formula has it")
    with blaming("the prior's density"), writing_nothing("the prior's density", z=z):
        density = expect_shape(prior.log_prob(z), (n,), "the prior's density")
        same = is_close(prior.log_prob(z[:2]), density[:2])
    expect(same, f"the prior's density of a code depends on the others of its batch: {_ALONE}")


@torch.no_grad()
def check_space(space: CodeSpace, z: Tensor) -> None:
    """Valid codes are float32, each that of its own code alone, and stay as they are; `space` ends in bfloat16."""
    what, hint = "the space's projection", "give the valid code nearest to each, as that of a valid code is itself"
    space.eval()

    def project(codes: Tensor) -> Tensor:
        with blaming(what), writing_nothing(what, z=codes), drawing_nothing(what, hint):
            return space.project(codes)

    valid = expect_float32(project(z), (len(z), *space.latent_shape), what)
    expect_equal(project(z), valid, f"{what} of the same codes twice")
    expect(is_close(project(valid), valid), f"{what} moves codes that it has given itself: {hint}")
    alone = is_close(project(z[:1]), valid[:1]) and is_close(project(torch.cat([z[:2], -3 * z[2:]]))[:2], valid[:2])
    expect(alone, f"{what} of a code depends on the others of its batch: {_ALONE}")
    half = space.to(torch.bfloat16)
    with blaming(f"{what} in bfloat16", _HALF):
        found = half.project(z.bfloat16())
    expect_shape(found, (len(z), *space.latent_shape), f"{what} in bfloat16")


def check_features(features: FeatureNetwork) -> None:
    """Features are (B, D) in float32, each of its own image alone."""
    what, x = "the feature network", random_images(BATCH, features.image)
    features.eval()
    found = _call(features, what, x=x)
    expect(found.ndim == 2, f"{what} gives a tensor of shape {tuple(found.shape)}, expected (B, D)")
    expect_float32(found, (BATCH, found.shape[1]), f"the result of {what}")
    expect_equal(_call(features, what, x=x), found, "the features of the same images twice")
    _check_alone(features, what, "eval", x, torch.cat([x[:2], 1 - x[2:]]))


@torch.no_grad()
def _call(network: nn.Module, what: str, mode: str = "eval", **inputs: Tensor) -> Tensor:
    with blaming(what), writing_nothing(what, **inputs), drawing_nothing(f"{what} in {mode} mode", _RANDOM):
        return network(*inputs.values())


def _check_alone(network: nn.Module, what: str, mode: str, x: Tensor, mixed: Tensor) -> None:
    """Expect the same first rows from `x`, from `mixed`, whose rows from the third on are others, and from one row."""
    network.train(mode == "train")
    argument = "x" if x.ndim == 4 else "z"
    before = copy.deepcopy(network.state_dict())
    whole = _call(network, what, mode, **{argument: x})
    for part in (mixed, x[:1]):
        # What moves in train mode, such as the vectors of a spectral norm, is put back.
        network.load_state_dict(before)
        n = min(2, len(part))
        found = _call(network, what, mode, **{argument: part})[:n]
        hint = _IN_TRAINING if mode == "train" else _ALONE
        expect(
            is_close(found, whole[:n]),
            f"{what}'s result for one row depends on the others of its batch in {mode} mode, by up to "
            f"{float((found - whole[:n]).abs().max()):.2g}: {hint}",
        )
    network.load_state_dict(before)


def _check_layouts(network: nn.Module, what: str, x: Tensor) -> None:
    """The same results in channels_last, with gradients, and finite ones in bfloat16."""
    expected = _call(network, what, x=x)
    to: Callable[..., nn.Module] = network.to  # whose stub does not know memory_format
    to(memory_format=torch.channels_last)
    last = x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x
    with blaming(f"{what} in channels_last", _LAYOUT):
        found = network(last)
        if found.requires_grad:
            found.sum().backward()
            network.zero_grad()
    same = is_close(found.detach(), expected)
    expect(same, f"{what} gives other values in channels_last: do not read strides or storage; {_LAYOUT}")
    with torch.no_grad(), blaming(f"{what} in bfloat16", _HALF):
        half = network.to(torch.bfloat16)(x.to(torch.bfloat16))
        expect_shape(half, tuple(expected.shape), f"{what}'s result in bfloat16")


def _check_differentiable(decoder: Decoder, z: Tensor) -> None:
    """The derivative that geodesics use agrees with finite differences."""
    flat, codes = flat_decoder(decoder, decoder.latent_shape), z.flatten(1)
    v = torch.randn(codes.shape, generator=Generator().manual_seed(3))
    say_no = "say 'differentiable: ClassVar[bool] = False' in its class, or make it so: geodesics need the derivative"
    with blaming("the derivative of the decoder", say_no):
        slope = jvp(flat, codes, v)[1].detach()
        with torch.no_grad():
            steps = [step * (float(codes.std()) or 1.0) for step in _STEPS]
            secants = [(flat(codes + step * v) - flat(codes - step * v)) / (2 * step) for step in steps]
            moves = float(secants[0].norm() * steps[0]) > 1e-5 * float(flat(codes).norm())
    expect(
        bool(slope.any()) or not moves,
        f"the derivative of the decoder is 0 everywhere, although it says that it is differentiable: {say_no}",
    )
    mismatch = min(float((slope - secant).norm() / secant.norm().clamp(min=1e-12)) for secant in secants)
    expect(
        not moves or mismatch < _MISMATCH,
        f"the derivative of the decoder is not that of its images (it differs from finite differences by "
        f"{mismatch:.0%}), although it says that it is differentiable: remove detach, rounding and straight-through "
        f"tricks from forward, or {say_no}",
    )


@torch.no_grad()
def _check_unclamped(decoder: Decoder, z: Tensor) -> None:
    """No pixels are cut off at 0 or 1. A sigmoid comes close to both before it rounds to either; a clamp does not."""
    for scale in (1, 3, 10, 30, 100, 300, 1000):
        images = decoder(scale * z)
        if not bool(images.isfinite().all()):
            return
        exact = float(((images == 0) | (images == 1)).float().mean())
        near = float((((images - 0.5).abs() - 0.5).abs() < 1e-4).float().mean()) - exact
        if exact > _FEW:
            low, high = float(images.min()) >= 0, float(images.max()) <= 1
            cut = near < exact / 4 and (low or high)
            expect(
                not cut,
                f"the decoder clamps its images: {exact:.0%} of the pixels are exactly 0 or 1: return the values as "
                "they are, around [0, 1]; they are clamped where images are shown and saved",
            )
            return
