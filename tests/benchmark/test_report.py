"""What records say together: sanity checks, best models, agreement of metrics."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from interpzoo.benchmark.html import render_html
from interpzoo.benchmark.metric import NamedMetric, metrics_named
from interpzoo.benchmark.page import render
from interpzoo.benchmark.plots import rank_correlations
from interpzoo.benchmark.protocol import EvaluationProtocol
from interpzoo.benchmark.report import Leaderboard, cell, leaderboards
from interpzoo.benchmark.results import FORMAT, Record, Score, strip_of
from interpzoo.config import Component, ImageSpec

JUMP, ERROR = metrics_named(["largest-jump"])[0], metrics_named(["in-between-mse"])[0]


def figure(named: NamedMetric, value: float, width: float = 0.0) -> Score:
    metric = named.metric
    ends = {"low": value - width, "high": value + width} if width else {}
    return Score(title=metric.title, family=metric.family, better=metric.better, value=value, **ends)


def record(
    candidate: str, jump: float, error: float, *, control: bool = False, width: float = 0.0, version: int = FORMAT
) -> Record:
    return Record(
        format=version,
        candidate=candidate,
        control=control,
        data=Component(name="lines"),
        image=ImageSpec(channels=1, height=32, width=32),
        features="none",
        protocol=EvaluationProtocol(),
        scores={"in-between-mse": figure(ERROR, error, width), "largest-jump": figure(JUMP, jump, width)},
    )


def board(nearest: float = 0.2) -> Leaderboard:
    """Four models; `nearest` is how far the nearest control jumps, of the truth's 0.02 and the jump's 1."""
    models = [
        record(f"m{i}", jump, error, width=0.06)
        for i, (jump, error) in enumerate([(0.1, 4), (0.2, 3), (0.3, 2), (0.4, 1)])
    ]
    controls = [("truth", 0.02, 0), ("nearest", nearest, 1), ("jump", 1, 2), ("blend", 0.01, 3)]
    rows = [*models, *(record(name, jump, error, control=True) for name, jump, error in controls)]
    return leaderboards(rows, [ERROR, JUMP])[0]


def test_a_metric_is_valid_where_it_ranks_the_controls_in_its_order() -> None:
    assert board().check(JUMP).valid
    assert board().headlines() == [ERROR, JUMP]
    unfit = board(nearest=2)
    assert unfit.check(JUMP).failed == ("nearest 2, jump 1",)
    assert unfit.headlines() == [ERROR]
    page = render([unfit])
    assert "**largest jump fails its sanity check here**: nearest 2, jump 1" in page
    assert "Fails its sanity check on lines-32." in page
    assert "- truth, by in-between MSE: `m3`\n" in page


def test_a_metric_fails_where_the_intervals_of_controls_overlap() -> None:
    """The truth is better than the blend, by less than the intervals are wide."""
    rows = [record("truth", 0.1, 0.1, control=True, width=0.02), record("blend", 0.1, 0.13, control=True, width=0.02)]
    failed = leaderboards([record("m", 0.1, 0.1), *rows], [ERROR])[0].check(ERROR).failed
    assert failed == ("truth 0.1 [0.08, 0.12], blend 0.13 [0.11, 0.15]",)
    apart = [record("truth", 0.1, 0.1, control=True, width=0.01), record("blend", 0.1, 0.13, control=True, width=0.01)]
    assert leaderboards([record("m", 0.1, 0.1), *apart], [ERROR])[0].check(ERROR).valid


def test_a_model_that_is_worse_than_the_blend_is_marked() -> None:
    found = board()  # the blend has an error of 3
    assert found.yardstick() == ERROR
    assert {name: gap.value for name, gap in found.below_blend().items()} == {"m0": 1}
    page = render([found])
    assert "- **worse than the blend**, by in-between MSE: `m0` (by 1 [0.94, 1.06])" in page
    assert "| m0, worse than the blend |" in page
    assert "| m1 |" in page
    assert render_html([found]).count("<small>worse than the blend</small>") == 3  # the summary, and two families
    near = [record("m", 0.1, 3.05, width=0.06), *found.controls]
    assert not leaderboards(near, [ERROR, JUMP])[0].below_blend()


def test_scores_by_older_measures_say_so_and_are_not_compared() -> None:
    old = [record("m", 0.1, 0.1, version=1), record("blend", 0.1, 0.2, control=True, version=1)]
    assert "These are scores by version 1 of the measures. Version 2 is the latest" in render(
        leaderboards(old, [ERROR])
    )
    mixed = leaderboards([record("new", 0.1, 0.3), *old], [ERROR])[0]
    assert mixed.best(ERROR) == ["new"]
    assert "Scores by older measures, which are not compared: m, blend." in render([mixed])


def test_a_verdict_without_a_rank_says_why() -> None:
    score = figure(ERROR, 0.1).model_copy(update={"pairs": 9})
    few = record("m", 0.1, 0.1).model_copy(update={"scores": {"in-between-mse": score}})
    assert "- truth, by in-between MSE: no rank, fewer than 30 pairs" in render(leaderboards([few], [ERROR]))


def test_the_best_models_have_overlapping_intervals() -> None:
    assert board().best(JUMP) == ["m0", "m1"]  # from the truth's 0.02, 0.08 +- 0.06 meets 0.18 +- 0.06
    assert board().best(ERROR) == ["m3"]


def test_cells() -> None:
    assert cell(figure(JUMP, 0.1234, 0.05)) == "0.123 [0.0734, 0.173]"
    assert cell(figure(JUMP, 0.5)) == "0.5"
    assert cell(Score(title="x", family="motion", better="lower", reason="no")) == "-"
    assert cell(Score(title="x", family="motion", better="lower", error="no")) == "failed"
    assert cell(None) == "-"


def test_rank_correlations() -> None:
    found = rank_correlations(board())
    assert found["in-between-mse", "in-between-mse"] == pytest.approx(1)
    assert found["in-between-mse", "largest-jump"] == pytest.approx(-1)
    few = Leaderboard("few", board().models[:3], (), (ERROR, JUMP))
    assert rank_correlations(few) == {}
    same = Leaderboard("same", tuple(record(f"m{i}", 0.1, i) for i in range(4)), (), (ERROR, JUMP))
    assert math.isnan(rank_correlations(same)["in-between-mse", "largest-jump"])


def test_the_page_for_browsers_says_what_is_best_and_what_is_not_fit() -> None:
    page = render_html([board(nearest=2)])
    assert '<td class="best" data-value="1.0">1<small>[0.94, 1.06]</small>' in page
    assert '<tr class="control"><th scope="row" data-value="truth">truth</th>' in page
    assert '<b class="failed">largest jump is not fit here</b>: it scores nearest 2, jump 1.' in page
    assert "<small>not fit here</small>" in page
    assert "<img" not in page


def test_the_page_for_browsers_shows_names_and_not_what_they_say(tmp_path: Path) -> None:
    odd = record("<script>alert(1)</script>", 0.1, 1)
    picture = strip_of(odd, tmp_path)
    picture.parent.mkdir(parents=True)
    picture.touch()
    page = render_html(leaderboards([odd], [ERROR, JUMP]), tmp_path)
    assert "<script>alert" not in page
    assert page.count("<script>") == 1
    assert f'src="lines-32/{picture.name}"' in page
