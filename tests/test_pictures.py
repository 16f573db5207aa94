"""Pictures out."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence
from torch import Tensor

from interpzoo.config import ImageSpec
from interpzoo.decoding import open_image
from interpzoo.errors import ImageError, InputError, OutputError
from interpzoo.films import save_gif
from interpzoo.images import to_tensor
from interpzoo.pictures import save_frames, save_image, save_stream, save_strip, to_pil, to_strip


@pytest.mark.parametrize("channels", [1, 3])
def test_round_trip(tmp_path: Path, channels: int) -> None:
    target = ImageSpec(channels=channels, height=5, width=7)
    image = torch.randint(0, 256, target.shape) / 255
    save_image(tmp_path / "x.PNG", image)
    assert torch.equal(to_tensor(open_image(tmp_path / "x.PNG"), target), image)


def test_values_are_clamped_here(tmp_path: Path) -> None:
    save_image(tmp_path / "x.png", torch.tensor([[[-3.0, 0.0], [1.0, 9.0]]]))
    assert np.array(open_image(tmp_path / "x.png")).tolist() == [[0, 0], [255, 255]]


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".webp", ".gif"])
def test_suffix_is_the_format(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    save_image(path, torch.full((3, 16, 16), 0.5))
    with Image.open(path) as image:
        assert image.format == {".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".gif": "GIF"}[suffix]


@pytest.mark.parametrize("name", ["x", "x.txt", "x.png.bak"])
def test_unknown_suffix(tmp_path: Path, name: str) -> None:
    with pytest.raises(OutputError, match=r"expected \.png, \.jpg"):
        save_image(tmp_path / name, torch.zeros(1, 4, 4))
    with pytest.raises(OutputError, match=r"expected \.gif, \.webp"):
        save_gif(tmp_path / "x.png", torch.zeros(2, 1, 4, 4))
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize(
    "image",
    [
        torch.zeros(4, 4),
        torch.zeros(2, 4, 4),
        torch.zeros(3, 4, 4, dtype=torch.uint8),
        torch.full((1, 4, 4), np.nan),
    ],
)
def test_images_that_cannot_be_saved(tmp_path: Path, image: Tensor) -> None:
    with pytest.raises(ImageError, match="cannot show"):
        save_image(tmp_path / "x.png", image)
    assert not os.listdir(tmp_path)


def test_a_strip_has_one_row_per_interpolation_and_white_gaps(tmp_path: Path) -> None:
    frames = torch.tensor([[0.2, 0.4, 0.6], [0.0, 1.0, 0.8]]).view(2, 3, 1, 1, 1).expand(2, 3, 1, 2, 2)
    save_strip(tmp_path / "x.png", frames, scale=3)
    strip = np.array(open_image(tmp_path / "x.png"))
    assert strip.shape == (6 + 2 + 6, 18)
    assert strip[0, ::6].tolist() == [51, 102, 153]
    assert (strip[6:8] == 255).all()
    assert strip[8, ::6].tolist() == [0, 255, 204]
    assert (strip[:6, :6] == 51).all()


def test_small_images_are_enlarged_to_be_seen(tmp_path: Path) -> None:
    save_strip(tmp_path / "x.png", torch.rand(5, 1, 32, 32))
    assert open_image(tmp_path / "x.png").size == (5 * 96, 96)
    save_strip(tmp_path / "x.png", torch.rand(2, 3, 128, 128))
    assert open_image(tmp_path / "x.png").size == (256, 128)


def test_an_animation_runs_forward_and_back(tmp_path: Path) -> None:
    values = torch.tensor([0.0, 51 / 255, 102 / 255, 1.0])
    frames = torch.stack([values, 1 - values]).view(2, 4, 1, 1, 1).expand(2, 4, 1, 4, 4)
    save_gif(tmp_path / "x.gif", frames, scale=1, seconds=0.2)
    with Image.open(tmp_path / "x.gif") as gif:
        assert gif.size == (4 + 2 + 4, 4)
        assert gif.info["duration"] == 200
        assert gif.info["loop"] == 0
        shown = [np.array(frame.convert("L")) for frame in ImageSequence.Iterator(gif)]
    assert [int(frame[0, 0]) for frame in shown] == [0, 51, 102, 255, 102, 51]
    assert [int(frame[0, 6]) for frame in shown] == [255, 204, 153, 0, 153, 204]


@pytest.mark.parametrize("shape", [(1, 4, 4), (0, 1, 4, 4), (1, 1, 1, 1, 4, 4)])
def test_wrong_frames(tmp_path: Path, shape: tuple[int, ...]) -> None:
    with pytest.raises(ImageError, match="frames of shape"):
        save_strip(tmp_path / "x.png", torch.zeros(shape))


def test_wrong_scale(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="scale = 0"):
        save_strip(tmp_path / "x.png", torch.zeros(2, 1, 4, 4), scale=0)
    with pytest.raises(InputError, match=r"scale = 100000: the picture would have 320,000,000,000 pixels"):
        save_strip(tmp_path / "x.png", torch.zeros(2, 1, 4, 4), scale=100_000)


def test_a_full_disk_leaves_the_old_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    save_image("x.png", torch.zeros(1, 4, 4))
    before = (tmp_path / "x.png").read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (65536, limits[1]))
    try:
        with pytest.raises(OutputError, match=r"cannot write 'x\.png': File too large"):
            save_image("x.png", torch.rand(3, 512, 512))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (tmp_path / "x.png").read_bytes() == before
    assert os.listdir(tmp_path) == ["x.png"]


def test_pil_images_of_one_and_of_many() -> None:
    images = torch.tensor([0.0, 1.0, 0.2]).view(3, 1, 1, 1).expand(3, 3, 4, 5)
    alone = to_pil(images[2])
    assert isinstance(alone, Image.Image)
    assert (alone.size, alone.mode, alone.getpixel((0, 0))) == ((5, 4), "RGB", (51, 51, 51))
    many = to_pil(images)
    assert isinstance(many, list)
    assert [image.getpixel((4, 3))[0] for image in many] == [0, 255, 51]  # type: ignore[index]
    with pytest.raises(ImageError, match="cannot show"):
        to_pil(images[None])


def test_labeled_rows_of_several_sizes_and_colors_stand_below_each_other() -> None:
    gray, color = torch.zeros(2, 3, 1, 4, 4), torch.tensor([1.0, 0.0, 0.0]).view(3, 1, 1).expand(2, 3, 3, 8, 8)
    strip = np.array(to_strip({"ae": gray, "a longer label": color}, scale=2))
    width = 3 * 16
    left = strip.shape[1] - width
    assert strip.shape[0] == 4 * 16 + 3 * 2
    for row, pixel in enumerate([(0, 0, 0), (255, 0, 0), (0, 0, 0), (255, 0, 0)]):
        assert (strip[18 * row : 18 * row + 16, left:] == pixel).all()
        margin = strip[18 * row : 18 * row + 16, :left]
        assert (margin == 255).any()
        assert (margin < 128).any()  # the label
    with pytest.raises(ImageError, match=r"different numbers of paths or frames \('a' \(2, 3, 1, 4, 4\), 'b'"):
        to_strip({"a": gray, "b": gray[:1]})


def test_enlarging_is_smooth_on_request() -> None:
    edge = torch.tensor([0.0, 0.0, 1.0, 1.0]).expand(1, 1, 4, 4)
    squares, smooth = (np.array(to_strip(edge, scale=8, enlarge=how)) for how in ("nearest", "smooth"))
    assert {*np.unique(squares)} == {0, 255}
    assert len(np.unique(smooth)) > 8
    assert squares.shape == smooth.shape == (32, 32)
    with pytest.raises(InputError, match="enlarge = 'blurry': expected 'smooth' or 'nearest'"):
        to_strip(edge, enlarge="blurry")  # type: ignore[arg-type]


def test_numbered_frames_are_the_frames(tmp_path: Path) -> None:
    frames = torch.randint(0, 256, (2, 11, 1, 4, 6)) / 255
    written = save_frames(tmp_path / "one", frames[0])
    assert [path.name for path in written] == [f"{index:04}.png" for index in range(11)]
    for path, frame in zip(written, frames[0], strict=True):
        assert torch.equal(to_tensor(open_image(path), ImageSpec(channels=1, height=4, width=6)), frame)
    assert {path.parent.name for path in save_frames(tmp_path / "two", frames)} == {"0", "1"}
    labeled = save_frames(tmp_path / "labeled", {"./runs/mine": frames[0], "ae": frames[1]})
    assert sorted({str(path.parent.relative_to(tmp_path)) for path in labeled}) == ["labeled/ae", "labeled/runs-mine"]
    with pytest.raises(InputError, match="give the same folder twice"):
        save_frames(tmp_path / "same", {"a/b": frames[0], "a b": frames[1]})


def test_a_stream_is_written_as_its_paths_together_or_not_at_all(tmp_path: Path) -> None:
    frames = torch.rand(3, 2, 3, 4, 6)
    done: list[int] = []
    assert save_stream(tmp_path / "parts", iter(frames.split(2)), progress=done.append) == 3
    assert done == [2, 3]
    for path in save_frames(tmp_path / "whole", frames):
        assert path.read_bytes() == (tmp_path / "parts" / path.relative_to(tmp_path / "whole")).read_bytes()
    with pytest.raises(ImageError, match="not finite"):
        save_stream(tmp_path / "broken", iter([frames, frames * torch.nan]))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["parts", "whole"]


def test_a_folder_of_frames_is_new_and_whole_or_nothing_changes(tmp_path: Path) -> None:
    frames = torch.rand(3, 1, 4, 4)
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="it has files already, expected a new or empty folder"):
        save_frames(tmp_path / "there", frames)
    with pytest.raises(OutputError, match="there is no folder"):
        save_frames(tmp_path / "no" / "where", frames)
    frames[2] = torch.nan
    with pytest.raises(ImageError, match="not finite"):
        save_frames(tmp_path / "broken", frames)
    assert [path.name for path in tmp_path.rglob("*")] == ["there", "notes.txt"]


def test_an_empty_folder_is_filled_and_stays_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, frames = tmp_path / "empty", torch.rand(2, 3, 1, 4, 4)
    folder.mkdir(mode=0o700)
    monkeypatch.chdir(folder)
    before = folder.stat()
    with pytest.raises(ImageError, match="not finite"):
        save_frames(".", frames * torch.nan)
    assert not [*folder.iterdir()]
    (folder / ".0123456789abcdef.tmp").mkdir()  # as a killed process leaves it
    assert save_frames(".", frames)[0] == folder / "0" / "0000.png"
    assert {path.name for path in Path().glob("[0-9]*")} == {"0", "1"}
    assert (folder.stat().st_ino, folder.stat().st_mode) == (before.st_ino, before.st_mode)
    with pytest.raises(OutputError, match="it has files already"):
        save_frames(".", frames)


def test_a_folder_that_another_process_has_filled_is_kept(tmp_path: Path) -> None:
    frames = torch.rand(2, 2, 1, 4, 4)

    def parts() -> Iterator[Tensor]:
        yield frames
        save_frames(tmp_path / "empty", frames[:1])

    (tmp_path / "empty").mkdir()
    with pytest.raises(OutputError, match="it has files already"):
        save_stream(tmp_path / "empty", parts())
    assert {path.name for path in (tmp_path / "empty").iterdir()} == {"0000.png", "0001.png"}
