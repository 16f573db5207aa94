"""Every metric ranks the controls in the order that it declares, on at least two data sets."""

from __future__ import annotations

from itertools import groupby
from typing import Final

import pytest
from interpzoo_metrics import probes

from interpzoo.benchmark import Evaluation
from interpzoo.benchmark.candidates import ControlCandidate, controls
from interpzoo.benchmark.metric import metrics_named
from interpzoo.benchmark.protocol import EvaluationProtocol
from interpzoo.benchmark.report import Leaderboard
from interpzoo.benchmark.run import measure, score_candidate, unmet
from interpzoo.plugins import registry
from interpzoo.registry import FIRST_PARTY
from tests.benchmark.conftest import task_of

DATA: Final = ("lines", "pole-shadow", "sundial", "arc")
INVALID: Final = {
    # The nearest of few images changes again and again.
    ("path-length", "pole-shadow"),
}
OURS = {row.name for row in registry().components["metric"] if row.owner.distribution == FIRST_PARTY}
ORDERED = [named for named in metrics_named() if named.metric.order and named.name in OURS]


@pytest.mark.slow
@pytest.mark.parametrize("data", DATA)
def test_metrics_rank_the_controls_in_their_own_order(data: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "_STEPS", 200)
    task = task_of(data)
    records = tuple(score_candidate(task, control, ORDERED) for control in controls(task))
    board = Leaderboard(data, (), records, tuple(ORDERED))
    for named in ORDERED:
        check = board.check(named)
        assert len(check.passed) + len(check.failed) == len(named.metric.order)
        # Intervals of so few pairs overlap: the scores themselves are in order.
        aim, found = board.aim(named), {r.candidate: r.scores[named.name] for r in records}
        right = all(aim.loss(found[first]) < aim.loss(found[second]) for first, second in named.metric.order)
        assert right == ((named.name, data) not in INVALID), (named.name, check)


def test_every_order_is_valid_on_at_least_two_data_sets() -> None:
    for named in ORDERED:
        assert len([data for data in DATA if (named.name, data) not in INVALID]) >= 2


def test_every_family_has_one_leading_metric() -> None:
    ours = [named.metric for named in metrics_named() if named.name in OURS]
    for family, group in groupby(ours, key=lambda metric: metric.family):
        assert [metric.leading for metric in group].count(True) == 1, family


def test_every_metric_describes_itself() -> None:
    for named in metrics_named():
        assert (type(named.metric).__doc__ or "").strip()
        assert named.metric.title
        assert named.metric.better in ("lower", "higher")


@pytest.mark.slow
def test_alpha_is_predictable_for_a_cross_fade_of_lines_and_not_for_real_ones() -> None:
    """With the default protocol: a third of 64 pairs would be few to test on."""
    task = task_of("lines", protocol=EvaluationProtocol(resamples=20))
    (named,) = metrics_named(["alpha-predictability"])
    blend, truth = (measure(Evaluation(task, ControlCandidate(name)), named).value for name in ("blend", "truth"))
    assert blend is not None
    assert truth is not None
    assert blend >= 0.8
    assert truth <= 0.1


def test_controls_lack_what_some_metrics_need() -> None:
    evaluation = Evaluation(task_of("lines"), ControlCandidate("blend"))
    for named in metrics_named():
        reason = unmet(evaluation, named.metric)
        assert bool(reason) == bool({"model", "differentiable", "label"} & named.metric.needs)
        if "label" not in named.metric.needs and reason:
            assert reason == "a control has neither codes nor a decoder"


def test_controls_of_a_data_set_with_ground_truth() -> None:
    assert [control.name for control in controls(task_of("lines"))] == ["truth", "nearest", "jump", "blend"]
