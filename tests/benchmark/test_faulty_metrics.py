"""Faulty metrics of plugins: each is named, and every other metric is measured all the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import pytest
import torch

from interpzoo.benchmark import Evaluation, Measured, Metric, NotApplicable
from interpzoo.benchmark.candidates import ControlCandidate
from interpzoo.benchmark.metric import metrics_named
from interpzoo.benchmark.run import score_candidate
from interpzoo.errors import InputError, PluginError
from interpzoo.interfaces.component import Configured
from tests.benchmark.conftest import TINY, task_of
from tests.models.conftest import register_mine as register_mine

Register = Callable[[str, str, type[Configured[Any]]], None]


class Sound(Metric):
    """Half, whatever the frames are."""

    title = "half"
    family = "realism"
    better = "lower"

    def measure(self, evaluation: Evaluation) -> Measured | NotApplicable:
        return Measured(0.5)


class Untitled(Metric):
    """Without a title, of an unknown family, and in need of what there is not."""

    family: ClassVar[Any] = "beauty"
    better = "lower"
    needs: ClassVar[Any] = frozenset({"gpu"})

    def measure(self, evaluation: Evaluation) -> Measured | NotApplicable:
        return Measured(0.5)


class Number(Sound):
    """A number in place of a score."""

    def measure(self, evaluation: Evaluation) -> Any:
        return 0.5


def test_a_metric_without_what_tables_need_is_left_out_and_named(register_mine: Register) -> None:
    ours = [named.name for named in metrics_named()]
    register_mine("metric", "beauty", Untitled)
    with pytest.warns(UserWarning, match="metric 'beauty' is left out: plugin 'mine'"):
        assert [named.name for named in metrics_named()] == ours
    with pytest.raises(PluginError) as refusal:
        metrics_named(["beauty"])
    assert str(refusal.value) == (
        "plugin 'mine' (interpzoo-mine 1.0): metric 'beauty' has title = None, expected a text; family = 'beauty', "
        "expected one of truth, representation, reconstruction, realism, motion, geometry; needs = 'gpu', expected one "
        "of truth, label, data, ends, apart, model, differentiable: set it in its class"
    )


def test_a_metric_that_cannot_be_imported_is_left_out_and_named(
    register_mine: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    register_mine("metric", "gone", Sound)
    monkeypatch.delattr(f"{__name__}.Sound")
    with pytest.warns(UserWarning, match="metric 'gone' is left out: .*cannot be imported"):
        found = metrics_named()
    assert "gone" not in [named.name for named in found]
    with pytest.raises(PluginError, match=r"plugin 'mine' .*cannot be imported"):
        metrics_named(["sharpness", "gone"])


def test_what_is_no_score_is_an_error_of_the_metric_alone(register_mine: Register) -> None:
    for name, metric in (("number", Number), ("half", Sound)):
        register_mine("metric", name, metric)
    task = task_of("lines", size=16, protocol=TINY)
    record = score_candidate(task, ControlCandidate("blend"), metrics_named(["number", "half"]), tolerant=True)
    assert record.scores["number"].error == "metric 'number' gives 0.5, expected Measured or NotApplicable"
    assert record.scores["half"].value == 0.5


def test_the_mean_is_over_pairs_alone() -> None:
    with pytest.raises(InputError, match=r"values have shape \(4, 9\), expected \(n,\)"):
        Measured.mean(torch.zeros(4, 9))
