"""The solver on manifolds with known geodesics, and its guarantees on any decoder."""

from __future__ import annotations

import math

import pytest
import torch
from interpzoo_riemannian import Geodesic, geodesic, metric
from interpzoo_riemannian.solver import Method
from torch import Generator, Tensor, nn

from interpzoo import load
from interpzoo.errors import InputError
from interpzoo.geometry import curve_energy, resample
from tests.riemannian.surfaces import (
    bvp_geodesic,
    bvp_length,
    cylinder,
    paraboloid,
    paraboloid_acceleration,
    sphere,
    sphere_distance,
    sphere_inverse,
    swiss_roll,
    swiss_roll_arc,
    torus,
    torus_acceleration,
)


def latents(n: int, *shape: int, seed: int = 0) -> Tensor:
    return torch.randn(n, *shape, generator=Generator().manual_seed(seed), dtype=torch.float64)


def network(inputs: int, outputs: int = 30, gain: float = 2.0, seed: int = 0) -> nn.Sequential:
    """A curved decoder, smooth, in float32."""
    generator = Generator().manual_seed(seed)
    layers = nn.Sequential(nn.Linear(inputs, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, outputs))
    with torch.no_grad():
        for layer in layers:
            if isinstance(layer, nn.Linear):
                layer.weight.copy_(gain * torch.randn(layer.weight.shape, generator=generator) / layer.in_features**0.5)
    return layers


@pytest.mark.parametrize("d", [2, 3, 5, 10])
def test_the_sphere(d: int) -> None:
    a, b = latents(16, d, seed=d), latents(16, d, seed=100 + d)
    found = geodesic(sphere, a, b, steps=50, tolerance=1e-5)
    assert bool(found.converged.all())
    torch.testing.assert_close(found.length, sphere_distance(a, b), rtol=1e-3, atol=0)
    # E >= L^2 / 2, with equality at constant speed.
    torch.testing.assert_close(found.energy, found.length.square() / 2, rtol=1e-4, atol=0)


def test_a_decoder_with_kinks_and_many_dimensions() -> None:
    # Its metric at a node promises gains that end at the next kink: 200 iterations did not suffice without a ridge.
    model = load("acai-celeba")
    assert model.examples is not None
    a, b = model.examples[:2].tensor_split(2)
    found = geodesic(model.decoder, a, b, method="quasi-newton", max_iterations=100)
    assert bool(found.converged.all())
    line = resample(torch.stack([a, b], 1), 200)
    with torch.no_grad():
        energy, most = (curve_energy(model.decoder, path) for path in (resample(found.path, 200, smooth=True), line))
    assert float(energy) < 0.568 * float(most)


@pytest.mark.parametrize("method", ["auto", "gauss-newton", "quasi-newton"])
def test_a_decoder_that_is_not_finite_between_the_ends_is_named(method: Method) -> None:
    decode = network(16)
    a, b = torch.randn(2, 2, 16, generator=Generator().manual_seed(0))
    a[:, 0], b[:, 0] = -1, 1

    def broken(z: Tensor) -> Tensor:
        return decode(z).where(z[:, :1].abs() > 0.3, torch.nan)

    with pytest.raises(InputError, match="NaN or infinite on the path of pair 0, 1"):
        geodesic(broken, a, b, method=method)


@pytest.mark.parametrize("method", ["gauss-newton", "quasi-newton"])
def test_both_minimizers_agree(method: Method) -> None:
    a, b = latents(8, 9, seed=1), latents(8, 9, seed=2)
    found = geodesic(sphere, a, b, steps=40, method=method, tolerance=1e-9, max_iterations=300)
    assert bool(found.converged.all())
    expected = 2 * 39 * torch.sin(sphere_distance(a, b) / 78)
    torch.testing.assert_close(found.length, expected, rtol=1e-5, atol=0)


