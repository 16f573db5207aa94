"""Mean Distance and Mean Smoothness against values of the official code, and what they must not depend on."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from interpzoo.data.lines import draw_lines
from interpzoo.errors import InputError
from interpzoo.metrics.lines import (
    InterpolationScores,
    Templates,
    line_pairs,
    line_templates,
    score_interpolations,
)

START, END, STEPS = 5 * math.pi / 7, 3 * math.pi / 2, 16
T = torch.arange(STEPS, dtype=torch.float64) / (STEPS - 1)


@pytest.fixture(scope="module")
def templates() -> Templates:
    return line_templates()


@pytest.fixture(scope="module")
def coarse() -> Templates:
    around = torch.arange(360, dtype=torch.float64) * (math.pi / 180)
    return Templates(draw_lines(around), around, period=2 * math.pi)


def drawn(angles: Tensor) -> Tensor:
    """Frames (N, T, 1, 32, 32) of angles (N, T)."""
    return draw_lines(angles.double().flatten()).view(*angles.shape, 1, 32, 32)


def evenly(start: Tensor, end: Tensor) -> Tensor:
    """Frames of the true interpolation, from angles (N,) to angles (N,)."""
    return drawn(start[:, None] + T * (end - start)[:, None])


def blended(start: Tensor, end: Tensor) -> Tensor:
    """Frames of the pixels' own interpolation."""
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


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(
    ("frames", "distance", "smoothness"),
    [
        (evenly(*ONE), 1.95801e-07, 1.69678e-05),
        (blended(*ONE), 7.21742e-03, 0.9402053),
        (abruptly(*ONE), 2.46592e-07, 14 / 15),
        (evenly(angles(START), angles(END - 2 * math.pi)), 1.75258e-07, 4.39247e-05),
        (background(), 0.0306539, math.nan),
    ],
    ids=["even", "blend", "abrupt", "long way round", "background"],
)
def test_golden_interpolations(
    templates: Templates, frames: Tensor, distance: float, smoothness: float, dtype: torch.dtype
):
    scores = score_interpolations(frames.to(dtype), templates)
    assert scores.mean_distance == pytest.approx(distance, rel=1e-5)
    assert scores.mean_smoothness == pytest.approx(smoothness, abs=1e-7, nan_ok=True)


@pytest.mark.parametrize(
    ("path", "distance", "smoothness"),
    [
        (blended, 6.333019e-03, 0.8906518),
        (shortest_arcs, 1.689110e-07, 1.043505e-03),
        (abruptly, 1.759199e-07, 0.9296875),
    ],
    ids=["blend", "even", "abrupt"],
)
def test_golden_pairs(
    templates: Templates, path: Callable[[Tensor, Tensor], Tensor], distance: float, smoothness: float
):
    scores = score_interpolations(path(*official_pairs()), templates)
    assert scores.mean_distance == pytest.approx(distance, rel=1e-6)
    assert scores.mean_smoothness == pytest.approx(smoothness, abs=1e-7)


