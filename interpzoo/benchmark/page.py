"""The page of a benchmark: for each data set who is best by which family, every figure, and which metrics are fit."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from itertools import groupby

from interpzoo.benchmark.metric import Metric
from interpzoo.benchmark.report import Board, markdown, table
from interpzoo.benchmark.run import NamedMetric

_HEAD = """\
# Leaderboard

Made of the records of `interpzoo benchmark`. Each table is of one data set and one protocol. Brackets are 95 %
intervals over pairs of images; `*` marks the models whose interval meets that of the best. In parentheses are controls,
paths of no model: `truth` is the true way where it is known, `nearest` the training images nearest to it (to the blend,
where it is not known), `jump` one image and then the other, `blend` their fade.

No family of metrics can rank alone. *Realism* is blind to a jump between two real images, *motion* to an even fade, and
*truth* is known on drawn data only; *reconstruction* is the price that is paid at the ends. *Representation* and
*geometry* are of the codes, not of what is seen. Read a row across. A metric that does not put the controls in its own
order on a data set is unfit there, and is left out of the summary.
"""


def render(boards: Sequence[Board], *, pictures: bool = False) -> str:
    """The page as Markdown.

    Args:
        boards: one for each data set.
        pictures: whether the pictures of `save_pictures` are beside it.
    """
    parts = [_HEAD, *(part for board in boards for part in _board(board, pictures)), _metrics(boards)]
    return "\n".join(parts)


def _board(board: Board, pictures: bool) -> Iterator[str]:
    yield f"## {board.name}\n"
    yield _protocol(board)
    chosen = board.headlines()
    if board.models and chosen:
        yield "\n".join(_verdict(board, named) for named in chosen) + "\n"
    if chosen:
        yield markdown(table(board, chosen))
    if pictures:
        yield f"![The same pairs by each, in the order of the table]({board.name}/strips.png)\n"
        yield f"![Figures with intervals]({board.name}/bars.png)\n"
    for family, group in groupby(board.metrics, key=lambda named: named.metric.family):
        metrics = [n for n in group if any(board.value(r, n) is not None for r in board.subjects)]
        if metrics:
            yield f"<details><summary>All of {family}</summary>\n"
            yield markdown(table(board, metrics))
            yield "".join(f"- {_fitness(board, named)}\n" for named in metrics)
            yield "</details>\n"


def _protocol(board: Board) -> str:
    record = board.subjects[0]
    counts = record.protocol
    trained = sorted({r.samples for r in board.models})
    samples = " or ".join(f"{n:,}" for n in trained)
    return (
        f"{counts.pairs} pairs at most, seed {counts.seed}; features: {record.features}."
        + (f" Models saw {samples} training images" + (" each." if len(trained) == 1 else ".") if trained else "")
        + "\n"
    )


def _verdict(board: Board, named: NamedMetric) -> str:
    first, *others = board.best(named)
    equals = f", not to be told from {', '.join(f'`{name}`' for name in others)}" if others else ""
    return f"- {named.metric.family}, by {named.metric.title}: `{first}`{equals}"


def _fitness(board: Board, named: NamedMetric) -> str:
    found = board.fitness(named)
    if found.missed:
        return f"**{named.metric.title} is unfit here**: {'; '.join(found.missed)}"
    if not found.tested:
        return f"{named.metric.title}: no control tests it"
    return f"{named.metric.title} is fit: {'; '.join(found.seen)}"


def _metrics(boards: Sequence[Board]) -> str:
    """What each metric sees and misses, and where it was found fit."""
    named = {n.name: n for board in boards for n in board.metrics}
    lines = ["## What the metrics see and miss\n"]
    for name, metric in named.items():
        cls: type[Metric] = type(metric.metric)
        text = " ".join(inspect.cleandoc(cls.__doc__ or "").split())
        tested = [board for board in boards if metric in board.metrics and board.fitness(metric).tested]
        fit = [board.name for board in tested if board.fitness(metric).fit]
        unfit = [board.name for board in tested if not board.fitness(metric).fit]
        evidence = (f" Fit on {', '.join(fit)}." if fit else "") + (f" Unfit on {', '.join(unfit)}." if unfit else "")
        lines.append(f"- **{metric.metric.title}** (`{name}`, {metric.metric.family}): {text}{evidence}")
    return "\n".join(lines) + "\n"
