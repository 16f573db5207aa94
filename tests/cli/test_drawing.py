"""The commands that draw: what they read, what they write, and how films are timed."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open

from interpzoo import load, to_pil
from interpzoo.cli.app import COMMANDS
from interpzoo.pictures import to_strip
from tests.cli.conftest import Cli
from tests.tiny import random_images, tiny_model


@pytest.fixture
def photos(tmp_path: Path, model: Path) -> list[str]:
    """Four pictures in the folder ``photos``, and the model in ``model``."""
    (tmp_path / "photos").mkdir()
    for number, picture in zip((1, 2, 3, 10), random_images(4, load(model).config.image), strict=True):
        to_pil(picture).save(tmp_path / "photos" / f"{number}.png")  # type: ignore[union-attr]
    return [str(tmp_path / "photos" / f"{number}.png") for number in (1, 2, 3, 10)]


def written(path: Path) -> tuple[int, list[int]]:
    """How many frames an animation has, and how long each is shown, in milliseconds."""
    with Image.open(path) as image:
        count = getattr(image, "n_frames", 1)
        durations = []
        for index in range(count):
            image.seek(index)
            image.load()
            durations.append(round(image.info["duration"]))
    return count, durations


def test_images_are_files_folders_patterns_and_lines(
    cli: Cli, photos: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(photos) + "\n\n"))
    ways = [photos, ["photos"], ["photos/?.png", "photos/10.png"], ["-"]]
    for number, images in enumerate(ways):
        done = cli("encode", "./model", *images, "-o", f"{number}.npy")
        assert (done.returncode, done.stdout) == (0, f"{number}.npy: 4 codes of 2 x 4 x 4 numbers\n"), done.stderr
        codes = np.load(tmp_path / f"{number}.npy")
        assert np.array_equal(codes, load(tmp_path / "model").encode(photos).numpy())
    assert cli("encode", "./model", "photos", "-o", "codes.safetensors").returncode == 0
    with safe_open(tmp_path / "codes.safetensors", "np") as file:
        assert np.array_equal(file.get_tensor("codes"), codes)
        assert json.loads(file.metadata()["images"])[-1] == "photos/10.png"


def test_a_file_that_is_read_is_not_written(cli: Cli, photos: list[str], tmp_path: Path) -> None:
    np.save(tmp_path / "in.npy", random_images(2, load(tmp_path / "model").config.image).numpy())
    (tmp_path / "link.png").symlink_to(photos[0])
    for arguments, name in (
        (["encode", "./model", "in.npy", "-o", "./in.npy"], "in.npy"),
        (["interpolate", "./model", *photos[:2], "-o", "link.png"], "link.png"),
        (["morph", "./model", "photos", "-o", "photos/10.png"], "photos/10.png"),
        (["interpolate", "-o", "model/preview.png", "./model"], "model/preview.png"),
        (["traverse", "./model", photos[0], "-o", photos[0]], photos[0]),
        (["evaluate", "./model", "--json", "model/config.json"], "model/config.json"),
        (["score", "photos", "in.npy", "--json", "in.npy"], "in.npy"),
        (["score", "photos", "--plot", photos[2]], photos[2]),
        (["score", "in.npy", "--ends", photos[0], "--ends", photos[1], "--json", photos[0]], photos[0]),
    ):
        before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
        assert f"{name!r} is read, and would be replaced: write to another file" in cli.refuses(*arguments)
        assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert cli("encode", "./model", "photos", "-o", "photos/codes.npy").returncode == 0


@pytest.mark.usefixtures("photos")
def test_codes_are_refined_in_parts_with_progress(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("interpzoo.cli.progress._LINE_SECONDS", 0.0)
    asked = ("encode", "./model", "photos", "--refine", "2", "-o")
    assert "2/4 images" not in cli(*asked, "whole.npy").stderr
    monkeypatch.setattr("interpzoo.cli.commands.encode._PART", 2)
    assert "2/4 images\n4/4 images\n" in cli(*asked, "parts.npy").stderr
    codes, expected = np.load(tmp_path / "parts.npy"), np.load(tmp_path / "whole.npy")
    np.testing.assert_allclose(codes, expected, atol=1e-4)


def test_several_models_and_paths_stand_side_by_side(cli: Cli, photos: list[str], tmp_path: Path) -> None:
    done = cli("interpolate", "ae-ti*,./model", *photos, "--steps", "3", "-o", "both.png")
    assert done.stdout == "both.png: 4 paths of 3 frames of 16x16\n"
    frames = {
        name: load(tmp_path / "model").interpolate(photos[::2], photos[1::2], steps=3)
        for name in ("ae-tiny", "./model")
    }
    with Image.open(tmp_path / "both.png") as image:
        assert np.array_equal(np.asarray(image), np.asarray(to_strip(frames)))
    paths = ("--interpolator", "linear", "--interpolator", "slerp")
    assert cli("interpolate", "./model", *photos[:2], *paths, "--t", "0,2", "-o", "frames").returncode == 0
    assert sorted(str(file.relative_to(tmp_path / "frames")) for file in (tmp_path / "frames").rglob("*.png")) == [
        f"{path}/000{number}.png" for path in ("linear", "slerp") for number in (0, 1)
    ]


def test_the_array_holds_the_models_own_numbers(cli: Cli, photos: list[str], tmp_path: Path) -> None:
    model = load(tmp_path / "model")
    assert cli("interpolate", "./model", *photos, "--t", "0,0.5,1.5", "-o", "x.npy").returncode == 0
    expected = model.interpolate(photos[::2], photos[1::2], t=[0, 0.5, 1.5])
    assert np.array_equal(np.load(tmp_path / "x.npy"), expected.numpy())
    assert cli("morph", "./model", "photos", "--steps", "4", "-o", "y.npy").returncode == 0
    assert np.allclose(np.load(tmp_path / "y.npy"), model.morph(photos, 4).numpy(), atol=1e-6)
    assert cli("mix", "./model", "photos", "-o", "z.npy").returncode == 0
    assert np.array_equal(np.load(tmp_path / "z.npy"), model.mix(photos)[None].numpy())
    message = cli.refuses("interpolate", "./model,ae-tiny", *photos, "-o", "w.npy")
    assert "'w.npy' holds the frames of one model and one interpolator, got 2 of them: expected a folder" in message


@pytest.mark.parametrize(
    ("options", "count", "seconds"),
    [
        (("--fps", "10", "--seconds", "1.2"), 12, 1.2),
        (("--fps", "10", "--seconds", "1.2", "--loop", "once"), 13, 1.3),
        (("--steps", "4"), 12, 1.2),
        (("--steps", "4", "--seconds", "2.4"), 12, 2.4),
        (("--steps", "4", "--fps", "5", "--loop", "closed"), 9, 1.8),
        (("--steps", "4", "--hold", "0.5", "--loop", "once"), 7, 0.7 + 1.5),
        (("--fps", "10", "--seconds", "2.8", "--hold", "0.4"), 12, 2.8),
    ],
)
def test_films_have_the_rate_and_the_seconds_that_were_asked_for(
    cli: Cli, photos: list[str], tmp_path: Path, options: tuple[str, ...], count: int, seconds: float
) -> None:
    done = cli("morph", "pixels", *photos[:3], *options, "-o", "film.webp", "--scale", "1")
    assert (done.returncode, done.stderr) == (0, "")
    found, durations = written(tmp_path / "film.webp")
    assert found == count
    assert sum(durations) / 1000 == pytest.approx(seconds)


def test_a_closed_morph_ends_where_it_begins(cli: Cli, photos: list[str], tmp_path: Path) -> None:
    assert cli("morph", "./model", *photos[:3], "--loop", "closed", "--steps", "3", "-o", "x.npy").returncode == 0
    frames = np.load(tmp_path / "x.npy")
    assert len(frames) == 7
    assert np.allclose(frames[0], frames[-1], atol=1e-6)


def test_a_grid_has_the_corners_and_examples_without_images(cli: Cli, photos: list[str], tmp_path: Path) -> None:
    done = cli("grid", "./model", *photos, "--rows", "2", "--cols", "3", "-o", "grid.npy")
    assert done.stdout == "grid.npy: 6 images of 16x16\n"
    expected = load(tmp_path / "model").grid(*photos, rows=2, cols=3)  # type: ignore[misc]
    assert np.array_equal(np.load(tmp_path / "grid.npy"), expected.flatten(0, 1).numpy())
    assert cli("grid", "./model", "-o", "grid.png", "--rows", "2", "--cols", "3", "--scale", "1").returncode == 0
    with Image.open(tmp_path / "grid.png") as image:
        assert image.size == (3 * 16, 2 * 16 + 2)
    assert "a grid has four corners, got 3 images." in cli.refuses("grid", "./model", *photos[:3], "-o", "x.png")


def test_samples_repeat_and_fill_rows(cli: Cli, tmp_path: Path) -> None:
    tiny_model("vae").save_pretrained(tmp_path / "vae")
    assert cli("sample", "./vae", "--count", "5", "--seed", "3", "-o", "x.npy").returncode == 0
    assert np.array_equal(np.load(tmp_path / "x.npy"), load(tmp_path / "vae").sample(5, seed=3).numpy())
    assert cli("sample", "./vae", "--count", "5", "--scale", "1", "-o", "x.png").stdout == "x.png: 5 images of 16x16\n"
    with Image.open(tmp_path / "x.png") as image:
        assert image.size == (3 * 16, 2 * 16 + 2)


@pytest.mark.usefixtures("photos")
def test_options_that_do_not_fit_together_are_one_line(cli: Cli) -> None:
    (cli.folder / "full").mkdir()
    (cli.folder / "full" / "notes.txt").write_text("mine")
    path = ("interpolate", "./model")
    for line, expected in (
        ((*path, "--fps", "5", "-o", "x.png"), "--fps is for films: write to a file that ends in .mp4, .gif"),
        ((*path, "--t", "0,1", "--steps", "5", "-o", "x.png"), "--t says where the frames lie: leave out --steps"),
        ((*path, "--t", "0,one", "-o", "x.png"), "'0,one': expected numbers with commas between them."),
        ((*path, "--spacing", "even", "--easing", "in-out", "-o", "x.png"), "--spacing even says where"),
        (
            (*path, "--fps", "5", "--seconds", "2", "--steps", "3", "-o", "x.gif"),
            "--fps and --seconds say how many frames there are: leave out --steps and --t.",
        ),
        ((*path, "--seconds", "nan", "-o", "x.webp"), "seconds = nan: expected a number"),
        ((*path, "-o", "full"), "it has files already, expected a new or empty folder"),
        ((*path, "photos/1.png", "photos/2.png", "photos/3.png", "-o", "x.png"), "or use 'interpzoo morph'"),
        ((*path, "none-*.png", "-o", "x.png"), "'none-*.png': no file matches this pattern"),
        (("interpolate", "none-*", "-o", "x.png"), "no model matches 'none-*'"),
        (("morph", "./model", "photos/1.png", "-o", "x.png"), "a morph needs at least two images, got 'photos/1.png'"),
        (("morph", "./model", "full", "-o", "x.png"), "'full': the folder has no images"),
        (("mix", "./model", "photos", "--weights", "1,2", "-o", "x.png"), "weights have shape (2,), expected (4,)"),
        (("sample", "./model", "-o", "x.png"), "has no prior to sample from"),
        (("encode", "./model", "photos", "-o", "x.txt"), "ends in '.txt', expected .npy, .safetensors"),
    ):
        assert expected in cli.refuses(*line)
        assert not [*cli.folder.glob("x.*")]


def test_every_drawing_command_shows_two_examples(cli: Cli) -> None:
    assert {"interpolate", "morph", "grid", "mix", "sample", "encode"} <= {*COMMANDS}
    for name in ("interpolate", "morph", "grid", "mix", "sample", "encode"):
        assert cli(name, "--help").stdout.count(f"  interpzoo {name} ") + (name in ("morph", "encode")) >= 2


def test_easing_moves_the_frames_towards_the_ends(cli: Cli, photos: list[str], tmp_path: Path) -> None:
    assert (
        cli("interpolate", "./model", *photos[:2], "--steps", "5", "--easing", "in-out", "-o", "x.npy").returncode == 0
    )
    t = torch.tensor([0, 0.15625, 0.5, 0.84375, 1])
    expected = load(tmp_path / "model").interpolate(photos[0], photos[1], t=t)
    assert np.allclose(np.load(tmp_path / "x.npy"), expected.numpy(), atol=1e-6)


def test_images_are_moved_along_directions(cli: Cli, photos: list[str], tmp_path: Path) -> None:
    model = load(tmp_path / "model")
    model.directions["smiling"] = model.direction(photos[:2], photos[2:], name="smiling")
    model.save_pretrained(tmp_path / "model")
    done = cli("edit", "./model", "photos", "--direction", "smiling", "--strengths=-1,0,2", "-o", "edited.npy")
    assert done.returncode == 0, done.stderr
    assert np.allclose(np.load(tmp_path / "edited.npy"), model.edit(photos, "smiling", [-1, 0, 2]), atol=1e-6)
    done = cli("traverse", "./model", photos[0], "--directions", "axes", "--count", "3", "-o", "axes.npy")
    assert done.returncode == 0, done.stderr
    assert np.allclose(np.load(tmp_path / "axes.npy"), model.traverse(photos[0], "axes", count=3), atol=1e-6)
    assert cli("traverse", "./model", "--directions", "smiling", "-o", "row.gif").returncode == 0
    assert written(tmp_path / "row.gif")[0] == 8  # five frames, there and back
    assert "Did you mean 'smiling'?" in cli.refuses("edit", "./model", photos[0], "--direction", "smile", "-o", "x.png")