@pytest.mark.parametrize("method", ["auto", "quasi-newton"])
def test_codes_of_thousands_of_numbers_need_no_matrix(method: Method) -> None:
    """One of 8,000 x 8,000 numbers would take 0.5 GB, and three are made of shorter codes."""
    a, b = (latents(2, 8_000, seed=seed) / 8_000**0.5 for seed in (1, 2))
    found = geodesic(sphere, a, b, steps=20, method=method, tolerance=1e-6)
    assert bool(found.converged.all())
    torch.testing.assert_close(found.length, sphere_distance(a, b), rtol=2e-3, atol=0)


def test_gauss_newton_refuses_codes_of_thousands_of_numbers() -> None:
    a, b = latents(1, 3000, seed=1), latents(1, 3000, seed=2)
    with pytest.raises(InputError, match=r"method = 'gauss-newton' .* 3,000: expected at most 2,048; take 'quasi-"):
        geodesic(sphere, a, b, method="gauss-newton")


def test_a_flat_cylinder() -> None:
    a, b = torch.tensor([[0.0, 0.0], [1.0, -1.0]]).double(), torch.tensor([[2.5, 1.0], [-1.0, 3.0]]).double()
    on_cylinder = geodesic(cylinder, a, b, steps=50)
    torch.testing.assert_close(on_cylinder.length, (b - a).norm(dim=1), rtol=1e-3, atol=0)


def test_a_swiss_roll() -> None:
    # A turn and a half from 3 pi / 2, where the usual roll begins.
    u = 1.5 * torch.pi + 3 * torch.pi * torch.rand(2, 16, generator=Generator().manual_seed(1)).double()
    a, b = torch.stack([u, 20 * latents(2, 16, seed=2).abs()], 2)
    found = geodesic(swiss_roll, a, b, steps=50)
    assert bool(found.converged.all())
    expected = torch.hypot(swiss_roll_arc(b[:, 0]) - swiss_roll_arc(a[:, 0]), b[:, 1] - a[:, 1])
    torch.testing.assert_close(found.length, expected, rtol=1e-3, atol=0)
    # Chords cut corners by (curvature x step)^2 / 24: near the middle of the roll, more nodes are needed.
    a, b = torch.tensor([[2.0, 0.0], [3.0, 4.0]]).double(), torch.tensor([[9.0, 5.0], [7.0, 0.0]]).double()
    expected = torch.hypot(swiss_roll_arc(b[:, 0]) - swiss_roll_arc(a[:, 0]), b[:, 1] - a[:, 1])
    torch.testing.assert_close(geodesic(swiss_roll, a, b, steps=50).length, expected, rtol=4e-3, atol=0)
    torch.testing.assert_close(geodesic(swiss_roll, a, b, steps=101).length, expected, rtol=1e-3, atol=0)


def test_the_paraboloid_and_the_torus_agree_with_a_boundary_value_solver() -> None:
    a, b = torch.tensor([-0.8, 0.5]).double(), torch.tensor([1.0, 0.7]).double()
    found = geodesic(paraboloid, a[None], b[None], steps=50)
    assert float(found.length) == pytest.approx(bvp_length(paraboloid_acceleration, paraboloid, a, b), rel=1e-3)
    a, b = torch.tensor([0.0, 0.3]).double(), torch.tensor([1.2, 1.5]).double()
    found = geodesic(torus, a[None], b[None], steps=50)
    assert float(found.length) == pytest.approx(bvp_length(torus_acceleration, torus, a, b), rel=1e-3)


def promised(tolerance: float, length: Tensor, curvature: float = 0.0) -> Tensor:
    """How far off the geodesic a path may be that has converged, by the docstring of `geodesic`."""
    return math.sqrt(2 * tolerance) / math.pi * length / (1 - curvature * length.square() / math.pi**2)


def farthest(points: Tensor, curve: Tensor) -> Tensor:
    """Largest distance (B,) of points (B, T, D) from a curve (B, N, D) of many nodes."""
    return torch.cdist(points, curve).amin(2).amax(1)


TOLERANCES = pytest.mark.parametrize("tolerance", [1e-3, 1e-4, 1e-6])


