"""The loss of the flat-manifold VAE: little information, good enough reconstruction, and a flat latent space.

Source: Chen et al., arXiv 2002.04881, eq. 7, on the constrained VAE of Klushyn et al., arXiv 1905.04982. There is no
official code.
"""

from collections.abc import Mapping, Sequence

from pydantic import Field
from torch import Generator, Tensor

from interpzoo.config import ComponentConfig, ImageSpec
from interpzoo.errors import ConfigError, warn
from interpzoo.geometry import flat_decoder, jacobian
from interpzoo.interfaces import Batch, LatentModel, Regularizer, Step, Update, parameters_of
from interpzoo_fmvae.constraint import Constraint, ConstraintConfig
from interpzoo_fmvae.flatness import (
    Scale,
    away_from_zero,
    finite_differences,
    flatness,
    mixed_codes,
    require_derivative,
)
from interpzoo_fmvae.prior import HierarchicalPrior


class FMVAEConfig(ComponentConfig):
    constraint: ConstraintConfig
    eta: float = Field(default=300.0, ge=0, le=1e8)
    """Weight of the flatness term; the paper has 300 and 3000 for its pedestrians, at the scale of its data."""
    margin: float = Field(default=0.2, ge=0, le=10)
    """alpha_0: codes are mixed with alpha ~ U(-alpha_0, 1 + alpha_0)."""
    scale: Scale = "batch"
    """The paper's term or one of two that do not depend on the scale of the data, see `flatness`."""
    finite_difference: float | None = Field(default=None, gt=0, le=100)
    """sigma of the stochastic finite differences that give the Jacobian in the paper; ``None``: the exact Jacobian."""
    points: int | None = Field(default=None, ge=2, le=65_536)
    """Number of mixed points per step; ``None``: one per image."""


class FMVAE(Regularizer[FMVAEConfig]):
    """Variational autoencoder with a hierarchical prior and a flat latent manifold (VHP-FMVAE).

    What the papers do not settle, or what differs from them:

    - C(x, z) = 1/2 ||x - g(z)||^2 in [0, 1] units, the error of a Gaussian of unit variance whatever the decoder's
      output. Weighted by lambda, it is the error of a Gaussian of variance 1 / lambda = beta.
    - The multiplier moves after the step, by the batch's error before the step.
    - In the initial phase the flatness term is left out.
    - Partners come from the batch in random order. The gradient of the flatness term reaches the encoder as well.
    - The mean of f(z + epsilon e_t) - f(z) over epsilon ~ N(0, sigma^2) is 0 to first order. Here each difference is
      divided by its own epsilon, drawn for each point and dimension.
    """

    autocast = False

    def __init__(self, config: FMVAEConfig, image: ImageSpec, latent_shape: tuple[int, ...]) -> None:
        super().__init__(config, image, latent_shape)
        self.constraint = Constraint(config.constraint)

    def setup(self, model: LatentModel, batch: Batch, generator: Generator) -> None:
        """Raise `ConfigError` without a posterior, a decoder with a derivative and the prior ``vhp``."""
        if model.encoder.posterior(batch["image"]) is None:
            raise ConfigError(
                "method 'fmvae' needs an encoder with a posterior: for the network 'conv' set "
                "encoder.posterior=gaussian; in a wrapped model the encoder returns (mean, log-variance)"
            )
        require_derivative("fmvae", model)
        _prior(model)

    def updates(self, model: LatentModel) -> Sequence[Update]:
        """Encoder and decoder (phi, theta), and after the initial phase the prior (Theta, Phi) as well."""
        prior = parameters_of(_prior(model))
        return [*super().updates(model), Update("prior", prior, active=lambda _: not self.constraint.is_initial)]

    def loss(self, step: Step, update: str) -> Mapping[str, Tensor]:
        """In nats, with the bound b(z) of `HierarchicalPrior.bound` and g(z_i, z_j) of `mix`:

        F             = mean_B [ log q(z | x) - b(z) ]
        L_autoencoder = lambda (mean_B C(x, z) - kappa^2) + F + eta mean ||G(g(z_i, z_j)) - c^2 I||^2
        L_prior       = mean_B [ -b(z) ], the part of F that depends on the prior
        """
        information = step.shared("fmvae information", lambda: self._bound(step))
        if update == "prior":
            return {"prior": -information}
        constraint, error = self.constraint, self._error(step)
        step.log("error", error)
        step.log("moving average", constraint.error.clone())  # a copy: it moves before it is read
        step.log("multiplier", constraint.multiplier)
        terms = {
            "constraint": constraint.multiplier * (error - constraint.bound),
            "divergence": self._log_posterior(step) - information,
        }
        if not constraint.is_initial:
            terms["flatness"] = self.config.eta * flatness(self._metric(step), self.config.scale)
        return terms

    def after(self, step: Step) -> None:
        """Move the multiplier, and warn if the initial phase takes half of the run or all of it."""
        constraint = self.constraint
        constraint.observe(step.mean(self._error(step).detach()))
        if constraint.is_initial and step.index + 1 in (step.total // 2, step.total):
            warn(
                f"method 'fmvae': after {step.index + 1} of {step.total} steps the error is "
                f"{float(constraint.error):g} and has never been below kappa^2 = {constraint.bound:g}: neither the "
                "prior nor flatness is trained until it is. Raise regularizer.constraint.kappa, lower its "
                "initial_beta, or train longer"
            )

    def _error(self, step: Step) -> Tensor:
        return step.shared("fmvae error", lambda: (step.x - step.reconstruction).square().flatten(1).sum(1).mean() / 2)

    def _bound(self, step: Step) -> Tensor:
        prior, z = _prior(step.model), step.codes
        return prior.bound(z, step.normal(prior.config.samples, *z.flatten(1).shape)).mean()

    def _log_posterior(self, step: Step) -> Tensor:
        posterior = step.posterior
        if posterior is None:
            raise ConfigError("method 'fmvae' needs an encoder with a posterior")
        return posterior.log_prob(step.codes).mean()

    def _metric(self, step: Step) -> Tensor:
        points = mixed_codes(step, self.config.margin, self.config.points)
        decoder, z = flat_decoder(step.model.decoder, points.shape[1:]), points.flatten(1)
        sigma = self.config.finite_difference
        J = (
            jacobian(decoder, z)[1]
            if sigma is None
            else finite_differences(decoder, z, away_from_zero(step.normal(*z.shape), sigma))
        )
        return J.mT @ J


def _prior(model: LatentModel) -> HierarchicalPrior:
    if not isinstance(model.prior, HierarchicalPrior):
        raise ConfigError(
            f"method 'fmvae' needs the prior 'vhp', not {type(model.prior).__name__}: set prior.name=vhp in the recipe"
        )
    return model.prior
