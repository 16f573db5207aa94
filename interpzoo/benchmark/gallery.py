"""All pictures of a benchmark, in the folder of its results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from interpzoo.benchmark.candidates import Model, controls
from interpzoo.benchmark.plots import save_bars, save_correlations, save_strips
from interpzoo.benchmark.protocol import Protocol
from interpzoo.benchmark.report import Board
from interpzoo.benchmark.results import arena_name
from interpzoo.benchmark.run import Job
from interpzoo.benchmark.trial import Arena
from interpzoo.features import features_named
from interpzoo.pretrained.load import load


def save_pictures(
    output: Path,
    jobs: Sequence[Job],
    boards: Sequence[Board],
    protocol: Protocol,
    *,
    data_root: Path | None = None,
    device: str | None = None,
    features: str | Path | None = None,
) -> None:
    """``strips.png``, ``bars.png`` and ``agreement.png`` in the folder of each data set.

    The arguments are those of `benchmark`, which was called before.

    Raises:
        MissingDependencyError: matplotlib is not installed.
        OutputError: one cannot be written.
    """
    for board in boards:
        folder = output / board.name
        save_bars(folder / "bars.png", board, board.metrics)
        save_correlations(folder / "agreement.png", board, board.metrics)
    for job in jobs:
        network = None if features is None else features_named(features, job.image)
        arena = Arena(job.data, job.image, protocol, data_root, features=network)
        subjects = [
            *(Model(load(source, device=device), name) for name, source in job.models.items()),
            *controls(arena),
        ]
        name = arena_name(job.data, job.image, "" if network is None else network.name)
        save_strips(output / name / "strips.png", arena, subjects)
