"""How scores are ranked: targets, paired differences, too few pairs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from interpzoo.benchmark.metric import Metric, metrics_named
from interpzoo.benchmark.ranking import FEWEST, Aim
from interpzoo.benchmark.results import Score, packed
from interpzoo.config import validate
from interpzoo.errors import ConfigError

DRAWS = torch.linspace(-1, 1, 201, dtype=torch.float64)


def metric(name: str) -> Metric:
    return metrics_named([name])[0].metric


def score(value: float, width: float = 0.1, draws: Tensor | None = None, pairs: int = 256) -> Score:
    text = "" if draws is None else packed(draws)
    ends = {"low": value - width, "high": value + width}
    return Score(title="x", family="realism", better="higher", value=value, pairs=pairs, draws=text, **ends)


def test_a_score_past_the_target_is_as_bad_as_one_before_it() -> None:
    aim = Aim.of(metric("sharpness"), None)
    assert aim.words == "near 1"
    assert aim.loss(score(1.25)) == aim.loss(score(0.75)) == 0.25
    assert aim.ends(score(1.5, 0.25)) == (0.25, 0.75)
    assert aim.ends(score(1.0, 0.5)) == (0, 0.5)


def test_the_truth_is_the_target_where_it_is_known() -> None:
    jump, length = metric("largest-jump"), metric("path-length")
    assert [Aim.of(m, None).words for m in (jump, length)] == ["lower", "no rank"]
    truth = score(0.5, draws=0.5 + DRAWS)
    for m in (jump, length):
        aim = Aim.of(m, truth)
        assert aim.words == "near the truth"
        assert aim.loss(score(0.25)) == aim.loss(score(0.75)) == 0.25
    # The candidate is 0.25 from the truth on every resample of the pairs, whichever way these go.
    assert Aim.of(jump, truth).gap(score(0.75, draws=0.75 + DRAWS), truth).low == pytest.approx(0.25)


def test_the_same_pairs_tell_scores_apart_whose_intervals_overlap() -> None:
    aim = Aim.of(metric("in-between-mse"), None)
    better, worse = score(1.0, 1.0, 1 + DRAWS), score(1.1, 1.0, 1.1 + DRAWS)
    gap = aim.gap(worse, better)
    assert (gap.value, gap.low, gap.high) == pytest.approx((0.1, 0.1, 0.1))
    alone = aim.gap(score(1.1, 1.0), score(1.0, 1.0))
    assert (alone.value, alone.low, alone.high) == pytest.approx((0.1, -1.9, 2.1))


def test_higher_is_better_where_the_metric_says_so() -> None:
    aim = Aim.of(metric("coverage"), None)
    assert aim.gap(score(0.5, draws=DRAWS), score(0.75, draws=DRAWS)).value == 0.25


def test_a_score_of_few_pairs_has_no_rank() -> None:
    aim = Aim.of(metric("sharpness"), None)
    assert [aim.ranks(score(1.0, pairs=n)) for n in (0, 1, FEWEST - 1, FEWEST)] == [True, False, False, True]
    assert not aim.ranks(None)
    assert not Aim.of(metric("straightness"), None).ranks(score(1.0))


def test_resamples_are_kept_in_a_line_of_text() -> None:
    found = score(0.0, draws=DRAWS).resampled
    assert found is not None
    np.testing.assert_array_equal(found, DRAWS.float().double())
    assert score(0.0).resampled is None
    for broken in ("x", "AAA="):
        with pytest.raises(ConfigError, match="draws"):
            validate(Score, {"title": "x", "family": "realism", "better": "lower", "draws": broken}, "it")