@pytest.mark.parametrize(
    ("official_deviation", "distance"), [(0.01, 5.1e-5), (0.02, 2.0e-4), (0.05, 1.27e-3), (0.1, 5.06e-3)]
)
def test_the_distance_of_true_lines_measures_pixel_noise(
    templates: Templates, official_deviation: float, distance: float
):
    start, end = official_pairs()
    frames = shortest_arcs(start[:32], end[:32])
    noise = torch.randn(frames.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    scores = score_interpolations(frames + official_deviation / 2 * noise, templates)
    assert scores.mean_distance == pytest.approx(distance, rel=0.03)


def test_an_interpolation_that_stands_still_counts_as_zero_in_the_mean(coarse: Templates):
    frames = torch.cat([abruptly(*ONE), background()])
    scores = score_interpolations(frames, coarse)
    assert scores.smoothness.isnan().tolist() == [False, True]
    assert scores.mean_smoothness == pytest.approx(14 / 15 / 2, abs=1e-9)
    assert math.isnan(score_interpolations(background(), coarse).mean_smoothness)


def test_the_means_are_those_of_the_interpolations(coarse: Templates):
    start, end = official_pairs()
    frames = blended(start[:20], end[:20])
    together = score_interpolations(frames, coarse)
    assert isinstance(together, InterpolationScores)
    assert together.distance.shape == together.smoothness.shape == (20,)
    assert together.distance.dtype == together.smoothness.dtype == torch.float64
    alone = [score_interpolations(one[None], coarse) for one in frames]
    assert together.distance.tolist() == pytest.approx([one.mean_distance for one in alone], abs=1e-12)
    assert together.smoothness.tolist() == pytest.approx([one.mean_smoothness for one in alone], abs=1e-12)
    assert together.mean_distance == pytest.approx(sum(one.mean_distance for one in alone) / 20, abs=1e-12)
    assert together.mean_smoothness == pytest.approx(sum(one.mean_smoothness for one in alone) / 20, abs=1e-12)


def test_matching_in_chunks_equals_matching_one_by_one(templates: Templates):
    start, end = official_pairs()
    images = blended(start[:30], end[:30]).flatten(0, 1)  # more than are held against 10,000 templates at a time
    distance, angle = templates.match(images)
    alone = [templates.match(image[None]) for image in images[::20]]
    assert torch.equal(angle[::20], torch.cat([one for _, one in alone]))
    torch.testing.assert_close(distance[::20], torch.cat([one for one, _ in alone]), rtol=0, atol=1e-12)


def test_a_template_is_its_own_nearest_and_ties_go_to_the_last(coarse: Templates):
    distance, angle = coarse.match(draw_lines(coarse.parameter))
    assert torch.equal(angle, coarse.parameter)
    assert distance.abs().max() < 1e-12

    twice = Templates(draw_lines(angles(1.0, 2.0, 1.0)), angles(0, 1, 2))
    assert twice.match(draw_lines(angles(1.0)))[1].item() == 2


@pytest.mark.parametrize(
    "change",
    [lambda frames: 0.5 + 0.3 * (frames - 0.5), lambda frames: frames.flip(1)],
    ids=["contrast in the paper's units", "direction"],
)
def test_contrast_and_direction_do_not_matter(coarse: Templates, change: Callable[[Tensor], Tensor]):
    start, end = official_pairs()
    frames = shortest_arcs(start[:10], end[:10])
    scores, changed = score_interpolations(frames, coarse), score_interpolations(change(frames), coarse)
    torch.testing.assert_close(changed.distance, scores.distance, rtol=0, atol=1e-12)
    torch.testing.assert_close(changed.smoothness, scores.smoothness, rtol=0, atol=1e-12)


def test_where_the_circle_begins_does_not_matter(coarse: Templates):
    across = evenly(angles(-0.5), angles(0.5))
    assert score_interpolations(across, coarse).mean_smoothness < 0.02

    # Matched angles along the frames; without a period the step across 0 is a jump over nearly the whole range.
    _, matched = coarse.match(across[0])
    expected = matched.diff().abs().max() / (matched[-1] - matched[0]).abs() - 1 / 15
    open_ended = Templates(draw_lines(coarse.parameter), coarse.parameter)
    assert score_interpolations(across, open_ended).mean_smoothness == pytest.approx(expected.item(), abs=1e-12)
    assert expected > 0.9


def test_the_unit_of_the_parameter_does_not_matter(coarse: Templates):
    start, end = official_pairs()
    frames = blended(start[:10], end[:10])
    tiny = Templates(draw_lines(coarse.parameter), coarse.parameter * 1e-6, period=2e-6 * math.pi)
    expected = score_interpolations(frames, coarse).smoothness
    torch.testing.assert_close(score_interpolations(frames, tiny).smoothness, expected, rtol=0, atol=1e-6)


def test_other_images_with_an_open_parameter():
    column = torch.arange(12)
    images = (column[:, None] == column).float()[:, None, None, :].expand(12, 3, 5, 12)  # a bar that moves right
    templates = Templates(images, column.float())
    even, jump = images[[0, 2, 4, 6, 8]], images[[0, 0, 0, 8, 8]]
    scores = score_interpolations(torch.stack([even, jump]), templates)
    assert scores.distance.tolist() == pytest.approx([0, 0], abs=1e-12)
    assert scores.smoothness.tolist() == pytest.approx([0, 1 - 1 / 4], abs=1e-12)


def test_gradients_are_not_tracked(coarse: Templates):
    scores = score_interpolations(abruptly(*ONE).requires_grad_(), coarse)
    assert not scores.distance.requires_grad
    assert scores.mean_smoothness == pytest.approx(14 / 15)


def test_a_mid_grey_frame_is_at_distance_one(coarse: Templates):
    scores = score_interpolations(torch.full((1, 3, 1, 32, 32), 0.5), coarse)
    assert scores.mean_distance == 1
    assert math.isnan(scores.mean_smoothness)


@pytest.mark.parametrize(
    "shape",
    [(16, 1, 32, 32), (0, 16, 1, 32, 32), (2, 1, 1, 32, 32), (2, 16, 3, 32, 32), (2, 16, 1, 32, 31)],
    ids=["no pairs", "none", "one frame", "colour", "size"],
)
def test_frames_of_another_shape_are_refused(coarse: Templates, shape: tuple[int, ...]):
    with pytest.raises(InputError, match=r"frames of shape \(.*expected \(N, T, \*\(1, 32, 32\)\)"):
        score_interpolations(torch.zeros(shape), coarse)
    with pytest.raises(InputError, match="templates are of shape"):
        coarse.match(torch.zeros(4, 1, 28, 28))


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_frames_that_are_not_finite_get_no_score(coarse: Templates, value: float):
    frames = background()
    frames[0, 3, 0, 5, 5] = value
    with pytest.raises(InputError, match=r"images\[3\] is not finite"):
        score_interpolations(frames, coarse)


@pytest.mark.parametrize(
    ("images", "parameter", "period", "message"),
    [
        (torch.zeros(3, 32, 32), torch.zeros(3), None, r"shape \(3, 32, 32\)"),
        (torch.zeros(3, 1, 4, 4), torch.zeros(2), None, r"parameters of shape \(2,\)"),
        (torch.zeros(0, 1, 4, 4), torch.zeros(0), None, "n at least 1"),
        (torch.zeros(3, 1, 4, 4), torch.tensor([0, math.nan, 1]), None, r"parameter\[1\] is not finite"),
        (torch.full((3, 1, 4, 4), math.nan), torch.zeros(3), None, r"templates\[0\] is not finite"),
        (torch.zeros(3, 1, 4, 4), torch.zeros(3), 0.0, "period = 0.0: expected a positive number"),
    ],
)
def test_bad_templates_are_refused(images: Tensor, parameter: Tensor, period: float | None, message: str):
    with pytest.raises(InputError, match=message):
        Templates(images, parameter, period=period)


def test_line_pairs_are_of_their_seed():
    start, end = line_pairs(seed=3)
    assert start["image"].shape == end["image"].shape == (256, 1, 32, 32)
    assert start["image"].dtype == torch.float32
    assert not torch.equal(start["angle"], end["angle"])
    torch.testing.assert_close(draw_lines(end["angle"]), end["image"], rtol=0, atol=1e-5)

    again, other = line_pairs(seed=3)[1], line_pairs(seed=4)[1]
    assert torch.equal(again["image"], end["image"])
    assert not torch.equal(other["image"], end["image"])
    assert line_pairs(seed=3, n=5, size=16)[0]["image"].shape == (5, 1, 16, 16)
