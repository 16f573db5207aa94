"""Energy against time of latent geodesic solvers: ``python benchmarks/geodesics.py [--problem small|conv|NAME]``.

Every curve is measured alike, by its chord energy on a grid of 200 points, and given as a ratio to the straight line's,
of the sum over all pairs; a time, in CPU seconds, is the median of ``--runs`` runs in this process, and of as many more
as take 5 s, after one that is not counted (none where a run takes longer).

- small: 64 pairs of a decoder 2 -> 64 -> 64 -> 784 with tanh and sigmoid, weights times 3, of a fixed seed.
- conv: 8 pairs of a convolutional decoder to 64x64x3 from ``--latent`` dimensions (32), weights times ``--gain``.
- NAME: ``--pairs`` pairs (8) of codes of held-out images of a model of the zoo; acai-celeba has 256 dimensions.

Against: Adam on free nodes at three rates, L-BFGS over all pairs jointly, the paper's Algorithm 1, GEORCE, and stochman
where it is installed. A solver that says which of its pairs have converged has them counted, and the last line says how
large the resident memory was at most, and by how much it grew. ``--output FOLDER`` keeps the table and a plot.

A thousand pairs: ``geodesics.py --problem riemannian-mnist --pairs 1000 --runs 1 --only '^interpzoo$'``.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import re
import resource
import shlex
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from georce import georce
from interpzoo_riemannian import geodesic, paper
from interpzoo_riemannian.solver import Method
from torch import Tensor, nn

from interpzoo.build import build_component
from interpzoo.geometry import curve_energy, resample
from interpzoo.interfaces import DataSet
from interpzoo.markdown import markdown_table
from interpzoo.pretrained.load import read_model
from interpzoo.pretrained.locate import locate

_GRID = 200

_LONG = 5.0
"""Seconds of a run beside which warming up does not count, and of all runs by which a median is steady."""

Solve = Callable[[], tuple[Tensor, Tensor | None]]
"""To paths, and which of them have converged where the solver says so."""


def scaled(layers: nn.Sequential, gain: float) -> nn.Sequential:
    """The layers with larger weights, so that straight lines are clearly no geodesics."""
    with torch.no_grad():
        for layer in layers:
            if isinstance(layer, nn.Linear | nn.ConvTranspose2d):
                layer.weight.mul_(gain)
    return layers.eval().requires_grad_(False)


def problem(name: str, latent: int, gain: float, pairs: int) -> tuple[nn.Module, Tensor, Tensor]:
    """A decoder and the ends of the curves."""
    generator = torch.Generator().manual_seed(1)
    if name == "small":
        torch.manual_seed(0)
        sizes = (2, 64, 64, 784)
        layers = [layer for a, b in pairwise(sizes) for layer in (nn.Linear(a, b), nn.Tanh())]
        return scaled(nn.Sequential(*layers[:-1], nn.Sigmoid()), 3.0), *torch.randn(2, 64, 2, generator=generator)
    if name == "conv":
        torch.manual_seed(1)
        layers: list[nn.Module] = [nn.Unflatten(1, (latent, 1, 1))]
        for a, b in pairwise((latent, 64, 64, 32, 32)):
            layers += [nn.ConvTranspose2d(a, b, 4, 2, 1, bias=False), nn.GELU()]
        layers.append(nn.ConvTranspose2d(32, 3, 4, 4))
        a, b = torch.randn(2, 8, latent, generator=generator)
        # More than a right angle apart: between random codes even this decoder is nearly flat.
        return scaled(nn.Sequential(*layers), gain), a, 0.75 * b - 0.66 * a
    model = read_model(locate(name))
    if model.config.trained is None:
        raise SystemExit(f"{model.config.name!r} does not say what it was trained on")
    data = build_component(DataSet, model.config.trained.data, model.config.image, None)
    with torch.no_grad():
        codes = model.encode(data.test(2 * pairs)["image"])
    flat = nn.Sequential(nn.Unflatten(1, codes.shape[1:]), model.decoder)
    return flat.requires_grad_(False), *codes.flatten(1).tensor_split(2)


def free_nodes(
    decoder: nn.Module, a: Tensor, b: Tensor, steps: int, make: Callable[[Tensor], Any], count: int
) -> Tensor:
    """The nodes that an optimiser of torch leaves after `count` steps."""
    line = resample(torch.stack([a, b], 1), steps)
    inner = line[:, 1:-1].clone().requires_grad_()
    optimizer = make(inner)

    def path() -> Tensor:
        return torch.cat([line[:, :1], inner, line[:, -1:]], 1)

    def closure() -> Tensor:
        optimizer.zero_grad()
        energy = curve_energy(decoder, path(), batch_size=1 << 20).sum()
        energy.backward()
        return energy

    for _ in range(count):
        optimizer.step(closure)
    return path().detach()


def stochman_spline(decoder: nn.Module, a: Tensor, b: Tensor, steps: int, best: bool) -> Tensor:
    """The nodes of stochman's spline, by default or at the best setting known."""
    from stochman import CubicSpline
    from stochman.geodesic import geodesic_minimizing_energy
    from stochman.manifold import EmbeddedManifold

    class Manifold(EmbeddedManifold):
        def embed(self, points: Tensor, jacobian: bool = False) -> Tensor:
            return decoder(points.reshape(-1, points.shape[-1])).reshape(*points.shape[:-1], -1)

    curve = CubicSpline(a, b, **({"num_nodes": 10} if best else {}))
    settings = {"max_iter": 1000, "eval_grid": 50} if best else {}
    geodesic_minimizing_energy(curve, Manifold(), **settings)
    return curve(torch.linspace(0, 1, steps)).detach()


