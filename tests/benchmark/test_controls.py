"""Every metric against the controls: the order that it declares is seen on at least two data sets."""

from __future__ import annotations

from functools import cache
from itertools import groupby
from typing import Final

import pytest

from interpzoo.benchmark import Evaluation
from interpzoo.benchmark.candidates import ControlCandidate, controls
from interpzoo.benchmark.metric import NamedMetric, metrics_named
from interpzoo.benchmark.protocol import EvaluationProtocol
from interpzoo.benchmark.report import Leaderboard, SanityCheck
from interpzoo.benchmark.results import Record, Score
from interpzoo.benchmark.run import measure, unmet
from interpzoo.plugins import registry
from interpzoo.registry import FIRST_PARTY
from tests.benchmark.conftest import task_of

DATA: Final = ("lines", "pole-shadow", "sundial", "arc")
UNFIT: Final = {
    # On the way round its centre a thin line leaves its own pixels several times: longer than a fade's jump.
    ("path-length", "lines"),
    # The nearest of few images is another one again and again.
    ("path-length", "pole-shadow"),
}
OURS = {row.name for row in registry().components["metric"] if row.owner.distribution == FIRST_PARTY}
ORDERED = [named for named in metrics_named() if named.metric.order and named.name in OURS]


@cache
def evaluations(data: str) -> dict[str, Evaluation]:
    task = task_of(data)
    return {control.name: Evaluation(task, control) for control in controls(task)}


@cache
def figure(name: str, data: str, control: str) -> Score:
    (named,) = metrics_named([name])
    return measure(evaluations(data)[control], named)


def sanity_check(named: NamedMetric, data: str) -> SanityCheck:
    task = task_of(data)
    records = [
        Record(
            candidate=control,
            control=True,
            data=task.component,
            image=task.image,
            features=task.network.name,
            protocol=task.protocol,
            scores={named.name: figure(named.name, data, control)},
        )
        for control in evaluations(data)
    ]
    return Leaderboard(data, (), tuple(records), (named,)).check(named)


@pytest.mark.slow
@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("named", ORDERED, ids=lambda named: named.name)
def test_a_metric_sees_its_own_order_or_is_known_to_be_unfit(named: NamedMetric, data: str) -> None:
    found = sanity_check(named, data)
    assert len(found.passed) + len(found.failed) == len(named.metric.order)
    assert found.valid == ((named.name, data) not in UNFIT), found


def test_every_order_is_seen_on_two_data_sets_at_least() -> None:
    for named in ORDERED:
        assert len([data for data in DATA if (named.name, data) not in UNFIT]) >= 2


def test_every_family_has_one_leading_metric() -> None:
    ours = [named.metric for named in metrics_named() if named.name in OURS]
    for family, group in groupby(ours, key=lambda metric: metric.family):
        assert [metric.leading for metric in group].count(True) == 1, family


def test_every_metric_says_what_it_is_and_where_from() -> None:
    for named in metrics_named():
        assert (type(named.metric).__doc__ or "").strip()
        assert named.metric.title
        assert named.metric.better in ("lower", "higher")


@pytest.mark.slow
def test_alpha_can_be_told_of_a_fade_of_lines_and_not_of_true_ones() -> None:
    """By the default protocol: a third of 64 pairs would be few to tell."""
    task = task_of("lines", protocol=EvaluationProtocol(resamples=20))
    (named,) = metrics_named(["alpha-predictability"])
    blend, truth = (measure(Evaluation(task, ControlCandidate(name)), named).value for name in ("blend", "truth"))
    assert (blend or 0) >= 0.8
    assert truth is not None
    assert truth <= 0.1


@pytest.mark.slow
def test_the_golden_lines_of_the_paper() -> None:
    """Of 256 random pairs by the official code: a fade 6.33e-3 and 0.89, an ideal way 1.7e-7 and 1e-3, a jump 0.93."""
    assert figure("mean-distance", "lines", "blend").value == pytest.approx(6.33e-3, rel=0.1)
    assert figure("mean-smoothness", "lines", "blend").value == pytest.approx(0.89, abs=0.05)
    assert (figure("mean-distance", "lines", "truth").value or 1) < 3e-7
    assert (figure("mean-smoothness", "lines", "truth").value or 1) < 2e-3
    assert figure("mean-smoothness", "lines", "jump").value == pytest.approx(14 / 15)


def test_controls_have_no_codes_and_metrics_say_so() -> None:
    evaluation = evaluations("lines")["blend"]
    for named in metrics_named():
        reason = unmet(evaluation, named.metric)
        assert bool(reason) == bool({"model", "differentiable", "label"} & named.metric.needs)
        if "label" not in named.metric.needs and reason:
            assert reason == "a control has neither codes nor a decoder"


def test_the_true_way_is_a_control_only_where_it_is_known() -> None:
    assert [control.name for control in controls(task_of("lines"))] == ["truth", "nearest", "jump", "blend"]