@TOLERANCES
@pytest.mark.parametrize("d", [2, 10])
def test_converged_paths_on_the_sphere_are_as_near_to_the_great_circle_as_promised(d: int, tolerance: float) -> None:
    """Up to 2.8 of the 3.14 where the shortest way is no longer one; the middles are near the origin of the chart."""
    middle = torch.cat([0.4 * latents(32, d), -torch.ones(32, 1).double()], 1)
    middle = middle / middle.norm(dim=1, keepdim=True)
    ahead = latents(32, d + 1, seed=1)
    ahead = ahead - (ahead * middle).sum(1, keepdim=True) * middle
    ahead = ahead / ahead.norm(dim=1, keepdim=True)
    length = torch.linspace(0.3, 2.8, 32).double()
    start, end = (middle * (half := sign * length[:, None] / 2).cos() + ahead * half.sin() for sign in (-1, 1))
    found = geodesic(sphere, sphere_inverse(start), sphere_inverse(end), steps=41, tolerance=tolerance)
    assert bool(found.converged.all())
    points = sphere(found.path.flatten(0, 1)).unflatten(0, (32, 41))
    axes = torch.stack([middle, ahead], 1)
    off = (points - points @ axes.mT @ axes).norm(dim=2).amax(1)
    assert float((off / promised(tolerance, length, curvature=1.0)).max()) < 1.1


@TOLERANCES
def test_converged_paths_on_a_swiss_roll_are_as_near_to_the_straight_line_as_promised(tolerance: float) -> None:
    u = 1.5 * torch.pi + 3 * torch.pi * torch.rand(2, 16, generator=Generator().manual_seed(1)).double()
    a, b = torch.stack([u, 20 * latents(2, 16, seed=2).abs()], 2)
    found = geodesic(swiss_roll, a, b, steps=101, tolerance=tolerance)
    assert bool(found.converged.all())
    points = torch.stack([swiss_roll_arc(found.path[..., 0]), found.path[..., 1]], 2)
    along = points[:, -1:] - points[:, :1]
    length = along.norm(dim=2)[:, 0]
    ahead = points - points[:, :1]
    off = (ahead[..., 0] * along[..., 1] - ahead[..., 1] * along[..., 0]).abs().amax(1) / length
    assert float((off / promised(tolerance, length)).max()) < 1.1


@TOLERANCES
def test_converged_paths_on_the_torus_are_as_near_to_the_geodesic_as_promised(tolerance: float) -> None:
    a = torch.tensor([[0.0, 0.3], [0.0, -0.5], [0.0, 2.0], [0.5, 1.0]]).double()
    b = torch.tensor([[1.2, 1.5], [1.0, 0.5], [1.5, 2.5], [0.0, -1.0]]).double()
    found = geodesic(torus, a, b, steps=41, tolerance=tolerance)
    assert bool(found.converged.all())
    true = torch.stack([bvp_geodesic(torus_acceleration, *ends, n=4001)[0] for ends in zip(a, b, strict=True)])
    points, curve = (torus(z.flatten(0, 1)).unflatten(0, z.shape[:2]) for z in (found.path, true))
    # The curvature of the torus is at most 1 / 3, on its outside.
    assert float((farthest(points, curve) / promised(tolerance, found.length, curvature=1 / 3)).max()) < 1.1


def test_the_error_of_the_length_is_of_second_order() -> None:
    a, b = latents(8, 3, seed=5), latents(8, 3, seed=6)
    true = sphere_distance(a, b)
    coarse, fine = (
        (geodesic(sphere, a, b, steps=steps, tolerance=1e-10).length / true - 1).abs() for steps in (41, 81)
    )
    torch.testing.assert_close(torch.log2(coarse / fine), torch.full((8,), 2.0).double(), atol=0.1, rtol=0)


