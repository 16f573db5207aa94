"""Films, as other programs read them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence
from torch import Tensor

from interpzoo.errors import InputError, MissingDependencyError, OutputError
from interpzoo.films import ease, save_gif, save_video
from interpzoo.pictures import save_image

GRAYS = (0.0, 0.2, 0.4, 0.6, 1.0)


def grays(*values: float, size: tuple[int, int] = (16, 16)) -> Tensor:
    """Frames (T, 1, H, W) of one gray each."""
    return torch.tensor(values).view(-1, 1, 1, 1).expand(-1, 1, *size)


def read_mp4(path: Path) -> tuple[dict[str, Any], np.ndarray]:
    """What FFmpeg's own program says of a film, and its frames (T, H, W, 3)."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-i", str(path), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    done = subprocess.run(command, capture_output=True, timeout=60, check=True)
    said = done.stderr.decode().split("Stream mapping")[0]
    found = re.search(r"Video: (\w+).*?, (yuv\w+\(.*?\)).*?, (\d+)x(\d+).*?, ([\d.]+) fps", said)
    length = re.search(r"Duration: 00:(\d+):([\d.]+)", said)
    assert found
    assert length
    width, height = int(found[3]), int(found[4])
    about = {"codec": found[1], "format": found[2], "size": (width, height), "fps": float(found[5])}
    about["seconds"] = 60 * int(length[1]) + float(length[2])
    return about, np.frombuffer(done.stdout, np.uint8).reshape(-1, height, width, 3)


def read_animation(path: Path) -> tuple[list[int], list[int], int | None]:
    """The gray of each frame of an animation, its durations in milliseconds, and how often it is played."""
    with Image.open(path) as image:
        shown, durations, loop = [], [], image.info.get("loop")
        for frame in ImageSequence.Iterator(image):
            shown.append(int(np.asarray(frame.convert("L"))[8, 8]))
            durations.append(round(frame.info["duration"]))
    return shown, durations, loop


def test_another_program_reads_the_frames_rate_size_and_duration_of_an_mp4(tmp_path: Path) -> None:
    save_video(tmp_path / "x.MP4", grays(*GRAYS, size=(15, 21)), fps=20, scale=1)
    about, frames = read_mp4(tmp_path / "x.MP4")
    assert (about["codec"], about["format"]) == ("h264", "yuv420p(tv, bt709, progressive)")
    assert (about["fps"], about["size"]) == (20, (22, 16))  # even sizes
    assert about["seconds"] == pytest.approx(8 / 20)
    expected = [*GRAYS, *GRAYS[-2:0:-1]]  # there and back
    assert np.abs(frames.mean((1, 2, 3)) / 255 - expected).max() < 0.01
    assert frames.std((1, 2, 3)).max() < 2


def test_colors_of_an_mp4_are_those_of_the_frames(tmp_path: Path) -> None:
    colors = torch.tensor([[0.9, 0.1, 0.1], [0.1, 0.8, 0.2], [0.2, 0.3, 0.9], [0.5, 0.5, 0.5]])
    save_video(tmp_path / "x.mp4", colors[..., None, None].expand(-1, 3, 32, 32), fps=10, loop="once", scale=1)
    _, frames = read_mp4(tmp_path / "x.mp4")
    assert np.abs(frames.mean((1, 2)) / 255 - colors.numpy()).max() < 0.02


