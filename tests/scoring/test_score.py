"""Frames of any tool: the figures of the benchmark, what the frames are, and every way to give them."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import interpzoo
from interpzoo.benchmark.candidates import ControlCandidate, ModelCandidate
from interpzoo.benchmark.metric import metrics_named
from interpzoo.benchmark.protocol import EvaluationProtocol
from interpzoo.benchmark.run import score_candidate
from interpzoo.errors import InterpzooError
from interpzoo.metrics.along import fade_distances
from interpzoo.scoring import reading
from interpzoo.scoring.reading import read_paths
from tests.benchmark.conftest import task_of
from tests.tiny import tiny_model

FEW = EvaluationProtocol(pairs=8, motion_pairs=2, motion_divisions=4, training_pairs=6, resamples=5)
MOTION = ["largest-jump", "speed-variation", "path-length"]
STILL = ["sharpness", "fade-distance", "end-mse"]


def square(frames: int = 7, size: int = 16) -> Tensor:
    """A white square that moves to the right, a pixel in each frame: (T, 1, H, W)."""
    path = torch.zeros(frames, 1, size, size)
    for index in range(frames):
        path[index, :, 4:10, index + 1 : index + 6] = 1
    return path


def fade(frames: int = 7) -> Tensor:
    return torch.lerp(square()[:1], square()[-1:], torch.linspace(0, 1, frames).view(-1, 1, 1, 1))


def cut(frames: int = 8) -> Tensor:
    return torch.cat([square()[:1].expand(frames // 2, -1, -1, -1), square()[-1:].expand(frames // 2, -1, -1, -1)])


def verdict(source: Any) -> str:
    return interpzoo.score({"x": source}, metrics=["fade-distance"]).profiles[0]["x"].verdict


def test_figures_are_those_of_the_benchmark_for_the_same_pairs(tmp_path: Path) -> None:
    task, model = task_of("lines", size=16, protocol=FEW), ModelCandidate(tiny_model())
    expected = score_candidate(task, model, metrics_named([*MOTION, *STILL, "density"])).scores
    np.save(tmp_path / "paths.npy", model.frames(task, task.pairs, task.positions).numpy())
    np.save(tmp_path / "steps.npy", model.frames(task, task.pairs.head(2), task.fine_positions).numpy())
    ends = task.pairs.first, task.pairs.last
    metrics = [*STILL, "density"]
    found = interpzoo.score(tmp_path / "paths.npy", ends=ends, dataset="lines", metrics=metrics).boards[0]
    for name in (*STILL, "density"):
        assert found.models[0].scores[name].value == pytest.approx(expected[name].value, rel=1e-6), name
    for control in found.controls:
        known = score_candidate(task, ControlCandidate(control.candidate), metrics_named(STILL)).scores  # type: ignore[arg-type]
        for name in STILL if control.candidate != "nearest" else ():
            assert control.scores[name].value == pytest.approx(known[name].value, rel=1e-6, abs=1e-12), name
    fine = interpzoo.score(tmp_path / "steps.npy", dataset="lines", metrics=["motion"]).values()["steps.npy"]
    assert fine == pytest.approx({name: expected[name].value for name in MOTION}, rel=1e-6)


def test_it_says_what_the_frames_are() -> None:
    assert verdict(fade()) == "a cross-fade of its ends"
    assert verdict(fade() ** (1 / 2.2)) == "a cross-fade of its ends"  # in linear light
    assert verdict(fade()[torch.tensor([0, 1, 1, 5, 6])]) == "a cross-fade of its ends"  # at an uneven speed
    assert verdict(cut()) == "a hard cut"
    assert verdict(square()[:1].expand(5, -1, -1, -1)) == "stands still"
    moving = "neither a cut nor a cross-fade, sharp between the ends (1.00 of their gradients), longest step 1.0 of"
    assert verdict(square()).startswith(moving)
    both = torch.stack([fade(8), cut(), fade(8)])
    assert verdict(both) == "2 of 3 a cross-fade of its ends, 1 of 3 a hard cut"


def test_distances_from_a_fade_by_hand() -> None:
    a, b = torch.tensor([0.0, 0.0]), torch.tensor([1.0, 0.0])
    path = torch.stack([a, torch.tensor([0.5, 0.5]), torch.tensor([2.0, 0.0]), b]).view(1, 4, 1, 1, 2)
    assert fade_distances(path)[0].tolist() == pytest.approx([0, 0.5, 1, 0])
    assert fade_distances(torch.ones(1, 3, 1, 2, 2)).isnan().all()


def test_films_give_the_frames_that_were_written(tmp_path: Path) -> None:
    frames = square()
    interpzoo.save_frames(tmp_path / "folder", torch.stack([frames, frames.flip(0)]))
    for suffix in (".gif", ".webp", ".apng", ".mp4"):
        for loop, hold in (("once", 0.5), ("back-and-forth", 0.0), ("back-and-forth", 0.5)):
            path = tmp_path / f"{loop}-{hold}{suffix}"
            interpzoo.save_video(path, frames, fps=20, loop=loop, hold=hold, scale=1)  # type: ignore[arg-type]
            found = read_paths("x", path).frames
            assert found.shape == (1, 7, 1, 16, 16), path
            torch.testing.assert_close(found[0], frames, atol=0.2 if suffix in (".mp4", ".webp") else 0, rtol=0)
        interpzoo.save_video(tmp_path / f"cut{suffix}", cut(), fps=20, scale=1)
        assert read_paths("x", tmp_path / f"cut{suffix}").frames.shape[1] == 8
    folder = read_paths("x", tmp_path / "folder")
    assert torch.equal(folder.frames, torch.stack([frames, frames.flip(0)]))
    assert read_paths("x", tmp_path / "back-and-forth-0.5.gif").notes == (
        "back-and-forth-0.5.gif plays there and back: the way there is scored",
        "back-and-forth-0.5.gif stands still at its ends: of 32 frames, 7 are scored",
    )


def test_arrays_of_every_layout_are_read(tmp_path: Path) -> None:
    frames = square()
    for number, array in enumerate(
        (
            frames[:, 0],
            frames,
            frames[None],
            frames.movedim(1, -1),
            frames[None].movedim(2, -1),
            (frames * 255).to(torch.uint8),
        )
    ):
        np.save(tmp_path / f"{number}.npy", array.numpy())
        for source in (array, array.numpy(), tmp_path / f"{number}.npy"):
            assert torch.equal(read_paths("x", source).frames, frames[None])
    color = frames.expand(-1, 3, -1, -1).clone()
    color[:, 0] = 1
    assert torch.equal(read_paths("x", color.movedim(1, -1)).frames, color[None])


def test_tools_stand_side_by_side_where_they_can_be_compared(tmp_path: Path) -> None:
    tools = {"a": square(), "b": fade().expand(-1, 3, -1, -1), "c": cut()}
    scores = interpzoo.score(tools, metrics=["fade-distance", "end-mse"], ends=(square()[0], square()[-1]))
    assert [[r.candidate for r in board.records] for board in scores.boards] == [
        ["a", "b", "jump", "blend"],
        ["c", "jump", "blend"],
    ]
    assert scores.notes == ("only tools with as many paths, frames and pixels are compared: each table has its own",)
    assert scores.values()["a"]["end-mse"] == 0
    assert "| a " in str(scores)
    found = json.loads(scores.to_json())
    assert found["boards"][0]["candidates"][1]["is"] == "a cross-fade of its ends"
    scores.save_plot(tmp_path / "plot.png")
    with Image.open(tmp_path / "plot.png") as picture:
        assert picture.height > 600  # two rows
    resized = interpzoo.score({"a": square(), "b": square(size=32)}, size=(16, 16), metrics=["sharpness"])
    assert len(resized.boards) == 1


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (torch.rand(2, 1, 4, 4), "'x' has 2 frames: expected 3 to 10,000 on a path"),
        (torch.rand(3, 2, 4, 4), r"shape \(3, 2, 4, 4\): expected \(T, C, H, W\) or \(N, T, C, H, W\), C 1 or 3"),
        (torch.rand(3, 1, 4, 4) * 255, r"'x': image values lie in \[.*divide by 255"),
        (torch.full((3, 1, 4, 4), math.nan), "'x': .*not finite"),
        (np.zeros((3, 4, 4), dtype=int), "an array of int64: expected uint8"),
        ("one.png", "'one.png' is one picture: expected the frames of a path"),
        ("nowhere.gif", "No such file"),
        ("broken.npy", "'broken.npy' cannot be read as an array"),
        ("broken.mp4", "'broken.mp4': the video cannot be read"),
        ("empty", "'empty' has no frames: expected pictures such as 0000.png"),
        ("mixed", "'mixed' has pictures, such as '0.png', beside 'film.gif'"),
        ("sizes", "'sizes': frame 1 is 8x8 and the first 16x16"),
        (7, "7 are not frames: expected a path"),
    ],
)
def test_what_are_no_frames_is_one_line(
    source: Any, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Image.new("L", (16, 16)).save("one.png")
    for name in ("broken.npy", "broken.mp4"):
        Path(name).write_bytes(b"nothing")
    for name in ("empty", "mixed", "sizes"):
        Path(name).mkdir()
    for name in ("mixed/0.png", "mixed/film.gif", "sizes/0.png"):
        Image.new("L", (16, 16)).save(name)
    Image.new("L", (8, 8)).save("sizes/1.png")
    with pytest.raises(InterpzooError, match=message):
        interpzoo.score({"x": source})


def test_limits_hold_before_the_frames_are_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    interpzoo.save_video(tmp_path / "x.gif", square(), scale=1, loop="once")
    np.save(tmp_path / "x.npy", square().numpy())
    monkeypatch.setattr(reading, "MOST_FRAMES", 6)
    for name in ("x.gif", "x.npy"):
        with pytest.raises(InterpzooError, match=f"{name}.*(more than 6 frames|expected 3 to 6 on a path)"):
            interpzoo.score(tmp_path / name)
    monkeypatch.setattr(reading, "MOST_FRAMES", 10)
    monkeypatch.setattr(reading, "MOST_VALUES", 1000)
    for name in ("x.gif", "x.npy"):
        with pytest.raises(InterpzooError, match=f"{name}.*1,000 values"):
            interpzoo.score(tmp_path / name)
    monkeypatch.setattr(reading, "MOST_SIDE", 15)
    with pytest.raises(InterpzooError, match="frames of 16x16, expected sides of at most 15 pixels: give a size"):
        interpzoo.score(tmp_path / "x.gif")


def test_wrong_arguments_are_one_line() -> None:
    for arguments, message in (
        ({"ends": (square()[:2], square()[:2])}, "ends are 2 first and 2 last images for the 1 paths of 'frames'"),
        ({"ends": 3}, "ends = 3: expected the first images and the last images"),
        ({"size": 3}, r"size = 3: expected \(height, width\)"),
        ({"metrics": ["reconstruction-mse"]}, "'reconstruction-mse' need a model or the truth"),
        ({"seed": -1}, "seed = -1"),
    ):
        with pytest.raises(InterpzooError, match=message):
            interpzoo.score(square(), **arguments)  # type: ignore[arg-type]
    with pytest.raises(InterpzooError, match="'blend' is the name of a control"):
        interpzoo.score({"blend": square()})
    with pytest.raises(InterpzooError, match="there are no frames to score"):
        interpzoo.score({})
