"""The terms of the flat-manifold VAE by hand, who moves in which phase, and what is refused."""

from __future__ import annotations

import math
import re
import warnings
from typing import Any

import pytest
import torch
from torch import Generator

from interpzoo.errors import ConfigError
from interpzoo.interfaces import Step
from tests.fmvae.toys import IMAGE, Toy, fmvae, toy
from tests.pixels import step_of, values
from tests.tiny import tiny_model

X = torch.tensor([[0.2, 0.4], [0.9, 0.1]]).view(2, 1, 1, 2)
S = 0.1


def by_hand(weight: float) -> dict[str, float]:
    """g(z) = weight z, q = N(x, S^2 I), p = N(0, I), lambda = 10, kappa^2 = 1/4; in Python's floats."""
    noise = torch.randn(2, 2, generator=Generator().manual_seed(0)).tolist()
    error = log_q = log_p = 0.0
    for x_row, n_row in zip(X.flatten(1).tolist(), noise, strict=True):
        for x, n in zip(x_row, n_row, strict=True):
            z = x + S * n
            error += (x - weight * z) ** 2 / 2 / 2
            log_q += (-(n**2) / 2 - math.log(S) - math.log(2 * math.pi) / 2) / 2
            log_p += (-(z**2) / 2 - math.log(2 * math.pi) / 2) / 2
    return {"error": error, "log_q": log_q, "log_p": log_p}


@pytest.mark.parametrize("weight", [1.0, 3.0])
def test_terms_by_hand_in_the_initial_phase(weight: float) -> None:
    found, step = fmvae(), step_of(toy([[weight, 0.0], [0.0, weight]]), X)
    expected = by_hand(weight)
    assert values(found.loss(step, "autoencoder")) == {
        "constraint": pytest.approx(10 * (expected["error"] - 0.25), rel=1e-5),
        "divergence": pytest.approx(expected["log_q"] - expected["log_p"], rel=1e-5),
    }
    assert values(found.loss(step, "prior")) == {"prior": pytest.approx(-expected["log_p"], rel=1e-5)}
    assert values(step.logged) == {
        "error": pytest.approx(expected["error"], rel=1e-5),
        "moving average": 0,
        "multiplier": pytest.approx(10),
    }


def test_the_divergence_is_on_average_that_of_the_gaussians() -> None:
    """KL(N(x, S^2 I) || N(0, I))."""
    found, n = fmvae(), 20_000
    step = step_of(toy(s=S), X[:1].expand(n, -1, -1, -1))
    expected = (2 * S**2 + 0.2**2 + 0.4**2) / 2 - 1 - 2 * math.log(S)
    assert values(found.loss(step, "autoencoder"))["divergence"] == pytest.approx(expected, abs=0.03)


def test_flatness_joins_after_the_initial_phase() -> None:
    found = fmvae(eta=2.0)
    step = step_of(toy([[1.0, 0.0], [0.0, 2.0]]), X)
    first = values(found.loss(step, "autoencoder"))
    found.constraint.initial.fill_(False)
    then = values(found.loss(step, "autoencoder"))
    # G = diag(1, 4), c^2 = 5/2.
    assert then.pop("flatness") == pytest.approx(2 * 2 * 1.5**2, rel=1e-4)
    assert then == first


def test_the_multiplier_is_the_weight_of_the_error() -> None:
    found, model = fmvae(), toy([[2.0, 0.0], [0.0, 2.0]])
    found.constraint.beta.fill_(0.02)
    error = values(found.loss(step_of(model, X), "autoencoder"))["constraint"]
    assert error == pytest.approx(50 * (by_hand(2.0)["error"] - 0.25), rel=1e-5)


def test_who_moves_in_which_phase() -> None:
    found, model = fmvae(), toy()
    autoencoder, prior = found.updates(model)
    step = step_of(model, X)
    assert model.prior is not None
    assert {*autoencoder.parameters} == {*model.encoder.parameters(), *model.decoder.parameters()}
    assert {*prior.parameters} == {*model.prior.parameters()}
    assert (autoencoder.active(step), prior.active(step)) == (True, False)
    found.constraint.initial.fill_(False)
    assert (autoencoder.active(step), prior.active(step)) == (True, True)


