"""Geodesics and refinement on decoders of all kinds, in every mode of the caller, and in many threads."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from interpzoo_riemannian import geodesic
from torch import Generator, Tensor, nn
from torch.func import functional_call

from interpzoo.geometry import jvp, project, slerp, vjp
from tests.tiny import random_images, tiny_model


class Attention(nn.Module):
    """Codes (B, 4) as four tokens, which attend to each other, to images (B, 1, 4, 4)."""

    def __init__(self, mix: nn.Module) -> None:
        super().__init__()
        self.up, self.mix = nn.Linear(4, 32), mix

    def forward(self, z: Tensor) -> Tensor:
        y = self.up(z).view(-1, 4, 8)
        if isinstance(self.mix, nn.MultiheadAttention):
            return self.mix(y, y, y, need_weights=False)[0].reshape(-1, 2, 4, 4)[:, :1]
        return self.mix(y).reshape(-1, 2, 4, 4)[:, :1]


def upsampling(norm: Callable[[], nn.Module], mode: str) -> nn.Module:
    """A decoder of codes (B, 4) as 2x2 maps, in the memory layout that loading gives."""
    layers = nn.Sequential(
        nn.Unflatten(1, (1, 2, 2)),
        nn.Conv2d(1, 8, 3, padding=1),
        norm(),
        nn.SiLU(),
        nn.Upsample(scale_factor=2, mode=mode),
        nn.Conv2d(8, 8, 3, padding=1),
        norm(),
        nn.Conv2d(8, 1, 3, padding=1),
    )
    return layers.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]


DECODERS: dict[str, Callable[[], nn.Module]] = {
    "group norm, nearest": lambda: upsampling(lambda: nn.GroupNorm(4, 8), "nearest"),
    "group norm, bilinear": lambda: upsampling(lambda: nn.GroupNorm(2, 8), "bilinear"),
    "layer norm": lambda: upsampling(lambda: nn.GroupNorm(1, 8), "bicubic"),
    "instance norm": lambda: upsampling(lambda: nn.InstanceNorm2d(8, affine=True), "nearest"),
    "batch norm": lambda: upsampling(lambda: nn.BatchNorm2d(8), "nearest"),
    "attention": lambda: Attention(nn.MultiheadAttention(8, 2, batch_first=True)),
    "transformer": lambda: Attention(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)),
    "dense": lambda: nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 16), nn.Unflatten(1, (1, 4, 4))),
}


@pytest.fixture(params=DECODERS)
def decoder(request: pytest.FixtureRequest) -> nn.Module:
    """Each of the decoders."""
    return DECODERS[request.param]().eval()


def test_derivatives_are_those_of_finite_differences(decoder: nn.Module) -> None:
    decoder.double()
    z, v, w = torch.randn(2, 4).double(), torch.randn(2, 4).double(), torch.randn(2, 1, 4, 4).double()
    with torch.no_grad():
        slope = (decoder(z + 1e-5 * v) - decoder(z - 1e-5 * v)) / 2e-5
        torch.testing.assert_close(jvp(decoder, z, v)[1], slope, atol=1e-6, rtol=1e-5)
        torch.testing.assert_close((vjp(decoder, z)[1](w) * v).sum(), (w * slope).sum(), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
def test_geodesics_and_refinement_in_every_precision(decoder: nn.Module, dtype: torch.dtype) -> None:
    z0, z1 = torch.randn(2, 1, 4)
    with torch.no_grad():
        target = decoder(z1)
    decoder.to(dtype)
    for method in ("gauss-newton", "quasi-newton"):
        assert bool(geodesic(decoder, z0, z1, steps=5, method=method, max_iterations=3).path.isfinite().all())
    error = [(decoder(z.to(dtype)) - target).square().sum() for z in (z0, project(decoder, target, z0, steps=3))]
    assert error[1] <= error[0]


def test_inference_mode_changes_nothing(decoder: nn.Module) -> None:
    z0, z1 = torch.randn(2, 1, 4)
    plain = geodesic(decoder, z0, z1, steps=5, max_iterations=3).path
    with torch.inference_mode():
        inside = geodesic(decoder, z0 + 0, z1 + 0, steps=5, max_iterations=3).path
    assert torch.equal(inside, plain)


ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "elu": nn.ELU,
    "elu in place": lambda: nn.ELU(inplace=True),
    "gelu": nn.GELU,
    "leaky relu in place": lambda: nn.LeakyReLU(0.2, inplace=True),
    "relu": nn.ReLU,
    "sigmoid": nn.Sigmoid,
    "silu in place": lambda: nn.SiLU(inplace=True),
    "softplus": nn.Softplus,
    "tanh": nn.Tanh,
}


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_tangents_and_their_gradients_are_those_of_torch(activation: str) -> None:
    layers = (nn.Conv2d(2, 3, 3), ACTIVATIONS[activation](), nn.ConvTranspose2d(3, 2, 2, stride=2, bias=False))
    network = nn.Sequential(*layers, ACTIVATIONS[activation]()).double()
    z, v = torch.randn(2, 4, 2, 5, 5, generator=Generator().manual_seed(0), dtype=torch.float64).requires_grad_()
    answers: list[list[Tensor]] = []
    for forward in (jvp, lambda decoder, z, v: torch.func.jvp(decoder, (z,), (v,))):
        y, tangent = forward(network, z, v)
        inputs = (z, v, *network.parameters())
        answers.append([y, tangent, *torch.autograd.grad(y.sin().sum() + tangent.pow(3).sum(), inputs)])
    for ours, theirs in zip(*answers, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)


def test_tangents_of_weights_are_not_lost() -> None:
    network, x = nn.Conv2d(2, 3, 3), torch.randn(1, 2, 5, 5, generator=Generator().manual_seed(0))

    def of(bias: Tensor) -> Tensor:
        return functional_call(network, {"bias": bias}, (x * bias.sum(),))

    bias = torch.ones(3)
    torch.testing.assert_close(jvp(of, bias, bias), torch.func.jvp(of, (bias,), (bias,)))


@pytest.mark.parametrize("seed", range(3))
def test_equal_ends_and_a_decoder_of_one_image_converge_at_length_zero(seed: int) -> None:
    torch.manual_seed(seed)
    decoder, z = nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Linear(16, 20)), torch.randn(5, 3)
    for rows in (z, z[:1], z[2:3]):
        for method in ("auto", "gauss-newton", "quasi-newton"):
            found = geodesic(decoder, rows, rows, method=method)
            assert bool(found.converged.all())
            assert float(found.length.max()) < 1e-4
    nn.init.zeros_(decoder[0].weight)
    for method in ("auto", "gauss-newton", "quasi-newton"):
        found = geodesic(decoder, z[:2], z[2:4], method=method)
        assert bool(found.converged.all())
        assert float(found.length.max()) < 1e-4


def test_eight_threads_give_what_one_gives() -> None:
    model = tiny_model("vae")
    a, b = random_images(2, model.config.image)
    z0, z1 = torch.randn(2, 1, *model.latent_shape)
    model.examples = torch.cat([z0, z1])
    flat = DECODERS["attention"]().eval()
    code, other = torch.randn(2, 1, 4)
    calls: list[Callable[[], Tensor]] = [
        lambda: model.encode(a, refine=2).detach(),
        lambda: model.decode(z0).detach(),
        lambda: model.reconstruct(a),
        lambda: model.sample(2, seed=3),
        lambda: model.interpolate(a, b, 3),
        lambda: model.interpolate(a, b, 3, interpolator="slerp"),
        lambda: model.morph([a, b], 3),
        lambda: model.grid(a, b, b, a, 2, 2),
        lambda: model.example_strip(1, 3),
        lambda: geodesic(flat, code, other, steps=4, max_iterations=2).path,
        lambda: geodesic(flat, code, other, steps=4, max_iterations=2, method="gauss-newton").path,
    ]
    alone = [call() for call in calls]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda number: calls[number % len(calls)](), range(4 * len(calls))))
    for number, found in enumerate(together):
        torch.testing.assert_close(found, alone[number % len(calls)], atol=1e-5, rtol=1e-4)


def test_a_device_without_float64_gives_nearly_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = DECODERS["dense"]().eval()
    z0, z1 = torch.randn(2, 2, 4)
    t = torch.linspace(0, 1, 5)
    with torch.no_grad():
        target = decoder(z1)
    calls: list[Callable[[], Tensor]] = [
        lambda: geodesic(decoder, z0, z1, steps=5).path,
        lambda: slerp(z0, z1, t),
        lambda: project(decoder, target, z0, steps=3),
    ]
    precise = [call() for call in calls]
    zeros = torch.zeros

    def without_float64(*size: object, **options: object) -> Tensor:
        if options.get("dtype") == torch.float64:
            raise TypeError("float64 is not supported")
        return zeros(*size, **options)  # pyright: ignore[reportArgumentType, reportCallIssue]

    monkeypatch.setattr(torch, "zeros", without_float64)
    for call, expected in zip(calls, precise, strict=True):
        torch.testing.assert_close(call(), expected, atol=1e-2, rtol=1e-2)