def solvers(
    decoder: nn.Module, a: Tensor, b: Tensor, steps: int, count: int, tolerance: float
) -> Iterator[tuple[str, Solve]]:
    """Names and solvers; `count` is the number of Adam's iterations, `tolerance` is `geodesic`'s."""

    def ours(method: Method) -> tuple[Tensor, Tensor | None]:
        found = geodesic(decoder, a, b, steps=steps, method=method, tolerance=tolerance, progress=True)
        return found.path, found.converged

    def algorithm_1() -> tuple[Tensor, Tensor | None]:
        found = paper.geodesic_path(decoder, a, b, steps=steps)
        return found.path, found.converged

    def georce_batch() -> tuple[Tensor, Tensor | None]:
        found = georce(decoder, a, b, steps=steps)
        return found.path, found.converged

    yield "interpzoo", lambda: ours("auto")
    yield "interpzoo, gauss-newton", lambda: ours("gauss-newton")
    yield "interpzoo, quasi-newton", lambda: ours("quasi-newton")
    yield "paper, Algorithm 1", algorithm_1
    yield "GEORCE", georce_batch
    for rate in (0.003, 0.01, 0.03):
        yield (
            f"Adam {count}, rate {rate}",
            lambda rate=rate: (
                free_nodes(decoder, a, b, steps, lambda z: torch.optim.Adam([z], lr=rate), count),
                None,
            ),
        )
    yield (
        "L-BFGS, all pairs jointly",
        lambda: (
            free_nodes(
                decoder, a, b, steps, lambda z: torch.optim.LBFGS([z], max_iter=100, line_search_fn="strong_wolfe"), 1
            ),
            None,
        ),
    )
    if importlib.util.find_spec("stochman") is not None:
        yield "stochman, default", lambda: (stochman_spline(decoder, a, b, 200, best=False), None)
        yield "stochman, best", lambda: (stochman_spline(decoder, a, b, 200, best=True), None)


@dataclass(frozen=True)
class Row:
    """What one solver came to."""

    solver: str
    seconds: float
    """CPU time of all threads."""
    wall: float
    ratio: float
    """Energy of its curves over that of the straight lines."""
    above: int
    """Pairs whose curve has more energy than the straight line."""
    converged: str
    """On how many pairs it converged, where it says so."""

    def cells(self) -> list[str]:
        """The row of a table."""
        times = f"{self.seconds:8.3g}", f"{self.wall:8.3g}"
        return [f"{self.solver:28s}", *times, f"{self.ratio:.4f}", f"{self.above}", self.converged]


