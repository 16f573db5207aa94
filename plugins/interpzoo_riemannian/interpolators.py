"""Geodesics as paths between codes."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Literal

from pydantic import Field
from torch import Tensor
from typing_extensions import TypeVar, override

from interpzoo.config import ComponentConfig
from interpzoo.errors import InputError
from interpzoo.geometry import Decode, at
from interpzoo.interfaces import Interpolator, LatentModel, Solution
from interpzoo_riemannian.density import density_aware
from interpzoo_riemannian.paper import geodesic_path
from interpzoo_riemannian.solver import (
    FEW_DIMENSIONS,
    LONGEST,
    SHORTEST,
    Geodesic,
    Method,
    geodesic,
    warn_unless_converged,
)

MOST_ITERATIONS = 2000
"""Largest number of iterations that a config may ask for: a model of a stranger's may not compute for days."""
_MANY = 256
"""Smallest number of pairs for which a progress bar is shown."""


class CurveConfig(ComponentConfig):
    """Settings of every geodesic path."""

    nodes: int = Field(default=20, ge=3, le=200)
    """Nodes of the curve, both ends counted; the path is the cubic spline through them."""
    max_iterations: int = Field(default=200, ge=1, le=MOST_ITERATIONS)


CurveT = TypeVar("CurveT", bound=CurveConfig, default=CurveConfig, covariant=True)


class Curve(Interpolator[CurveT]):
    """A curve that is solved for with the model's decoder, then followed from t = 0 to 1.

    A `NotConvergedWarning` names the pairs whose curve is not a geodesic; the report is a `Geodesic`. It tracks
    gradients to `t` alone.
    """

    @override
    def __call__(self, z0: Tensor, z1: Tensor, t: Tensor, *, model: LatentModel) -> Tensor:
        return self.solve(z0, z1, t, model=model).codes

    @override
    def solve(self, z0: Tensor, z1: Tensor, t: Tensor, *, model: LatentModel) -> Solution:
        """The codes at `t` in [0, 1], with a `Geodesic` as the report.

        Raises:
            InputError: t outside [0, 1]; the decoder is not differentiable, random, or gives NaN or infinite values.
        """
        _check_inside(t)
        found = self._found(z0, z1, model)
        return Solution(at(found.path, t, smooth=True), found)

    @override
    def path(self, z0: Tensor, z1: Tensor, *, model: LatentModel) -> Callable[[Tensor], Tensor]:
        found = self._found(z0, z1, model)
        return lambda t: at(found.path, t, smooth=True)

    def _found(self, z0: Tensor, z1: Tensor, model: LatentModel) -> Geodesic:
        for unfit, why in (
            (not model.decoder.differentiable, "not differentiable, and a geodesic needs its derivative"),
            (
                model.decoder.noise_shape is not None,
                "stochastic, so that images have no length between them to measure",
            ),
        ):
            if unfit:
                raise InputError(
                    f"the decoder {type(model.decoder).__name__!r} of {model.name!r} is {why}; take "
                    "interpolator='linear' or 'slerp'"
                )
        found = self.curves(z0, z1, model)
        warn_unless_converged(found)
        return found

    @abstractmethod
    def curves(self, z0: Tensor, z1: Tensor, model: LatentModel) -> Geodesic:
        """The curves between codes (B, *latent_shape)."""


def _check_inside(t: Tensor) -> None:
    if not bool(((t >= 0) & (t <= 1)).all()):
        raise InputError(
            f"t goes from {float(t.min()):g} to {float(t.max()):g}: a geodesic between two codes is defined in "
            "[0, 1]; to continue beyond an end, shoot with interpzoo_riemannian.exponential_map"
        )


class ShortestConfig(CurveConfig):
    """Settings of the geodesic path."""

    tolerance: float = Field(default=3e-3, gt=0, lt=1)
    """Share of the energy that another step must promise; images show no smaller change."""
    method: Method | None = None
    """The minimizer, see `geodesic`; by default Gauss-Newton in few latent dimensions and quasi-Newton in many, with
    half of the nodes, which takes half of the time of ``auto`` and leaves half a per cent of the energy."""
    density: float = Field(default=0.0, ge=0, le=1e6)
    """Weight of the training codes, see `density_aware`; above 0, the model must come with them."""
    budget: float | None = Field(default=None, ge=SHORTEST, le=LONGEST)
    """Seconds after which the best curves so far are taken, see `geodesic`; how good they are is in the report, and
    depends on the machine."""


class Shortest(Curve[ShortestConfig]):
    """The shortest curve as the decoded images measure it; see `interpzoo_riemannian.geodesic`."""

    @override
    def curves(self, z0: Tensor, z1: Tensor, model: LatentModel) -> Geodesic:
        config = self.config
        decoder: Decode = model.decoder
        if config.density:
            if model.codes is None:
                raise InputError(
                    f"density = {config.density:g}: {model.name!r} came without training codes; set model.codes "
                    "to encoded training images"
                )
            decoder = density_aware(decoder, model.codes.to(z0), weight=config.density)
        fast: Method = "gauss-newton" if z0[0].numel() <= FEW_DIMENSIONS else "quasi-newton"
        return geodesic(
            decoder,
            z0,
            z1,
            steps=config.nodes,
            method=config.method or fast,
            tolerance=config.tolerance,
            max_iterations=config.max_iterations,
            budget=config.budget,
            progress=len(z0) >= _MANY,
        )


class PaperConfig(CurveConfig):
    """Settings of the paper's Algorithm 1."""

    max_iterations: int = Field(default=1000, ge=1, le=MOST_ITERATIONS)
    direction: Literal["gradient", "encoder"] = "gradient"
    """The gradient of eq. 5, or the encoder's Jacobian in place of the decoder's transposed one."""
    step_size: float | None = Field(default=None, gt=0)
    """alpha; by default half of the largest stable one."""


class PaperShortest(Curve[PaperConfig]):
    """The shortest curve as Algorithm 1 of Shao, Kumar and Fletcher finds it: a slow reference for `geodesic`."""

    @override
    def curves(self, z0: Tensor, z1: Tensor, model: LatentModel) -> Geodesic:
        return geodesic_path(
            model.decoder,
            z0,
            z1,
            encoder=model.encoder if self.config.direction == "encoder" else None,
            steps=self.config.nodes,
            step_size=self.config.step_size,
            max_iterations=self.config.max_iterations,
        )