def test_seconds_are_those_of_a_whole_round_with_its_still_frames(tmp_path: Path) -> None:
    save_video(tmp_path / "x.mp4", grays(*GRAYS), seconds=2, hold=0.4, loop="once")
    about, frames = read_mp4(tmp_path / "x.mp4")
    assert about["seconds"] == pytest.approx(2, abs=0.25)
    assert about["size"] == (256, 256)
    still = np.abs(np.diff(frames.mean((1, 2, 3)))) < 1
    assert still[0]
    assert still[-1]
    assert not still[2:-2].any()


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".apng"])
def test_animations_have_the_frames_durations_and_loops(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    save_video(path, grays(*GRAYS), fps=10, hold=0.5, keys=[0, 2])
    shown, durations, loop = read_animation(path)
    assert shown == [0, 51, 102, 153, 255, 153, 102, 51]
    assert durations == [600, 100, 600, 100, 100, 100, 600, 100]
    assert loop == 0
    save_video(path, grays(0.0, 0.4, 0.8, 0.0), fps=10, loop="closed")
    assert read_animation(path) == ([0, 102, 204], [100] * 3, 0)
    save_video(path, grays(0.0, 0.4, 0.8), seconds=0.6, loop="once")
    assert read_animation(path) == ([0, 102, 204], [200] * 3, None if suffix == ".gif" else 1)


def test_a_gif_says_which_durations_it_cannot_hold(tmp_path: Path) -> None:
    with pytest.warns(
        UserWarning, match=r"x\.gif': .* whole hundredths of a second, at least 2: 0\.02 s instead of 0\.016 s"
    ):
        save_gif(tmp_path / "x.gif", grays(*GRAYS), seconds=0.016)
    assert set(read_animation(tmp_path / "x.gif")[1]) == {20}
    with pytest.warns(UserWarning, match=r"0\.03 s instead of 0\.03333 s"):
        save_video(tmp_path / "x.gif", grays(*GRAYS), fps=30)
    assert set(read_animation(tmp_path / "x.gif")[1]) == {30}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        save_video(tmp_path / "x.gif", grays(*GRAYS), fps=25)


def test_milliseconds_are_rounded_without_drift(tmp_path: Path) -> None:
    save_video(tmp_path / "x.webp", grays(*torch.linspace(0, 1, 61).tolist()), fps=60, loop="once")
    assert sum(read_animation(tmp_path / "x.webp")[1]) == pytest.approx(61_000 / 60, abs=1)


def test_rows_stand_side_by_side_below_their_labels(tmp_path: Path) -> None:
    frames = {"one": grays(0.0, 0.2), "two": grays(0.4, 0.6)}
    save_video(tmp_path / "x.apng", frames, fps=10, scale=2, enlarge="nearest")
    with Image.open(tmp_path / "x.apng") as image:
        pixels = np.asarray(image.convert("L"))
    assert pixels.shape[1] == 32 + 2 + 32
    below = pixels[-32:]
    assert (below[:, :32] == 0).all()
    assert (below[:, 34:] == 102).all()
    assert (pixels[:-32] < 128).any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fps": 0}, "fps = 0: expected a number from 0.01 to 120"),
        ({"fps": 121}, "fps = 121: expected a number from 0.01 to 120"),
        ({"fps": 10, "seconds": 1}, "fps = 10 and seconds = 1: give one of them, not both"),
        ({"seconds": 0.02}, r"8 frames would be shown at 400 a second, expected 0.0015 to 120 a second"),
        ({"seconds": 1, "hold": 1}, "would be shown at no time, as the still frames take all of it"),
        ({"loop": "forever"}, "loop = 'forever': expected 'back-and-forth' or 'closed' or 'once'"),
        ({"keys": [5]}, "keys = 5: expected a whole number from 0 to 4"),
        ({"keys": 3}, "keys = 3: expected numbers of frames"),
        ({"hold": -1}, "hold = -1: expected a number from 0"),
        ({"scale": 300}, r"a film of 4800x4800 pixels, expected sides of at most 4,096 in an MP4"),
    ],
)
def test_wrong_options_write_nothing(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        save_video(tmp_path / "x.mp4", grays(*GRAYS), **options)
    assert not os.listdir(tmp_path)


def test_an_unknown_suffix_and_a_missing_package_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OutputError, match=r"the suffix is '.avi', expected .mp4, .gif, .webp, .apng"):
        save_video(tmp_path / "x.avi", grays(*GRAYS))
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingDependencyError, match=r"MP4 films need PyAV: .*film.*or write a \.gif"):
        save_video(tmp_path / "x.mp4", grays(*GRAYS))
    assert not os.listdir(tmp_path)


def test_eased_positions_are_exact_at_the_ends_and_slow_there() -> None:
    t = ease(9)
    assert t[0] == 0
    assert t[-1] == 1
    assert torch.allclose(t + t.flip(0), torch.ones(9))
    assert t[1] < 1 / 8 / 2
    assert torch.equal(ease(9, "linear"), torch.linspace(0, 1, 9))
    with pytest.raises(InputError, match="easing = 'bounce': expected 'linear' or 'in-out'"):
        ease(9, "bounce")  # type: ignore[arg-type]


def test_equal_frames_stand_still_for_655_seconds_of_a_gif(tmp_path: Path) -> None:
    gray = torch.full((3, 1, 4, 4), 0.5)
    with pytest.raises(InputError, match=r"stand still for 800\.12 s, expected at most 655\.35 s in a GIF: choose"):
        save_video(tmp_path / "x.gif", gray, hold=400)
    with pytest.raises(InputError, match=r"stand still for 1310 s, expected at most 655\.35 s in a GIF"):
        save_gif(tmp_path / "x.gif", gray, seconds=655)
    save_video(tmp_path / "x.webp", gray, hold=400)
    gray[1] = 0
    save_video(tmp_path / "x.gif", gray, hold=400)
    assert {file.name for file in tmp_path.iterdir()} == {"x.gif", "x.webp"}


@pytest.mark.parametrize(
    ("name", "side", "message"),
    [
        ("x.gif", 65_536, "65,535 pixels in a GIF: choose a smaller scale or fewer frames, or write a .png$"),
        ("x.jpg", 65_501, "65,500 pixels in a JPEG: choose .* or write a .png$"),
        ("x.webp", 16_384, "16,383 pixels in a WEBP: choose .* or write a .png$"),
    ],
)
def test_a_picture_that_its_format_cannot_hold_is_refused(name: str, side: int, message: str, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=f"{name}' at {side}x1: expected sides of at most {message}"):
        save_image(tmp_path / name, torch.zeros(1, 1, side))
    if name != "x.jpg":
        with pytest.raises(OutputError, match=r"or write a \.apng$"):
            save_gif(tmp_path / name, torch.zeros(3, 1, 1, side), scale=1)
    assert not os.listdir(tmp_path)
