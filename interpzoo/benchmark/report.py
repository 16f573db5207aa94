"""What records say together: which metrics are valid on which task, and which models are best by each."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from interpzoo.benchmark.metric import Family, NamedMetric
from interpzoo.benchmark.ranking import Aim, Gap
from interpzoo.benchmark.results import Record, Score

_JUDGES: Final[tuple[Family, ...]] = ("truth", "realism")


@dataclass(frozen=True)
class SanityCheck:
    """Whether a metric ranks the controls in its own order on a task, with intervals apart."""

    passed: tuple[str, ...]
    """Pairs of controls that it ranks as it should, with their scores: ``truth 0, blend 0.2``."""
    failed: tuple[str, ...]
    """Pairs of controls that it ranks the other way round, or whose intervals overlap: ``truth 0.3, blend 0.2``."""

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

    @property
    def version(self) -> int:
        """Version of the measures; scores of older ones are shown and not compared."""
        return max(record.format for record in self.records)

    def by_family(self) -> Iterator[tuple[str, list[NamedMetric]]]:
        """The metrics of each family that give a model or a control a score."""
        for family, group in groupby(self.metrics, key=lambda named: named.metric.family):
            if found := [named for named in group if any(value_of(r, named) is not None for r in self.records)]:
                yield family, found

    def aim(self, named: NamedMetric) -> Aim:
        """What a metric's scores should be here."""
        return Aim.of(named.metric, self._control("truth", named))

    def check(self, named: NamedMetric) -> SanityCheck:
        """Check a metric against the controls."""
        aim = self.aim(named)
        passed: list[str] = []
        failed: list[str] = []
        for better, worse in named.metric.order:
            first, second = (self._control(name, named) for name in (better, worse))
            if first is not None and second is not None:
                right = aim.ends(first)[1] < aim.ends(second)[0]
                (passed if right else failed).append(f"{better} {cell(first)}, {worse} {cell(second)}")
        return SanityCheck(tuple(passed), tuple(failed))

    def headlines(self) -> list[NamedMetric]:
        """The first metric of each family that is valid here and gives a model a score.

        A metric of geometry only if a control checks it: the codes of pixels are flat, and straight lines between them
        are fades.
        """
        chosen: dict[Family, NamedMetric] = {}
        for named in self.metrics:
            check = self.check(named)
            known = any(value_of(r, named) is not None for r in self.models)
            if known and check.valid and (check.checked or named.metric.family != "geometry"):
                chosen.setdefault(named.metric.family, named)
        return list(chosen.values())

    def best(self, named: NamedMetric) -> list[str]:
        """The best model by a metric, and then those that the same pairs do not show to be worse.

        None where the metric ranks no model, or where all scores are of too few pairs, see `FEWEST`.
        """
        aim = self.aim(named)
        found = [(r.scores.get(named.name), r.candidate) for r in self.models if r.format == self.version]
        ranked = [(score, name) for score, name in found if score and aim.ranks(score)]
        rows = sorted(ranked, key=lambda row: (aim.loss(row[0]), row[1]))
        return [name for score, name in rows if score is rows[0][0] or aim.gap(score, rows[0][0]).low <= 0]

    def yardstick(self) -> NamedMetric | None:
        """The metric that says whether a model is worse than the blend: the first valid one that the blend fails.

        That is one of truth where it is known, otherwise one of realism.
        """
        for named in self.metrics:
            judges = named.metric.family in _JUDGES and any(worse == "blend" for _, worse in named.metric.order)
            if judges and self._control("blend", named) and (check := self.check(named)).checked and check.valid:
                return named
        return None

    def below_blend(self) -> dict[str, Gap]:
        """The models that are worse than the blend by the `yardstick`, and by how much: the interval excludes 0."""
        named = self.yardstick()
        blend = None if named is None else self._control("blend", named)
        if named is None or blend is None:
            return {}
        aim = self.aim(named)
        scores = {r.candidate: s for r in self.models if (s := r.scores.get(named.name)) and s.value is not None}
        gaps = {name: aim.gap(score, blend) for name, score in scores.items()}
        return {name: gap for name, gap in gaps.items() if gap.low > 0}

    def _control(self, name: str, named: NamedMetric) -> Score | None:
        """The score of a control, if it has one."""
        found = [r.scores.get(named.name) for r in self.controls if r.candidate == name and r.format == self.version]
        return next((score for score in found if score and score.value is not None), None)


def value_of(record: Record, named: NamedMetric) -> float | None:
    """A record's score by a metric, if it has one."""
    score = record.scores.get(named.name)
    return None if score is None else score.value


def leaderboards(records: Iterable[Record], metrics: Sequence[NamedMetric]) -> list[Leaderboard]:
    """Group records, sorted as by `read_records`, by task; `metrics` are all registered ones."""
    found: list[Leaderboard] = []
    for name, group in groupby(records, key=lambda record: record.task):
        rows = list(group)
        known = {metric for record in rows for metric in record.scores}
        models, controls = (tuple(r for r in rows if r.control == control) for control in (False, True))
        found.append(Leaderboard(name, models, controls, tuple(named for named in metrics if named.name in known)))
    return found


def table(board: Leaderboard, metrics: Sequence[NamedMetric]) -> list[list[str]]:
    """Header and rows of a table of all candidates; ``*`` marks the models of `Leaderboard.best`."""
    best, below = {named.name: board.best(named) for named in metrics}, board.below_blend()
    rows = [["", *(f"{named.metric.title} ({board.aim(named).words})" for named in metrics)]]
    for record in board.records:
        name = f"({record.candidate})" if record.control else record.candidate
        name += ", worse than the blend" if record.candidate in below and not record.control else ""
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
