"""Geodesics as interpolators of a model, and paths that keep to the training codes."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import torch
from interpzoo_riemannian import Geodesic, NotConvergedWarning, density_aware, geodesic, neighbor_path
from interpzoo_riemannian.interpolators import PaperConfig, PaperShortest, Shortest, ShortestConfig
from torch import Tensor

import interpzoo
from interpzoo.config import Component
from interpzoo.errors import InputError
from interpzoo.geometry import curve_energy, resample
from interpzoo.model import InterpolationModel
from tests.tiny import random_images, tiny_model, tiny_recipe


@pytest.fixture
def model() -> InterpolationModel:
    return tiny_model(size=(8, 8))


def ends(model: InterpolationModel, n: int = 3) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, n, *model.latent_shape, generator=generator)
    return a, b


@pytest.mark.parametrize(
    "path", [Shortest(ShortestConfig(nodes=8)), PaperShortest(PaperConfig(nodes=8, max_iterations=60))]
)
def test_ends_are_exact_and_a_report_is_returned(model: InterpolationModel, path: Shortest | PaperShortest) -> None:
    a, b = ends(model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotConvergedWarning)
        found = model.solve(a, b, [0.0, 0.3, 1.0], interpolator=path)
        assert torch.equal(model.interpolate_codes(a, b, [0.0, 0.3, 1.0], interpolator=path), found.codes)
    assert torch.equal(found.codes[:, 0], a)
    assert torch.equal(found.codes[:, 2], b)
    assert isinstance(found.report, Geodesic)
    assert found.report.converged.shape == (3,)
    line = torch.stack([a, b], 1)
    with torch.no_grad():
        energies = (curve_energy(model.decoder, resample(z, 57)) for z in (found.report.path, line))
        assert bool((next(energies) <= next(energies) * (1 + 1e-4)).all())


def test_by_name(model: InterpolationModel) -> None:
    x, y = random_images(2, model.config.image)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotConvergedWarning)
        frames = model.interpolate(x, y, steps=5, interpolator="geodesic")
    assert frames.shape == (5, 1, 8, 8)
    torch.testing.assert_close(frames[[0, -1]], model.reconstruct([x, y]))


def test_a_warning_names_pairs_that_did_not_converge(model: InterpolationModel) -> None:
    path = Shortest(ShortestConfig(nodes=8, max_iterations=1, tolerance=1e-12))
    with pytest.warns(NotConvergedWarning, match=r"3 of 3 geodesics did not converge: pair 0, 1, 2") as caught:
        found = model.solve(*ends(model), [0.5], interpolator=path)
    assert caught[0].message.report is found.report


def test_paths_in_closed_form_have_no_report(model: InterpolationModel) -> None:
    a, b = ends(model)
    found = model.solve(a, b, [0.0, 1.0])
    assert torch.equal(found.codes, torch.stack([a, b], 1))
    assert found.report is None


@pytest.mark.parametrize("t", [-0.1, 1.1])
def test_positions_beyond_the_ends_are_refused(model: InterpolationModel, t: float) -> None:
    with pytest.raises(InputError, match="exponential_map"):
        model.interpolate_codes(*ends(model), [0.5, t], interpolator="geodesic")


def test_decoders_without_derivative_or_with_noise_are_refused(model: InterpolationModel) -> None:
    a, b = ends(model)
    model.decoder.noise_shape = (1,)
    with pytest.raises(InputError, match=r"'ConvDecoder'.*stochastic"):
        model.interpolate_codes(a, b, [0.5], interpolator="geodesic")
    with pytest.raises(InputError, match="stochastic or not differentiable"):
        model.encode(random_images(1, model.config.image), refine=3)
    model.decoder.noise_shape = None
    type_of = type(model.decoder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type_of, "differentiable", False)
        with pytest.raises(InputError, match="not differentiable"):
            model.interpolate_codes(a, b, [0.5], interpolator="geodesic-paper")


def test_refined_codes_are_never_worse(model: InterpolationModel) -> None:
    images = random_images(5, model.config.image)

    def error(reconstruction: Tensor) -> Tensor:
        return (reconstruction - images).flatten(1).square().sum(1)

    before, after, further = (error(model.reconstruct(images, refine=n)) for n in (0, 2, 8))
    assert bool((after <= before * (1 + 1e-6)).all())
    assert bool((further <= after * (1 + 1e-6)).all())
    assert float(further.sum()) < 0.98 * float(before.sum())
    frames = model.interpolate(images[0], images[1], steps=3, refine=8)
    torch.testing.assert_close(frames[[0, -1]], model.reconstruct(images[:2], refine=8), atol=1e-4, rtol=1e-4)
    with pytest.raises(InputError, match="refine = -1"):
        model.encode(images, refine=-1)


def ring(n: int = 120) -> Tensor:
    angle = torch.linspace(0, 2 * torch.pi, n + 1)[:-1]
    return torch.stack([angle.cos(), angle.sin()], 1)


def plane(z: Tensor) -> Tensor:
    return z


class TestDensity:
    a = torch.tensor([[1.0, 0.0]])
    b = torch.tensor([[-1.0, 0.05]])

    def test_a_larger_weight_keeps_the_path_nearer_to_the_codes(self) -> None:
        radii = [
            float(geodesic(density_aware(plane, ring(), weight=weight), self.a, self.b).path.norm(dim=2).min())
            for weight in (0.0, 1.0, 10.0, 100.0)
        ]
        assert radii[0] < 0.1
        assert radii == sorted(radii)
        assert radii[-1] > 0.85

    def test_a_path_through_neighbors_follows_the_ring(self) -> None:
        path = neighbor_path(plane, ring(), self.a, self.b, steps=25, neighbors=4)
        assert path.shape == (1, 25, 2)
        assert torch.equal(path[:, 0], self.a)
        assert torch.equal(path[:, -1], self.b)
        assert float(path.norm(dim=2).min()) > 0.98

    def test_pairs_without_a_path_are_named(self) -> None:
        codes = torch.cat([ring(), ring() + 10])
        with pytest.raises(InputError, match=r"pair 1 \(counted from 0\).*4 neighbors do not connect"):
            neighbor_path(plane, codes, self.a.expand(2, 2), torch.stack([self.b[0], self.b[0] + 10]), neighbors=4)

    def test_too_few_codes(self) -> None:
        with pytest.raises(InputError, match="neighbors = 10: expected a whole number from 1 to 4"):
            density_aware(plane, ring(5))

    def test_training_codes_are_saved_with_the_model(self, tmp_path: Path) -> None:
        model = tiny_model(size=(8, 8))
        heavy = Shortest(ShortestConfig(nodes=5, density=1.0))
        with pytest.raises(InputError, match="came without training codes"):
            model.interpolate_codes(*ends(model), [0.5], interpolator=heavy)
        model.codes = model.encode(random_images(40, model.config.image)).detach()
        loaded = interpzoo.load(model.save_pretrained(tmp_path / "tiny"))
        assert loaded.codes is not None
        assert torch.equal(loaded.codes, model.codes)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotConvergedWarning)
            assert loaded.interpolate_codes(*ends(model), [0.5], interpolator=heavy).isfinite().all()

    def test_a_model_whose_own_path_needs_the_codes_is_saved_with_its_picture(self, tmp_path: Path) -> None:
        recipe = tiny_recipe(size=(8, 8)).model_copy(
            update={"interpolator": Component.model_validate({"name": "geodesic", "nodes": 5, "density": 1.0})}
        )
        model = interpzoo.create(recipe).eval()
        model.codes = model.encode(random_images(40, model.config.image)).detach()
        model.examples = model.codes[:2]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotConvergedWarning)
            folder = model.save_pretrained(tmp_path / "tiny")
        assert (folder / "preview.png").is_file()
