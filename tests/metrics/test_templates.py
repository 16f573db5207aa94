"""Mean Distance and Mean Smoothness, as users get them, against exact values of the ACAI paper's official code."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from interpzoo_metrics.truth import Templates, step_smoothness
from torch import Tensor

from interpzoo.benchmark import Candidate, Evaluation, Measured, NotApplicable, Pairs, Task
from interpzoo.benchmark.metric import metrics_named
from interpzoo.benchmark.protocol import EvaluationProtocol
from interpzoo.config import Component, ImageSpec
from interpzoo.data.lines import draw_lines
from interpzoo.errors import InputError

START, END, STEPS = 5 * math.pi / 7, 3 * math.pi / 2, 16
T = torch.arange(STEPS, dtype=torch.float64) / (STEPS - 1)
DISTANCE, SMOOTHNESS = (metrics_named([name])[0].metric for name in ("mean-distance", "mean-smoothness"))


class Given(Candidate):
    """Frames that are given."""

    name = "given"

    def __init__(self, given: Tensor) -> None:
        self._given = given

    def frames(self, task: Task, pairs: Pairs, positions: Tensor) -> Tensor:
        return self._given


@pytest.fixture(scope="module")
def lines() -> Task:
    return Task(Component(name="lines"), ImageSpec(channels=1, height=32, width=32), EvaluationProtocol())


@pytest.fixture(scope="module")
def coarse() -> Templates:
    return Templates(draw_lines(degrees()))


def degrees() -> Tensor:
    return torch.arange(360, dtype=torch.float64) * (math.pi / 180)


def scores(task: Task, frames: Tensor, start: Tensor, end: Tensor) -> tuple[Measured, Measured | NotApplicable]:
    """Mean Distance and Mean Smoothness of frames between lines at angles (N,)."""
    starts, ends = start[:, None], end[:, None]
    task.pairs = Pairs(task.truth.render(starts), task.truth.render(ends), starts, ends)
    evaluation = Evaluation(task, Given(frames))
    distance = DISTANCE.measure(evaluation)
    assert isinstance(distance, Measured)
    return distance, SMOOTHNESS.measure(evaluation)


def drawn(angles: Tensor) -> Tensor:
    """Frames (N, T, 1, 32, 32) of angles (N, T)."""
    return draw_lines(angles.double().flatten()).view(*angles.shape, 1, 32, 32)


def evenly(start: Tensor, end: Tensor) -> Tensor:
    """Frames of the ground-truth path from angles (N,) to angles (N,)."""
    return drawn(start[:, None] + T * (end - start)[:, None])


def blended(start: Tensor, end: Tensor) -> Tensor:
    """Frames of the cross-fade."""
    weight = T.view(-1, 1, 1, 1)
    return (1 - weight) * drawn(start[:, None]) + weight * drawn(end[:, None])


def abruptly(start: Tensor, end: Tensor) -> Tensor:
    """Frames of the start, then from frame 8 on of the end."""
    return drawn(torch.where(torch.arange(STEPS) < 8, start[:, None], end[:, None]))


def background() -> Tensor:
    return torch.zeros(1, STEPS, 1, 32, 32, dtype=torch.float64)


def angles(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def official_pairs() -> tuple[Tensor, Tensor]:
    random = np.random.RandomState(0)
    start, end = random.rand(256) * 2 * np.pi, random.rand(256) * 2 * np.pi
    return torch.tensor(start), torch.tensor(end)


def shortest_arcs(start: Tensor, end: Tensor) -> Tensor:
    return evenly(start, start + (end - start + math.pi) % (2 * math.pi) - math.pi)


ONE = angles(START), angles(END)


@pytest.mark.parametrize(
    ("frames", "distance", "smoothness"),
    [
        (evenly(*ONE), 1.95801e-07, 1.69678e-05),
        (blended(*ONE), 7.21742e-03, 0.9402053),
        (abruptly(*ONE), 2.46592e-07, 14 / 15),
        (evenly(angles(START), angles(END - 2 * math.pi)), 1.75258e-07, 4.39247e-05),
        (background(), 0.0306539, None),
    ],
    ids=["even", "blend", "abrupt", "long way round", "background"],
)
def test_official_values_of_one_path(lines: Task, frames: Tensor, distance: float, smoothness: float | None) -> None:
    for dtype in (torch.float64, torch.float32):
        found, smooth = scores(lines, frames.to(dtype), *ONE)
        assert found.value == pytest.approx(distance, rel=1e-5)
        if smoothness is None:
            assert isinstance(smooth, NotApplicable)
        else:
            assert isinstance(smooth, Measured)
            assert smooth.value == pytest.approx(smoothness, abs=1e-7)


@pytest.mark.parametrize(
    ("path", "distance", "smoothness"),
    [
        (blended, 6.333019e-03, 0.8906518),
        (shortest_arcs, 1.689110e-07, 1.043505e-03),
        (abruptly, 1.759199e-07, 0.9296875),
    ],
    ids=["blend", "even", "abrupt"],
)
def test_official_values_of_256_pairs(
    lines: Task, path: Callable[[Tensor, Tensor], Tensor], distance: float, smoothness: float
) -> None:
    found, smooth = scores(lines, path(*official_pairs()), *official_pairs())
    assert isinstance(smooth, Measured)
    assert (found.n, smooth.n) == (256, 256)
    assert found.value == pytest.approx(distance, rel=1e-6)
    assert smooth.value == pytest.approx(smoothness, abs=1e-7)


@pytest.mark.parametrize(
    ("official_deviation", "distance"), [(0.01, 5.1e-5), (0.02, 2.0e-4), (0.05, 1.27e-3), (0.1, 5.06e-3)]
)
def test_the_distance_of_real_lines_measures_pixel_noise(
    lines: Task, official_deviation: float, distance: float
) -> None:
    start, end = (values[:32] for values in official_pairs())
    frames = shortest_arcs(start, end)
    noise = torch.randn(frames.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found, _ = scores(lines, frames + official_deviation / 2 * noise, start, end)
    assert found.value == pytest.approx(distance, rel=0.03)


def test_a_path_that_stands_still_counts_as_zero_in_the_mean(lines: Task) -> None:
    two = tuple(values.expand(2) for values in ONE)
    _, smooth = scores(lines, torch.cat([abruptly(*ONE), background()]), *two)
    assert isinstance(smooth, Measured)
    assert smooth.value == pytest.approx(14 / 15 / 2, abs=1e-9)


def test_scores_are_means_over_pairs(lines: Task) -> None:
    start, end = (values[:20] for values in official_pairs())
    frames = blended(start, end)
    generator = torch.Generator()
    for together in scores(lines, frames, start, end):
        assert isinstance(together, Measured)
        assert together.resample is not None
        alone = [together.resample(torch.tensor([row]), generator) for row in range(20)]
        assert together.value == pytest.approx(sum(alone) / 20, abs=1e-12)
    first = scores(lines, frames[:1], start[:1], end[:1])[0]
    assert first.value == pytest.approx(scores(lines, frames, start, end)[0].resample(torch.tensor([0]), generator))


def test_contrast_and_direction_do_not_matter(lines: Task) -> None:
    start, end = (values[:10] for values in official_pairs())
    frames = shortest_arcs(start, end)
    expected = [score.value for score in scores(lines, frames, start, end) if isinstance(score, Measured)]
    for changed in (scores(lines, 0.5 + 0.3 * (frames - 0.5), start, end), scores(lines, frames.flip(1), end, start)):
        found = [score.value for score in changed if isinstance(score, Measured)]
        assert found == pytest.approx(expected, abs=1e-12)


def test_where_the_circle_begins_does_not_matter(lines: Task) -> None:
    across = angles(-0.5), angles(0.5)
    _, smooth = scores(lines, evenly(*across), *across)
    assert isinstance(smooth, Measured)
    assert smooth.value < 2e-3


def test_no_gradients_are_tracked(lines: Task) -> None:
    found, smooth = scores(lines, abruptly(*ONE).requires_grad_(), *ONE)
    assert isinstance(smooth, Measured)
    assert smooth.value == pytest.approx(14 / 15)
    assert found.value < 1e-6


def test_matching_in_chunks_equals_matching_one_by_one(lines: Task) -> None:
    templates = Templates(lines.truth.render(lines.truth.reference_grid()))
    start, end = official_pairs()
    images = blended(start[:30], end[:30]).flatten(0, 1)  # more than are compared with 10,000 templates at a time
    distance, rows = templates.nearest(images)
    alone = [templates.nearest(image[None]) for image in images[::20]]
    assert torch.equal(rows[::20], torch.cat([one for _, one in alone]))
    torch.testing.assert_close(distance[::20], torch.cat([one for one, _ in alone]), rtol=0, atol=1e-12)


def test_a_template_is_its_own_nearest_and_ties_go_to_the_last(coarse: Templates) -> None:
    distance, rows = coarse.nearest(draw_lines(degrees()))
    assert torch.equal(rows, torch.arange(360))
    assert distance.abs().max() < 1e-12
    assert Templates(draw_lines(angles(1.0, 2.0, 1.0))).nearest(draw_lines(angles(1.0)))[1].item() == 2


def test_smoothness_by_hand() -> None:
    column = torch.arange(12)
    images = (column[:, None] == column).float()[:, None, None, :].expand(12, 3, 5, 12)  # a bar that moves right
    even, jump = images[[0, 2, 4, 6, 8]], images[[0, 0, 0, 8, 8]]
    distance, rows = Templates(images).nearest(torch.cat([even, jump]))
    assert distance.tolist() == pytest.approx([0] * 10, abs=1e-12)
    steps = rows.view(2, 5, 1).double().diff(dim=1)
    for unit in (1, 1e-6):
        smoothness = step_smoothness(unit * steps, still=unit * 1e-3)
        assert smoothness.tolist() == pytest.approx([0, 1 - 1 / 4], abs=1e-12)
    assert step_smoothness(steps, still=9).isnan().all()


def test_a_mid_grey_frame_is_at_distance_one(coarse: Templates) -> None:
    assert coarse.nearest(torch.full((3, 1, 32, 32), 0.5))[0].tolist() == [1, 1, 1]


def test_invalid_images(coarse: Templates) -> None:
    with pytest.raises(InputError, match="templates are of shape"):
        coarse.nearest(torch.zeros(4, 1, 28, 28))
    for value in (math.nan, math.inf):
        frames = background()[0]
        frames[3, 0, 5, 5] = value
        with pytest.raises(InputError, match=r"images\[3\] is not finite"):
            coarse.nearest(frames)


def test_invalid_templates() -> None:
    for images, message in (
        (torch.zeros(3, 32, 32), r"shape \(3, 32, 32\)"),
        (torch.zeros(0, 1, 4, 4), "n at least 1"),
        (torch.full((3, 1, 4, 4), math.nan), r"templates\[0\] is not finite"),
    ):
        with pytest.raises(InputError, match=message):
            Templates(images)