def test_each_loss_reaches_what_it_moves() -> None:
    found, model = fmvae(), toy([[1.0, 0.5], [0.0, 2.0]])
    found.constraint.initial.fill_(False)
    step = step_of(model, X)
    for update in found.updates(model):
        loss = torch.stack([*found.loss(step, update.name).values()]).sum()
        found_gradients = torch.autograd.grad(loss, update.parameters, retain_graph=True, allow_unused=True)
        assert any(g is not None and bool(g.any()) for g in found_gradients)


def test_after_a_step_the_multiplier_sees_the_mean_error_of_all_processes() -> None:
    found, model = fmvae(), toy()
    step = Step(
        batch={"image": X}, model=model, generator=Generator(), index=0, total=10, mean=lambda value: value + 100
    )
    found.loss(step, "autoencoder")
    error = step.logged["error"].item()
    found.after(step)
    assert found.constraint.error.item() == pytest.approx(100 + error)
    assert found.constraint.is_initial


def test_all_draws_are_the_steps() -> None:
    results: list[dict[str, float]] = []
    for global_seed, seed in ((1, 5), (2, 5), (1, 6)):
        found, model = fmvae(), toy([[1.0, 0.5], [0.0, 2.0]])
        found.constraint.initial.fill_(False)
        torch.manual_seed(global_seed)
        results.append(values(found.loss(step_of(model, X, seed=seed), "autoencoder")))
    assert results[0] == results[1] != results[2]


@pytest.mark.parametrize(("index", "warned"), [(0, False), (49, True), (50, False), (99, True)])
def test_an_initial_phase_that_does_not_end_is_warned_of(index: int, warned: bool) -> None:
    found, step = fmvae(), step_of(toy([[9.0, 0.0], [0.0, 9.0]]), X, index=index)
    if warned:
        with pytest.warns(UserWarning, match=rf"after {index + 1} of 100 steps.*never been below kappa\^2 = 0\.25"):
            found.after(step)
    else:
        found.after(step)


def test_a_phase_that_has_ended_is_not() -> None:
    found = fmvae()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found.after(step_of(toy(), X, index=99))
    assert not found.constraint.is_initial


class TestRefused:
    def test_a_deterministic_encoder(self) -> None:
        model = Toy(tiny_model().encoder, toy().decoder, toy().prior)
        with pytest.raises(ConfigError, match=r"set encoder\.posterior=gaussian"):
            fmvae().setup(model, {"image": torch.rand(2, 1, 16, 16)}, Generator())

    def test_a_decoder_without_a_derivative(self) -> None:
        model = toy()
        model.decoder.differentiable = False
        with pytest.raises(ConfigError, match="needs the Jacobian of the decoder, and LinearDecoder has none"):
            fmvae().setup(model, {"image": X}, Generator())

    def test_another_prior(self) -> None:
        model = Toy(toy().encoder, toy().decoder, None)
        with pytest.raises(ConfigError, match=r"needs the prior 'vhp', not NoneType: set prior\.name=vhp"):
            fmvae().setup(model, {"image": X}, Generator())

    @pytest.mark.parametrize(
        ("options", "field"),
        [
            ({"eta": -1}, "eta"),
            ({"margin": -0.1}, "margin"),
            ({"scale": "trace"}, "scale"),
            ({"finite_difference": 0}, "finite_difference"),
            ({"points": 1}, "points"),
            ({"constraint": {"kappa": 0}}, "constraint.kappa"),
            ({"constraint": {"initial_beta": 2}}, "constraint.initial_beta"),
        ],
    )
    def test_bad_settings_by_name(self, options: dict[str, Any], field: str) -> None:
        with pytest.raises(ConfigError, match=rf"'fmvae'.*{re.escape(field)}"):
            fmvae(**options)


def test_jacobians_are_computed_in_float32() -> None:
    assert not fmvae().autocast
    assert IMAGE.shape == (1, 1, 2)
