"""Pictures of a benchmark: the same pairs by all candidates, scores with intervals, and how far metrics agree."""

import os
import warnings
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import torch

from interpzoo.benchmark.candidates import ModelCandidate, controls
from interpzoo.benchmark.evaluation import Candidate
from interpzoo.benchmark.protocol import EvaluationProtocol
from interpzoo.benchmark.report import Leaderboard
from interpzoo.benchmark.results import strip_of, task_name
from interpzoo.benchmark.selection import Job
from interpzoo.benchmark.task import Task
from interpzoo.errors import MissingDependencyError, how_to_install
from interpzoo.features import features_named
from interpzoo.files import atomic_write
from interpzoo.pictures import save_strip
from interpzoo.pretrained.load import load

STRIP_PAIRS: Final = 3
STRIP_FRAMES: Final = 9
_FEWEST: Final = 4
"""Number of models from which on two rankings are compared."""


def save_pictures(
    output: Path,
    jobs: Sequence[Job],
    boards: Sequence[Leaderboard],
    protocol: EvaluationProtocol,
    *,
    data_root: Path | None = None,
    device: str | None = None,
    features: str | Path | None = None,
) -> None:
    """Save ``strips.png``, ``bars.png`` and ``agreement.png`` in the folder of each task, and a strip at each record.

    The arguments are those of the call of `benchmark` before. Raises as `save_strips` and `save_bars`.
    """
    for board in boards:
        folder = output / board.name
        save_bars(folder / "bars.png", board)
        save_correlations(folder / "agreement.png", board)
    for job in jobs:
        network = None if features is None else features_named(features, job.image)
        task = Task(job.data, job.image, protocol, data_root, features=network)
        models = [ModelCandidate(load(source, device=device), name) for name, source in job.models.items()]
        name = task_name(job.data, job.image, "" if network is None else network.name)
        records = [record for board in boards if board.name == name for record in board.records]
        beside = {(record.candidate, record.control): strip_of(record, output) for record in records}
        save_strips(output / name / "strips.png", task, [*models, *controls(task)], beside)


def save_strips(
    path: Path,
    task: Task,
    candidates: Sequence[Candidate],
    beside: Mapping[tuple[str, bool], Path] = MappingProxyType({}),
) -> None:
    """A PNG of the first pairs by each candidate: for each pair one row for every candidate, in their order.

    `beside` has files for single candidates, by name and whether it is a control. Raises an `OutputError` if a file
    cannot be written.
    """
    pairs = task.pairs.head(STRIP_PAIRS)
    positions = torch.linspace(0, 1, STRIP_FRAMES)
    rows = torch.stack([candidate.frames(task, pairs, positions) for candidate in candidates], 1)
    save_strip(path, rows.flatten(0, 1))
    for index, candidate in enumerate(candidates):
        own = beside.get((candidate.name, candidate.control))
        if own is not None:
            save_strip(own, rows[:, index])


def save_bars(path: Path, board: Leaderboard) -> None:
    """A PNG of all scores with their intervals, one panel for each metric; metrics that fail their check are grey.

    Raises a `MissingDependencyError` without matplotlib and an `OutputError` if it cannot be written.
    """
    metrics = board.metrics
    names = [record.candidate for record in board.records]
    columns = min(4, len(metrics))
    rows = -(-len(metrics) // columns)
    figure: Any = matplotlib_figure()(figsize=(4 * columns, rows * (1 + 0.28 * len(names))), layout="constrained")
    panels: Any = figure.subplots(rows, columns, squeeze=False)
    for panel, named in zip(panels.flat, metrics, strict=False):
        found = [record.scores.get(named.name) for record in board.records]
        shown = [(i, s.value, s) for i, s in enumerate(found) if s is not None and s.value is not None]
        colors = ["C0" if i < len(board.models) else "C1" for i, _, _ in shown]
        valid = board.check(named).valid
        panel.barh([i for i, _, _ in shown], [v for _, v, _ in shown], color=colors if valid else "0.7")
        for i, _, s in shown:
            if s.low is not None and s.high is not None:
                panel.plot([s.low, s.high], [i, i], color="black", linewidth=1)
        panel.set_yticks(range(len(names)), names, fontsize=7)
        panel.invert_yaxis()
        note = "" if valid else ", fails its check"
        panel.set_title(f"{named.metric.title} ({board.aim(named).words}){note}", fontsize=8)
        panel.tick_params(axis="x", labelsize=7)
    for panel in panels.flat[len(metrics) :]:
        panel.set_visible(False)
    save_figure(figure, path)


def save_correlations(path: Path, board: Leaderboard) -> bool:
    """A PNG of `rank_correlations`, if there are any; returns whether there are.

    Raises as `save_bars`.
    """
    found = rank_correlations(board)
    names = list(dict.fromkeys(a for a, _ in found))
    if len(names) < 2:
        return False
    figure: Any = matplotlib_figure()(figsize=(1.5 + 0.4 * len(names), 1.2 + 0.4 * len(names)), layout="constrained")
    axes: Any = figure.subplots()
    picture = axes.imshow([[found[a, b] for b in names] for a in names], vmin=-1, vmax=1, cmap="RdBu")
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=7)
    axes.set_yticks(range(len(names)), names, fontsize=7)
    axes.set_title("rank correlation over models", fontsize=8)
    figure.colorbar(picture)
    save_figure(figure, path)
    return True


def rank_correlations(board: Leaderboard) -> Mapping[tuple[str, str], float]:
    """Spearman's correlation of every two metrics over the models: 1 where they rank alike from best to worst.

    It is NaN where all models have one score. Metrics by which not every model has a score are left out, and with
    fewer than 4 models there is none.
    """
    from scipy.stats import ConstantInputWarning, spearmanr

    if len(board.models) < _FEWEST:
        return {}
    columns: dict[str, list[float]] = {}
    for named in board.metrics:
        aim, scores = board.aim(named), [record.scores.get(named.name) for record in board.models]
        values = [aim.loss(score) for score in scores if score is not None and score.value is not None]
        if aim.ranked and len(values) == len(board.models):
            columns[named.name] = values
    found: dict[tuple[str, str], Any] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConstantInputWarning)
        for a, b in product(columns, repeat=2):
            found[a, b] = spearmanr(columns[a], columns[b])
    return {names: float(result.statistic) for names, result in found.items()}


def matplotlib_figure() -> Any:
    """Matplotlib's class of figures; raises a `MissingDependencyError` if matplotlib is not installed."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingDependencyError(f"plots need matplotlib: {how_to_install('train')}") from None
    return Figure


def save_figure(figure: Any, path: str | os.PathLike[str]) -> None:
    """Write a figure of matplotlib as a PNG; raises an `OutputError` if it cannot be written."""
    with atomic_write(path) as temporary:
        figure.savefig(temporary, format="png", dpi=100)