def write(folder: Path, label: str, about: str, rows: list[Row]) -> None:
    """The table and the plot, LABEL.md and LABEL.png."""
    from matplotlib.figure import Figure

    folder.mkdir(parents=True, exist_ok=True)
    head = ["solver", "CPU seconds", "wall seconds", "energy / straight line's", "pairs above the line", "converged"]
    table = markdown_table(head, ([cell.strip() for cell in row.cells()] for row in rows))
    (folder / f"{label}.md").write_text(f"# Geodesics: {label}\n\n{about}\n\n{table}\n![]({label}.png)\n", "utf-8")
    axes = Figure(figsize=(8, 4), layout="constrained").subplots()
    for row, marker in zip(rows, itertools.cycle("os^"), strict=False):
        axes.scatter(row.seconds, row.ratio, marker=marker, label=row.solver)
    axes.figure.legend(loc="outside right upper", fontsize=7)
    axes.axhline(1, color="grey", linewidth=0.5)
    axes.set(title=label, xscale="log", xlabel="CPU seconds", ylabel="energy / energy of the straight line")
    axes.figure.savefig(folder / f"{label}.png", dpi=150)


def main() -> None:
    """Run the solvers and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problem", default="small")
    parser.add_argument("--latent", type=int, default=32)
    parser.add_argument("--gain", type=float, default=6.0)
    parser.add_argument("--pairs", type=int, default=8)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--adam", type=int, default=1000)
    parser.add_argument("--tolerance", type=float, default=1e-4, help="of interpzoo; of its interpolator: 3e-3")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", default="", help="a regular expression for names of solvers")
    parser.add_argument("--output", type=Path, help="folder for the table and a plot of energy against time")
    options = parser.parse_args()
    decoder, a, b = problem(options.problem, options.latent, options.gain, options.pairs)

    def energy(path: Tensor) -> Tensor:
        # Into one block: small results among large ones would break up the memory that is measured.
        found = torch.empty(len(path), dtype=torch.float64)
        with torch.no_grad():
            for row, curve in enumerate(resample(path, _GRID, smooth=True).split(1)):
                found[row] = curve_energy(decoder, curve, batch_size=_GRID)[0]
        return found

    line = energy(torch.stack([a, b], 1))
    about = f"torch {torch.__version__}, {torch.get_num_threads()} threads, {len(a)} pairs, {options.steps} nodes"
    print(about)  # noqa: T201
    rows: list[Row] = []
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for name, solve in solvers(decoder, a, b, options.steps, options.adam, options.tolerance):
        if re.search(options.only, name) is None:
            continue
        times: list[float] = []
        walls: list[float] = []
        while len(times) <= options.runs or sum(times) < _LONG:
            start, wall_start = time.process_time(), time.perf_counter()
            path, converged = solve()
            times.append(time.process_time() - start)
            walls.append(time.perf_counter() - wall_start)
            if times[0] > _LONG and len(times) >= options.runs:
                break
        found, warm = energy(path), 0 if times[0] > _LONG else 1
        rows.append(
            Row(
                solver=name,
                seconds=statistics.median(times[warm:]),
                wall=statistics.median(walls[warm:]),
                ratio=float(found.sum() / line.sum()),
                above=int((found > line * 1.0001).sum()),
                converged="" if converged is None else f"{int(converged.sum())} of {len(converged)}",
            )
        )
        print("   ".join(rows[-1].cells()), flush=True)  # noqa: T201
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"resident memory: {peak / 2**20:.2f} GiB at most, {(peak - before) / 2**20:.2f} GiB more than before")  # noqa: T201
    if options.output is not None:
        label = f"conv-{options.latent}" if options.problem == "conv" else options.problem
        command = f"python {shlex.join(sys.argv)}"
        write(options.output, label, f"`{command}`: {about}.", rows)


if __name__ == "__main__":
    main()