@pytest.mark.parametrize(("d", "gain"), [(2, 3.0), (16, 2.0)])
def test_no_pair_is_above_the_straight_line(d: int, gain: float) -> None:
    decoder = network(d, gain=gain)
    a, b = latents(24, d, seed=3).float(), latents(24, d, seed=4).float()
    found = geodesic(decoder, a, b, steps=16)
    line = torch.stack([a, b], 1)
    with torch.no_grad():
        ratio = curve_energy(decoder, resample(found.path, 121)) / curve_energy(decoder, resample(line, 121))
    assert float(ratio.max()) <= 1 + 1e-4
    assert float(ratio.mean()) < 0.95
    assert torch.equal(found.path[:, 0], a)
    assert torch.equal(found.path[:, -1], b)


def test_pairs_are_independent() -> None:
    decoder = network(3).double()
    a, b = latents(5, 3, seed=3), latents(5, 3, seed=4)
    whole, alone = geodesic(decoder, a, b, steps=12), geodesic(decoder, a[2:3], b[2:3], steps=12)
    torch.testing.assert_close(whole.path[2:3], alone.path, rtol=1e-9, atol=1e-9)


def test_a_small_batch_size_changes_nothing() -> None:
    decoder = network(3).double()
    a, b = latents(5, 3, seed=3), latents(5, 3, seed=4)
    whole, parts = geodesic(decoder, a, b, steps=12), geodesic(decoder, a, b, steps=12, batch_size=7)
    torch.testing.assert_close(whole.path, parts.path, rtol=1e-8, atol=1e-8)


def test_codes_of_any_shape() -> None:
    flat = network(8)
    decoder = nn.Sequential(nn.Flatten(), flat, nn.Unflatten(1, (2, 3, 5)))
    a, b = latents(3, 2, 2, 2, seed=3).float(), latents(3, 2, 2, 2, seed=4).float()
    found = geodesic(decoder, a, b, steps=10)
    assert found.path.shape == (3, 10, 2, 2, 2)
    torch.testing.assert_close(found.path.flatten(2), geodesic(flat, a.flatten(1), b.flatten(1), steps=10).path)


def test_the_result_does_not_depend_on_the_start() -> None:
    a, b = latents(4, 2, seed=7), latents(4, 2, seed=8)
    bent = resample(torch.stack([a, b], 1), 20)
    bent[:, 1:-1] += 0.3 * latents(4, 18, 2, seed=9)
    found = geodesic(sphere, a, b, init=bent, tolerance=1e-8)
    torch.testing.assert_close(found.length, geodesic(sphere, a, b, tolerance=1e-8).length, rtol=1e-5, atol=0)


def test_the_decoder_does_not_change() -> None:
    decoder = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Dropout(0.0)).eval()
    decoder[3].train()
    state = {name: tensor.clone() for name, tensor in decoder.state_dict().items()}
    geodesic(decoder, latents(3, 2).float(), latents(3, 2, seed=1).float(), steps=6)
    assert all(parameter.grad is None and parameter.requires_grad for parameter in decoder.parameters())
    assert [layer.training for layer in decoder] == [False, False, False, True]
    assert all(torch.equal(tensor, state[name]) for name, tensor in decoder.state_dict().items())


def test_the_metric_is_that_of_the_sphere() -> None:
    z = latents(6, 2, 2)
    G = metric(lambda z: sphere(z.flatten(1)), z)
    scale = (2 / (1 + z.flatten(1).square().sum(1))).square()
    torch.testing.assert_close(G, scale[:, None, None] * torch.eye(4).double())


def is_finite(found: Geodesic) -> bool:
    return all(bool(part.isfinite().all()) for part in (found.path, found.energy, found.length, found.gradient_norm))


