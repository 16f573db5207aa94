"""Geodesics between codes: the curves that are shortest when measured by the decoder's outputs."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields, replace
from typing import Literal, get_args

import torch
from torch import Tensor

from interpzoo.arguments import real, whole
from interpzoo.errors import InputError, warn
from interpzoo.geometry import Decode, curve_energy, decode, resample, segment_lengths
from interpzoo.tensors import check_floats
from interpzoo.text import quoted
from interpzoo_riemannian.checks import (
    MOST_ITERATIONS,
    check_finite,
    check_latents,
    check_steps,
    checked_decoder,
    differentiable,
    flat_float,
    numbers,
)
from interpzoo_riemannian.clock import Clock
from interpzoo_riemannian.curves import ENERGY, Curves
from interpzoo_riemannian.minimizers import MOST_MATRIX, Minimum, gauss_newton, quasi_newton

Method = Literal["auto", "gauss-newton", "quasi-newton"]

FEW_DIMENSIONS = 8
"""Latent dimensions up to which Gauss-Newton is faster from the first iteration."""
_FEWEST_NODES = 4
"""Nodes of the coarsest curve that is solved first."""
_COARSE = 100
"""Factor on the tolerance of coarser curves, whose minimum is a different one."""
_CLOSER = 0.3
"""Factor on the tolerance of the quasi-Newton method, which leaves about as much energy as its next step promises.
Gauss-Newton converges quadratically and leaves far less."""
_LEAP = 1.25
"""Largest ratio of the energy through twice as many points to that through the points of a curve."""
_PAIRS_AT_ONCE = 128
"""Pairs solved together at most: enough to fill batches, few enough for the progress bar to move."""
_MOST_NUMBERS = 1 << 27
"""Numbers in all matrices of the pairs that are solved together: about 1 GiB."""
_FINE = 80
"""Smallest number of segments of curves that are compared with the straight line."""
_LESS_FINE = 16
"""The same for codes of more than 2,048 numbers, whose large images would take longer to compare than to minimize."""
SHORTEST, LONGEST = 1e-3, 86_400.0
"""Seconds that a budget may be."""
_ROUNDING = 1e-5
"""Relative difference of two energies that is within the rounding of float32."""


@dataclass(frozen=True)
class Geodesic:
    """B shortest curves, and how well each was found."""

    path: Tensor
    """(B, steps, *latent), both ends included exactly; in the precision of the ends given."""
    energy: Tensor
    """(B,): the paper's eq. 4 over the nodes, 1/2 sum_i ||g(z_{i+1}) - g(z_i)||^2 / dt with dt = 1 / (steps - 1)."""
    length: Tensor
    """(B,): sum_i ||g(z_{i+1}) - g(z_i)|| over the nodes."""
    converged: Tensor
    """(B,) bool: a minimum was reached, and it is not above the straight line."""
    iterations: Tensor
    """(B,) int64: iterations of the minimizers, summed over all numbers of nodes."""
    gradient_norm: Tensor
    """(B,): the square root of sum_i ||dE/dz_i||^2 (eq. 5) over the nodes that were free."""
    remaining: Tensor
    """(B,): share of the energy that is left to save by the quadratic model of the last step, 1 where nothing is
    known. It is about right near a minimum, and too small where the curve has still far to go."""


class NotConvergedWarning(UserWarning):
    """Some of the paths are not geodesics; `report` says which."""

    def __init__(self, report: Geodesic) -> None:
        self.report = report
        missed = (~report.converged).nonzero().squeeze(1)
        super().__init__(
            f"{len(missed)} of {len(report.converged)} geodesics did not converge: pair {numbers(missed)}. They are "
            "the best curves found, the straight line at worst. For more time, iterations or nodes raise budget, "
            "max_iterations or steps of interpzoo_riemannian.geodesic, or of the interpolator budget, max_iterations "
            "or nodes, as in "
            "interpolator=Shortest(ShortestConfig(max_iterations=1000)) of interpzoo_riemannian.interpolators"
        )


def warn_unless_converged(report: Geodesic) -> None:
    """Warn about the pairs that did not converge, if any."""
    if not bool(report.converged.all()):
        warn(NotConvergedWarning(report))


