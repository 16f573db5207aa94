"""What records say: which metrics are fit on which data, who is best by which family, and how far metrics agree."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final, get_args

from interpzoo.benchmark.metric import Control, Family
from interpzoo.benchmark.results import Figure, Record
from interpzoo.benchmark.run import NamedMetric

ARROWS: Final = {"lower": "v", "higher": "^"}
_FEWEST: Final = 4
"""Models from which on two rankings are compared."""


@dataclass(frozen=True)
class Fitness:
    """Whether a metric finds the controls in its own order on a data set."""

    seen: tuple[str, ...]
    """``truth < blend``: what it finds in order."""
    missed: tuple[str, ...]
    """``truth 0.3, blend 0.2``: what it does not."""

    @property
    def fit(self) -> bool:
        """Whether nothing is missed; true of a metric that no control can test."""
        return not self.missed

    @property
    def tested(self) -> bool:
        """Whether there was anything to see."""
        return bool(self.seen or self.missed)


@dataclass(frozen=True)
class Board:
    """The records of one data set."""

    name: str
    models: tuple[Record, ...]
    controls: tuple[Record, ...]
    metrics: tuple[NamedMetric, ...]
    """Those that a record has, by family."""

    @property
    def subjects(self) -> tuple[Record, ...]:
        """Models, then controls."""
        return (*self.models, *self.controls)

    def fitness(self, named: NamedMetric) -> Fitness:
        """Whether a metric is fit here, by the controls."""
        found = {r.subject: f.value for r in self.controls if (f := r.figures.get(named.name)) and f.value is not None}
        seen: list[str] = []
        missed: list[str] = []
        for better, worse in named.metric.order:
            if better in found and worse in found:
                low, high = found[better], found[worse]
                right = low < high if named.metric.better == "lower" else low > high
                (seen if right else missed).append(f"{better} {number(low)}, {worse} {number(high)}")
        return Fitness(tuple(seen), tuple(missed))

    def headlines(self) -> list[NamedMetric]:
        """The first metric of each family that is fit here and that a model has a figure of."""
        chosen: dict[Family, NamedMetric] = {}
        for named in self.metrics:
            if any(self.value(r, named) is not None for r in self.models) and self.fitness(named).fit:
                chosen.setdefault(named.metric.family, named)
        return list(chosen.values())

    def best(self, named: NamedMetric) -> list[str]:
        """The models that a metric cannot tell from the best: whose interval meets the best one's, best first."""
        found = [(self.value(r, named), r) for r in self.models]
        sign = 1 if named.metric.better == "lower" else -1
        rows = sorted(((v * sign, r) for v, r in found if v is not None), key=lambda row: (row[0], row[1].subject))
        if not rows:
            return []
        low, high = _ends(rows[0][1].figures[named.name])
        return [r.subject for _, r in rows if _meets(_ends(r.figures[named.name]), (low, high))]

    def value(self, record: Record, named: NamedMetric) -> float | None:
        """A record's figure, if it has one."""
        figure = record.figures.get(named.name)
        return None if figure is None else figure.value


def boards(records: Iterable[Record], metrics: Sequence[NamedMetric]) -> list[Board]:
    """Records by data set.

    Args:
        records: sorted as `read_records` gives them.
        metrics: all that are registered.
    """
    found: list[Board] = []
    for name, group in groupby(records, key=lambda record: record.arena):
        rows = list(group)
        known = {metric for record in rows for metric in record.figures}
        rank = {control: number for number, control in enumerate(get_args(Control))}
        found.append(
            Board(
                name,
                tuple(record for record in rows if not record.control),
                tuple(sorted((r for r in rows if r.control), key=lambda r: rank.get(r.subject, len(rank)))),
                tuple(named for named in metrics if named.name in known),
            )
        )
    return found


def table(board: Board, metrics: Sequence[NamedMetric]) -> list[list[str]]:
    """Header and rows of a table: every subject, models whose interval meets the best one's marked with ``*``."""
    winners = {named.name: board.best(named) for named in metrics}
    header = ["", *(f"{named.metric.title} ({named.metric.better})" for named in metrics)]
    rows = [header]
    for record in board.subjects:
        name = f"({record.subject})" if record.control else record.subject
        marks = ["*" if record.subject in winners[n.name] and not record.control else "" for n in metrics]
        figures = [record.figures.get(named.name) for named in metrics]
        rows.append([name, *(f"{cell(f)}{mark}" for f, mark in zip(figures, marks, strict=True))])
    return rows


def cell(figure: Figure | None) -> str:
    """``0.12 [0.1, 0.14]``, or a dash where there is none, or ``failed``."""
    if figure is None or figure.reason:
        return "-"
    if figure.value is None:
        return "failed"
    if figure.low is None or figure.high is None:
        return number(figure.value)
    return f"{number(figure.value)} [{number(figure.low)}, {number(figure.high)}]"


def number(value: float) -> str:
    """Three digits."""
    return f"{value:.3g}"


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table of header and rows."""
    lines = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def rank_correlations(board: Board, metrics: Sequence[NamedMetric]) -> Mapping[tuple[str, str], float]:
    """Spearman's correlation of every two metrics over the models, as good and bad: 1 where they rank alike.

    Empty with fewer than 4 models; a metric that not every model has a figure of is left out.
    """
    if len(board.models) < _FEWEST:
        return {}
    ranks: dict[str, list[float]] = {}
    for named in metrics:
        values = [board.value(record, named) for record in board.models]
        if None not in values:
            sign = 1.0 if named.metric.better == "lower" else -1.0
            ranks[named.name] = _ranks([sign * value for value in values if value is not None])
    return {(a, b): _correlation(ranks[a], ranks[b]) for a in ranks for b in ranks}


def _ranks(values: Sequence[float]) -> list[float]:
    """From 0, equal values sharing the mean of their places."""
    return [sum(other < v for other in values) + (sum(other == v for other in values) - 1) / 2 for v in values]


def _correlation(a: Sequence[float], b: Sequence[float]) -> float:
    mean = (len(a) - 1) / 2
    across = sum((x - mean) * (y - mean) for x, y in zip(a, b, strict=True))
    own = math.sqrt(sum((x - mean) ** 2 for x in a) * sum((y - mean) ** 2 for y in b))
    return across / own if own else math.nan


def _ends(figure: Figure) -> tuple[float, float]:
    value = math.nan if figure.value is None else figure.value
    return (value, value) if figure.low is None or figure.high is None else (figure.low, figure.high)


def _meets(a: tuple[float, float], b: tuple[float, float]) -> bool:
    return a[0] <= b[1] and b[0] <= a[1]