class TestFaults:
    def test_identical_ends(self) -> None:
        a = latents(3, 2)
        found = geodesic(sphere, a, a)
        assert torch.equal(found.path, a[:, None].expand(-1, 20, -1))
        assert bool(found.converged.all())
        assert not bool(found.length.any())

    def test_two_nodes_are_the_chord(self) -> None:
        a, b = latents(3, 2), latents(3, 2, seed=1)
        found = geodesic(sphere, a, b, steps=2)
        torch.testing.assert_close(found.length, (sphere(a) - sphere(b)).norm(dim=1))
        assert torch.equal(found.path, torch.stack([a, b], 1))

    @pytest.mark.parametrize("steps", [1, 0, -3])
    def test_fewer_than_two_nodes(self, steps: int) -> None:
        with pytest.raises(ValueError, match=f"steps = {steps}: expected a whole number from 2"):
            geodesic(sphere, latents(1, 2), latents(1, 2, seed=1), steps=steps)

    @pytest.mark.parametrize("value", [torch.nan, torch.inf])
    def test_outputs_that_are_not_finite(self, value: float) -> None:
        def broken(z: Tensor) -> Tensor:
            return torch.where((z[:, :1].abs() < 0.5), value, z)

        with pytest.raises(ValueError, match="NaN or infinite on the path of pair 1"):
            geodesic(broken, torch.tensor([[1.0, 0], [-1.0, 0]]), torch.tensor([[2.0, 0], [1.0, 0]]))
        with pytest.raises(ValueError, match="z0 holds NaN"):
            geodesic(sphere, torch.full((1, 2), value), torch.zeros(1, 2))

    def test_batch_normalization_in_train_mode(self) -> None:
        decoder = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4))
        with pytest.raises(ValueError, match=r"layer '1' \(BatchNorm1d\).*decoder.eval\(\)"):
            geodesic(decoder, torch.zeros(1, 2), torch.ones(1, 2))

    def test_random_outputs(self) -> None:
        generator = Generator().manual_seed(0)
        with pytest.raises(ValueError, match="it is random"):
            geodesic(lambda z: z + torch.randn(z.shape, generator=generator), torch.zeros(1, 2), torch.ones(1, 2))

    def test_no_derivative(self) -> None:
        with pytest.raises(ValueError, match="not differentiable"):
            geodesic(lambda z: z.detach() * 2, torch.zeros(1, 2), torch.ones(1, 2))

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
    def test_half_precision_is_returned(self, dtype: torch.dtype) -> None:
        a, b = latents(3, 2).to(dtype), latents(3, 2, seed=1).to(dtype)
        found = geodesic(sphere, a, b)
        assert found.path.dtype == dtype
        assert found.length.dtype == torch.float32
        assert torch.equal(found.path[:, 0], a)
        torch.testing.assert_close(found.length, geodesic(sphere, a.float(), b.float()).length)

    def test_shapes_that_do_not_fit(self) -> None:
        with pytest.raises(ValueError, match=r"\(2, 3\).*\(2, 4\)"):
            geodesic(sphere, torch.zeros(2, 3), torch.zeros(2, 4))
        with pytest.raises(ValueError, match=r"init is \(1, 5, 2\), expected \(2, N, 2\)"):
            geodesic(sphere, torch.zeros(2, 2), torch.ones(2, 2), init=torch.zeros(1, 5, 2))

    def test_a_decoder_that_ignores_its_code(self) -> None:
        found = geodesic(lambda z: 0 * z + 1, torch.zeros(2, 3), torch.ones(2, 3))
        assert is_finite(found)
        assert not bool(found.length.any())

    def test_too_few_iterations_are_reported(self) -> None:
        found = geodesic(torus, latents(3, 2), 3 + latents(3, 2, seed=1), max_iterations=1, tolerance=1e-12)
        assert not bool(found.converged.any())
        assert is_finite(found)


def test_a_progress_bar_is_shown_on_request(capsys: pytest.CaptureFixture[str]) -> None:
    a, b = latents(130, 2, seed=1), latents(130, 2, seed=2)
    quiet = geodesic(sphere, a, b, steps=4)
    assert capsys.readouterr().err == ""
    shown = geodesic(sphere, a, b, steps=4, progress=True)
    assert "geodesics" in (err := capsys.readouterr().err)
    assert "100%" in err
    assert torch.equal(shown.path, quiet.path)
