"""Pictures of a benchmark: the same pairs by all models, figures with their intervals, and how metrics agree."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import torch

from interpzoo.benchmark.report import Board, rank_correlations
from interpzoo.benchmark.run import NamedMetric
from interpzoo.benchmark.trial import Arena, Subject
from interpzoo.errors import MissingDependencyError
from interpzoo.files import atomic_write
from interpzoo.images import save_strip

STRIP_PAIRS: Final = 3
STRIP_FRAMES: Final = 9


def save_strips(path: Path, arena: Arena, subjects: Sequence[Subject]) -> None:
    """A PNG of the same pairs by each subject: for each pair as many rows as there are subjects, in their order.

    Raises:
        OutputError: it cannot be written.
    """
    n = min(STRIP_PAIRS, len(arena.pairs[0]))
    positions = torch.linspace(0, 1, STRIP_FRAMES)
    rows = torch.stack([subject.frames(arena, n, positions) for subject in subjects], 1)
    save_strip(path, rows.flatten(0, 1))


def save_bars(path: Path, board: Board, metrics: Sequence[NamedMetric]) -> None:
    """A PNG of every subject's figures with their intervals, one panel a metric; unfit metrics are grey.

    Raises:
        MissingDependencyError: matplotlib is not installed.
        OutputError: it cannot be written.
    """
    figure_class = matplotlib_figure()
    names = [record.subject for record in board.subjects]
    columns = min(4, len(metrics))
    rows = -(-len(metrics) // columns)
    figure: Any = figure_class(figsize=(4 * columns, rows * (1 + 0.28 * len(names))), layout="constrained")
    panels: Any = figure.subplots(rows, columns, squeeze=False)
    for panel, named in zip(panels.flat, metrics, strict=False):
        found = [record.figures.get(named.name) for record in board.subjects]
        values = [None if f is None else f.value for f in found]
        shown = [(i, v, f) for i, (v, f) in enumerate(zip(values, found, strict=True)) if v is not None and f]
        colours = ["C0" if i < len(board.models) else "C1" for i, _, _ in shown]
        fit = board.fitness(named).fit
        panel.barh([i for i, _, _ in shown], [v for _, v, _ in shown], color=colours if fit else "0.7")
        for i, _, f in shown:
            if f.low is not None and f.high is not None:
                panel.plot([f.low, f.high], [i, i], color="black", linewidth=1)
        panel.set_yticks(range(len(names)), names, fontsize=7)
        panel.invert_yaxis()
        panel.set_title(f"{named.metric.title} ({named.metric.better})" + ("" if fit else ", unfit here"), fontsize=8)
        panel.tick_params(axis="x", labelsize=7)
    for panel in panels.flat[len(metrics) :]:
        panel.set_visible(False)
    _save(figure, path)


def save_correlations(path: Path, board: Board, metrics: Sequence[NamedMetric]) -> bool:
    """A PNG of Spearman's rank correlations of the metrics over the models; nothing with too few models.

    Returns:
        Whether there was anything to show.

    Raises:
        MissingDependencyError: matplotlib is not installed.
        OutputError: it cannot be written.
    """
    found: Mapping[tuple[str, str], float] = rank_correlations(board, metrics)
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
    _save(figure, path)
    return True


def matplotlib_figure() -> Any:
    """The class of a figure, without which there are no plots.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    try:
        return importlib.import_module("matplotlib.figure").Figure
    except ImportError:
        raise MissingDependencyError("plots need matplotlib: pip install 'interpzoo[train]'") from None


def _save(figure: Any, path: Path) -> None:
    with atomic_write(path) as temporary:
        figure.savefig(temporary, format="png", dpi=100)