@differentiable
def geodesic(
    decoder: Decode,
    z0: Tensor,
    z1: Tensor,
    *,
    steps: int = 20,
    init: Tensor | None = None,
    method: Method = "auto",
    tolerance: float = 1e-4,
    max_iterations: int = 300,
    batch_size: int | None = None,
    midpoints: bool = True,
    budget: float | None = None,
    progress: bool = False,
) -> Geodesic:
    """The shortest curves between latents under the metric that `decoder` pulls back from its outputs.

    Minimizes the energy (eq. 4 of Shao et al. 2018) of the chain of a curve's nodes and the points halfway between
    them, which lie on the cubics through four nodes. A chain of free points could leap over the images that lie between
    them, as trained decoders have many. A curve that is still longer between its points than through them is
    solved again with twice as many nodes, up to twice, before it is resampled to `steps`.

    All pairs are in one batch, each with its own damping and convergence. In few latent dimensions the method is
    Gauss-Newton, from coarse curves to fine, with half of the `steps` as nodes. In more than eight it is a
    preconditioned quasi-Newton method, with half of the `steps` as nodes and then with all; for codes of more than
    2,048 numbers it goes from coarse curves to fine, and no matrix is made. A pair whose curve, measured along the
    spline through its nodes, has more energy than the straight line gets the straight line and ``converged=False``.
    That spline is `interpzoo.geometry.resample(path, n, smooth=True)`: with 20 nodes it is as short as straight lines
    between some 40. Of this package only `metric` tracks gradients; inside `torch.func` the rest raise an `InputError`.

    Args:
        decoder: a differentiable map of latents (B, *latent) to outputs (B, ...). Its parameters get no gradients, and
            its mode and buffers do not change.
        z0, z1: the ends, (B, *latent). Half precision is solved in float32 and returned in half precision.
        steps: nodes of a path, both ends included; 2 to 10,000.
        init: initial paths (B, N, *latent) with any number of nodes, such as those of `neighbor_path`; their ends are
            replaced by `z0` and `z1`. Straight lines by default.
        method: the minimizer; ``auto`` chooses as above, and each minimizer by name works with half of the `steps`.
        tolerance: a pair has converged when another full step promises to lower its energy by less than this share.
            Where the curvature of the manifold is at most K, a path of length L is then off the geodesic by at most
            about sqrt(2 tolerance) / pi * L / (1 - K L^2 / pi^2). At the default, that is 0.5 % of the length where
            the manifold is flat, 2 % at 2.8 on the unit sphere, and more towards antipodes, between which no way is
            the shortest. The error of a path of few `steps` is not in this, and no tolerance lowers it.
        max_iterations: iterations of a minimizer at most, for each number of nodes; up to 100,000.
        batch_size: latents decoded at once, which bounds the memory; by default as many as give 2^18 output values on
            a CPU, or up to 192 if these have at most 2^20, and 2^20 elsewhere.
        midpoints: whether the chain includes the points between the nodes; `exponential_map` shoots without them.
        budget: seconds after which the best curves so far are returned, shared evenly by all pairs. What a curve may
            still gain is its ``remaining``, and it has ``converged`` only if it met the tolerance in time. Every curve
            is measured and checked however short the time is, which decodes some 200 latents for each pair. The first
            call of a process also warms up torch, for up to a second: where `budget` is about as short, make one call
            before.
        progress: show a progress bar on standard error.

    Raises:
        InputError: shapes that do not fit; a number out of range; ends that are NaN or infinite; Gauss-Newton is asked
            for between codes of more than 2,048 numbers; a decoder whose outputs or derivatives are NaN or infinite, or
            whose outputs are random, dependent on their batch, or not differentiable.
    """
    begin = Clock.now()
    check_latents(z0=z0, z1=z1)
    if budget is not None:
        budget = real("budget", budget, SHORTEST, LONGEST)
    steps, max_iterations = check_steps(steps), whole("max_iterations", max_iterations, 0, MOST_ITERATIONS)
    tolerance = real("tolerance", tolerance, 0, 1)
    if not isinstance(method, str) or method not in get_args(Method):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(f"method = {quoted(method)}: expected {', '.join(map(repr, get_args(Method)))}")
    if init is not None:
        check_floats("init", init)
        if init.shape[:1] + init.shape[2:] != z0.shape or init.shape[1] < 2:
            shape = f"({len(z0)}, N, {', '.join(map(str, z0.shape[1:]))}), N at least 2"
            raise InputError(f"init is {tuple(init.shape)}, expected {shape}")
    flat, batch_size = checked_decoder(decoder, torch.stack([z0[0], z1[0]]), batch_size)
    ends = torch.stack([flat_float(z0), flat_float(z1)], 1)
    if method == "gauss-newton" and ends.shape[2] > MOST_MATRIX:
        raise InputError(
            f"method = 'gauss-newton' makes matrices with a row for each number of a code, {ends.shape[2]:,}: "
            f"expected at most {MOST_MATRIX:,}; take 'quasi-newton'"
        )
    if method == "auto" and not FEW_DIMENSIONS < ends.shape[2] <= MOST_MATRIX:
        method = "gauss-newton" if ends.shape[2] <= FEW_DIMENSIONS else "quasi-newton"
    # On smooth decoders, quasi-Newton gets from half of the nodes to all of them in a few iterations.
    halved = midpoints and steps > 2 and method != "auto"
    nodes = max(3, steps // 2 + 1) if halved else steps
    settings = _Settings(steps, method, tolerance, max_iterations)
    found: list[Geodesic] = []
    for rows in _groups(len(ends), _pairs_at_once(ends.shape[2], nodes, method), progress):
        clock, pairs = Clock(), rows.stop - rows.start
        curves = curves_between(flat, ends[rows], batch_size, midpoints=midpoints, first=rows.start, clock=clock)
        if budget is not None:
            clock.learn(lambda ends=ends[rows]: decode(flat, ends.flatten(0, 1), batch_size=batch_size), 2 * pairs)
            now = clock.now()
            clock.end = now + (begin + budget - now) * pairs / (len(ends) - rows.start)
            clock.reserve = pairs * _check_passes(steps, nodes, ends.shape[2])
        start = ends[rows] if init is None else init[rows].flatten(2).to(ends)
        minimum = _minimize(curves, start, [*_coarser(nodes), nodes], settings)
        found.append(checked_against_line(curves, minimum, z0, first=rows.start))
    return Geodesic(
        **{field.name: torch.cat([getattr(part, field.name) for part in found]) for field in fields(Geodesic)}
    )


def curves_between(
    decoder: Decode,
    ends: Tensor,
    batch_size: int,
    *,
    midpoints: bool = False,
    first: int = 0,
    clock: Clock | None = None,
) -> Curves:
    """Curves between flat `ends` (B, 2, d), whose outputs are checked; `first` is the number of the first pair."""
    y = decode(decoder, ends.flatten(0, 1), batch_size=batch_size).unflatten(0, (-1, 2))
    check_finite(y, first)
    return Curves(decoder, ends, y, batch_size, midpoints, clock or Clock())


@dataclass(frozen=True)
class _Settings:
    steps: int
    method: Method
    tolerance: float
    max_iterations: int


def _minimize(curves: Curves, start: Tensor, levels: list[int], settings: _Settings, doublings: int = 2) -> Minimum:
    """Minimize from `start` (B, N, d) with each of `levels` nodes in turn; the result has `steps` nodes per curve."""
    if levels[-1] == 2:
        minimum = Minimum.of(start[:, :0])
        return replace(minimum, converged=~minimum.converged, remaining=minimum.remaining - 1)
    minimum = _descend(curves, start, levels, settings)
    points = curves.chain(minimum.nodes)
    path = points if points.shape[1] == settings.steps else resample(points, settings.steps, smooth=True)
    minimum = replace(minimum, nodes=path[:, 1:-1].contiguous())
    if curves.midpoints and doublings:
        rows = (_spline_energy(curves, points, split=2) > _LEAP * minimum.energy).nonzero().squeeze(1)
        if len(rows):
            again = _minimize(curves[rows], points[rows], [2 * levels[-1] - 1], settings, doublings - 1)
            minimum.continue_with(rows, again)
    return minimum


def _descend(curves: Curves, start: Tensor, levels: list[int], settings: _Settings) -> Minimum:
    method, tolerance, max_iterations = settings.method, settings.tolerance, settings.max_iterations
    if method == "gauss-newton":
        return _coarse_to_fine(gauss_newton, curves, start, levels, tolerance, max_iterations)
    if method == "quasi-newton":
        levels = levels if start.shape[2] > MOST_MATRIX else levels[-1:]
        return _coarse_to_fine(quasi_newton, curves, start, levels, tolerance, max_iterations)
    return _coarse_to_fine(quasi_newton, curves, start, levels[-2:], _CLOSER * tolerance, max_iterations)


def _coarse_to_fine(
    minimize: Callable[[Curves, Tensor, float, int], Minimum],
    curves: Curves,
    start: Tensor,
    levels: list[int],
    tolerance: float,
    max_iterations: int,
) -> Minimum:
    minimum = minimize(
        curves,
        resample(start, levels[0])[:, 1:-1],
        tolerance if len(levels) == 1 else _COARSE * tolerance,
        max_iterations,
    )
    for nodes in levels[1:]:
        inner = resample(curves.path(minimum.nodes), nodes)[:, 1:-1]
        if not curves.affords(inner, 2 * ENERGY):
            return replace(minimum, converged=torch.zeros_like(minimum.converged))
        share = tolerance if nodes == levels[-1] else _COARSE * tolerance
        finer = minimize(curves, inner, share, max_iterations)
        minimum = replace(finer, iterations=finer.iterations + minimum.iterations)
    return minimum


def _coarser(nodes: int) -> list[int]:
    """Numbers of nodes to solve before `nodes`, fewest first."""
    half = (nodes + 1) // 2
    return [*_coarser(half), half] if half >= _FEWEST_NODES else []


def checked_against_line(curves: Curves, minimum: Minimum, like: Tensor, first: int = 0) -> Geodesic:
    """The report on minimized curves, with the straight line in place of curves that are worse.

    Paths have the shape and type of the latents `like` (B, *latent); `first` is the number of the first pair.

    Raises:
        InputError: a decoder's output or derivative on the result is NaN or infinite.
    """
    path = curves.path(minimum.nodes)
    steps = path.shape[1]
    line = resample(curves.ends, steps)
    converged, gradient_norm = minimum.converged.clone(), minimum.gradient_norm.clone()
    remaining = minimum.remaining.clone()
    split = _split(steps, path.shape[2])
    fine = _spline_energy(curves, path, split)
    lower_bound = curve_energy(curves.decoder, line, batch_size=curves.batch_size)
    # Splitting segments only adds energy: for most curves the coarse energy of the line is enough to decide.
    doubtful = (~(fine <= lower_bound)).nonzero().squeeze(1)
    if len(doubtful):
        limit = _spline_energy(curves, line[doubtful], split)
        noise = curves[doubtful].noise((steps - 1) * split)
        worse = doubtful[limit.isfinite() & ~(fine[doubtful] <= (1 + _ROUNDING) * limit + noise)]
        if len(worse):
            path[worse], converged[worse], remaining[worse] = line[worse], False, 1
            gradient_norm[worse] = curves[worse].energy(line[worse, 1:-1])[1].flatten(1).norm(dim=1)
    chords = segment_lengths(curves.decoder, path, batch_size=curves.batch_size)
    check_finite(chords, first)
    energy = 0.5 * (steps - 1) * chords.square().sum(1)
    energy, length, gradient_norm = (part.to(path.dtype) for part in (energy, chords.sum(1), gradient_norm))
    for what, values in (("energy, which is too large for its precision,", energy), ("derivative", gradient_norm)):
        if len(bad := (~values.isfinite()).nonzero().squeeze(1) + first):
            raise InputError(f"the {what} is NaN or infinite on the path of pair {numbers(bad)}")
    path = path.unflatten(2, like.shape[1:]).to(like.dtype)
    return Geodesic(path, energy, length, converged, minimum.iterations, gradient_norm, remaining.to(energy.dtype))


def _split(steps: int, dimensions: int) -> int:
    """Into how many parts the segments of a path are split to compare it with the straight line."""
    return max(2, -(-(_FINE if dimensions <= MOST_MATRIX else _LESS_FINE) // (steps - 1)))


def _check_passes(steps: int, nodes: int, dimensions: int) -> int:
    """Latents that are decoded for a pair when it has been minimized with so many nodes."""
    return 4 * nodes + 2 * _split(steps, dimensions) * (steps - 1) + 2 * steps


def _spline_energy(curves: Curves, path: Tensor, split: int) -> Tensor:
    fine = resample(path, (path.shape[1] - 1) * split + 1, smooth=True)
    return curve_energy(curves.decoder, fine, batch_size=curves.batch_size)


def _pairs_at_once(dimensions: int, nodes: int, method: Method) -> int:
    if dimensions > MOST_MATRIX:
        return _PAIRS_AT_ONCE
    matrices = 8 * nodes if method == "gauss-newton" else 8
    return max(1, min(_PAIRS_AT_ONCE, _MOST_NUMBERS // (matrices * dimensions**2)))


def _groups(pairs: int, at_once: int, progress: bool) -> Iterator[slice]:
    firsts: Iterable[int] = range(0, pairs, at_once)
    if progress:
        from rich.console import Console
        from rich.progress import track

        firsts = track(firsts, "geodesics", console=Console(stderr=True))
    for first in firsts:
        yield slice(first, min(first + at_once, pairs))
