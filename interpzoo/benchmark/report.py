"""What records say together: which metrics are valid on which task, and which models are best by each."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final, get_args

from interpzoo.benchmark.metric import Control, Family, NamedMetric
from interpzoo.benchmark.results import Record, Score

ARROWS: Final = {"lower": "v", "higher": "^"}


@dataclass(frozen=True)
class SanityCheck:
    """Whether a metric ranks the controls in its own order on a task."""

    passed: tuple[str, ...]
    """Pairs of controls that it ranks as it should, with their scores: ``truth 0, blend 0.2``."""
    failed: tuple[str, ...]
    """Pairs of controls that it ranks the other way round: ``truth 0.3, blend 0.2``."""

    @property
    def valid(self) -> bool:
        """Whether nothing failed; also true where no control checks the metric."""
        return not self.failed

    @property
    def checked(self) -> bool:
        """Whether there were any controls to rank."""
        return bool(self.passed or self.failed)


@dataclass(frozen=True)
class Leaderboard:
    """The records of one task."""

    name: str
    models: tuple[Record, ...]
    controls: tuple[Record, ...]
    metrics: tuple[NamedMetric, ...]
    """The metrics that a record has, sorted by family."""

    @property
    def records(self) -> tuple[Record, ...]:
        """Models, then controls."""
        return (*self.models, *self.controls)

    def check(self, named: NamedMetric) -> SanityCheck:
        """Check a metric against the controls."""
        found = {r.candidate: v for r in self.controls if (v := value_of(r, named)) is not None}
        passed: list[str] = []
        failed: list[str] = []
        for better, worse in named.metric.order:
            if better in found and worse in found:
                low, high = found[better], found[worse]
                right = low < high if named.metric.better == "lower" else low > high
                (passed if right else failed).append(f"{better} {number(low)}, {worse} {number(high)}")
        return SanityCheck(tuple(passed), tuple(failed))

    def headlines(self) -> list[NamedMetric]:
        """The first metric of each family that is valid here and that a model has a score of."""
        chosen: dict[Family, NamedMetric] = {}
        for named in self.metrics:
            if any(value_of(r, named) is not None for r in self.models) and self.check(named).valid:
                chosen.setdefault(named.metric.family, named)
        return list(chosen.values())

    def best(self, named: NamedMetric) -> list[str]:
        """The best model by a metric, and then those whose intervals overlap with its own."""
        found = [(value_of(r, named), r) for r in self.models]
        sign = 1 if named.metric.better == "lower" else -1
        rows = sorted(((v * sign, r) for v, r in found if v is not None), key=lambda row: (row[0], row[1].candidate))
        if not rows:
            return []
        low, high = _ends(rows[0][1].scores[named.name])
        return [r.candidate for _, r in rows if _overlap(_ends(r.scores[named.name]), (low, high))]


def value_of(record: Record, named: NamedMetric) -> float | None:
    """A record's score by a metric, if it has one."""
    score = record.scores.get(named.name)
    return None if score is None else score.value


def leaderboards(records: Iterable[Record], metrics: Sequence[NamedMetric]) -> list[Leaderboard]:
    """Group records, sorted as by `read_records`, by task; `metrics` are all registered ones."""
    found: list[Leaderboard] = []
    rank = {control: number for number, control in enumerate(get_args(Control))}
    for name, group in groupby(records, key=lambda record: record.task):
        rows = list(group)
        known = {metric for record in rows for metric in record.scores}
        found.append(
            Leaderboard(
                name,
                tuple(record for record in rows if not record.control),
                tuple(sorted((r for r in rows if r.control), key=lambda r: rank.get(r.candidate, len(rank)))),
                tuple(named for named in metrics if named.name in known),
            )
        )
    return found


def table(board: Leaderboard, metrics: Sequence[NamedMetric]) -> list[list[str]]:
    """Header and rows of a table of all candidates; ``*`` marks the models of `Leaderboard.best`."""
    best = {named.name: board.best(named) for named in metrics}
    rows = [["", *(f"{named.metric.title} ({named.metric.better})" for named in metrics)]]
    for record in board.records:
        name = f"({record.candidate})" if record.control else record.candidate
        marks = ["*" if record.candidate in best[n.name] and not record.control else "" for n in metrics]
        scores = [record.scores.get(named.name) for named in metrics]
        rows.append([name, *(f"{cell(s)}{mark}" for s, mark in zip(scores, marks, strict=True))])
    return rows


def cell(score: Score | None) -> str:
    """``0.12 [0.1, 0.14]``, or a dash where there is no score, or ``failed``."""
    if score is None or score.reason:
        return "-"
    if score.value is None:
        return "failed"
    if score.low is None or score.high is None:
        return number(score.value)
    return f"{number(score.value)} [{number(score.low)}, {number(score.high)}]"


def number(value: float) -> str:
    """Three significant digits."""
    return f"{value:.3g}"


def _ends(score: Score) -> tuple[float, float]:
    value = math.nan if score.value is None else score.value
    return (value, value) if score.low is None or score.high is None else (score.low, score.high)


def _overlap(a: tuple[float, float], b: tuple[float, float]) -> bool:
    return a[0] <= b[1] and b[0] <= a[1]
