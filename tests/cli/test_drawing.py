"""The commands that draw: what they read, what they write, and how films are timed."""

from __future__ import annotations

import io
import json
import os
import pty
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open

from interpzoo import load, save_directions, to_pil
from interpzoo.cli.app import COMMANDS
from interpzoo.config import Framing, ImageSpec
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


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the list on standard input is empty: expected an image on each line"),
        ("\n\r\n", "the list on standard input is empty: expected an image on each line"),
        ("x" * 70_000, "the list on standard input has a line of more than 65,536 characters, which begins with 'xxx"),
    ],
)
@pytest.mark.parametrize("command", ["interpolate", "grid", "mix", "morph", "encode", "edit --direction x"])
@pytest.mark.usefixtures("model")
def test_a_list_that_names_no_image_is_said(
    cli: Cli, command: str, text: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    output = "x.npy" if command == "encode" else "x.png"
    assert cli.refuses(*command.split(), "./model", "-", "-o", output).startswith(message)


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


def test_a_size_is_not_read_the_wrong_way_round(cli: Cli, tmp_path: Path) -> None:
    Image.new("RGB", (12, 18)).save(tmp_path / "a.png")
    asked = ("interpolate", "pixels", "a.png", "a.png", "--steps", "2", "-o")
    assert cli(*asked, "x.png").stdout == "x.png: 1 path of 2 frames of 18 high and 12 wide\n"
    assert cli(*asked, "y.png", "--size", "20x12").stdout == "y.png: 1 path of 2 frames of 20 high and 12 wide\n"
    assert cli(*asked, "z.png", "--size", "12x12").stdout == "z.png: 1 path of 2 frames of 12x12\n"


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


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            ("--seconds", "3", "--hold", "1"),
            "seconds = 3: a round has 4 ways between images and 4 s of still images, at 25 frames a second. Each way "
            "needs 1 to 9,999 frames: choose a shorter hold, or more seconds or fps",
        ),
        (("--seconds", "1", "--fps", "1"), "seconds = 1: a round has 4 ways between images, at 1 frames a second."),
        (("--seconds", "86400", "--loop", "once"), "1 to 9,999 frames: choose fewer seconds or fps"),
    ],
)
def test_seconds_that_the_frames_cannot_fill_are_refused(
    cli: Cli, photos: list[str], options: tuple[str, ...], expected: str
) -> None:
    assert expected in cli.refuses("morph", "pixels", *photos[:3], *options, "-o", "film.webp")


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
@pytest.mark.parametrize(
    "line",
    [
        ("interpolate", "photos/1.png", "photos/2.png"),
        ("morph", "photos"),
        ("mix", "photos"),
        ("grid", "photos"),
        ("edit", "photos", "--direction", "smiling"),
        ("traverse", "photos/1.png", "--count", "2"),
        ("encode", "photos"),
    ],
)
def test_every_command_that_takes_images_frames_them(cli: Cli, line: tuple[str, ...], tmp_path: Path) -> None:
    model = load(tmp_path / "model")
    model.config = model.config.model_copy(update={"framing": Framing(ink=True)})
    one, two = (tmp_path / "photos" / f"{number}.png" for number in (1, 2))
    model.directions["smiling"] = model.direction(one, two, name="smiling")
    model.save_pretrained(tmp_path / "model")
    command, *rest = line
    assert cli(command, "./model", *rest, "--frame", "ink", "-o", "framed.npy").returncode == 0
    assert cli(command, "./model", *rest, "-o", "plain.npy").returncode == 0
    framed, plain = (np.load(tmp_path / f"{name}.npy") for name in ("framed", "plain"))
    if command == "encode":
        files = sorted((tmp_path / "photos").glob("*.png"), key=lambda file: int(file.stem))
        assert np.allclose(framed, model.encode(model.frame(files, "ink")).numpy(), atol=1e-6)
    assert framed.shape == plain.shape
    assert not np.allclose(framed, plain, atol=1e-6)
    assert "'face': 'ae-tiny' was not trained on faces" in cli.refuses(
        command, "./model", *rest, "--frame", "face", "-o", "x.npy"
    )


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
        (("grid", "./model", "--frame", "ink", "-o", "x.png"), "--frame is for your own images: give four."),
        (("traverse", "./model", "--frame", "ink", "-o", "x.png"), "--frame is for your own image: give one."),
        (("morph", "./model", "full", "-o", "x.png"), "'full': the folder has no images"),
        (
            ("mix", "./model", "photos/1.png", "photos/2.png", "--weights", "0.7,0.4", "-o", "x.png"),
            "weights [0.7, 0.4], with sum 1.1: expected shares of at least 0 that sum to 1",
        ),
        (("mix", "./model", "photos", "--weights", "1,2", "-o", "x.png"), "weights have shape (2,), expected (4,)"),
        (("sample", "./model", "-o", "x.png"), "has no prior to sample from"),
        (("sample", "./model", "--count", "0", "-o", "x.png"), "'--count': 0 is not in the range 1<=x<=100000"),
        (("encode", "./model", "photos", "-o", "x.txt"), "ends in '.txt', expected .npy, .safetensors"),
    ):
        assert expected in cli.refuses(*line)
        assert not [*cli.folder.glob("x.*")]


NOWHERE = "./no-such-model"  # found to be missing only after the output was checked
OUTPUTS = [
    (("interpolate", NOWHERE, "-o"), ".png"),
    (("interpolate", NOWHERE, "-o"), ".npy"),
    (("interpolate", NOWHERE, "-o"), ""),
    (("encode", NOWHERE, "a.png", "-o"), ".npy"),
    (("evaluate", NOWHERE, "--json"), ".json"),
    (("score", NOWHERE, "--json"), ".json"),
    (("score", NOWHERE, "--plot"), ".png"),
]


@pytest.mark.parametrize(("line", "suffix"), OUTPUTS, ids=str)
def test_what_cannot_be_written_is_refused_before_the_work(cli: Cli, line: tuple[str, ...], suffix: str) -> None:
    assert f"cannot write 'no/x{suffix}': there is no folder" in cli.refuses(*line, f"no/x{suffix}")
    if Path("/proc/self").is_dir():  # where not even root can create files
        assert f"cannot write '/proc/x{suffix}': " in cli.refuses(*line, f"/proc/x{suffix}")
    if suffix:
        os.mkfifo(cli.folder / f"pipe{suffix}")
        assert f"cannot write 'pipe{suffix}': it is not a regular file" in cli.refuses(*line, f"pipe{suffix}")
    before = os.listdir(cli.folder)
    assert "cannot write" not in cli.refuses(*line, f"new{suffix}")
    assert os.listdir(cli.folder) == before


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
    ask = ("edit", "./model", photos[0], "-o", "x.png", "--direction")
    assert "no direction 'smile'. There are smiling. Did you mean 'smiling'?" in cli.refuses(*ask, "smile")
    assert "has no direction 'x'. There are smiling. Find one with" in cli.refuses(*ask, "x")


def test_directions_are_read_from_files(cli: Cli, photos: list[str], tmp_path: Path) -> None:
    model = load(tmp_path / "model")
    one, two = (model.direction(photos[i], photos[i + 1], name=f"d{i}") for i in (0, 1))
    save_directions(tmp_path / "one.safetensors", [one])
    save_directions(tmp_path / "both.safetensors", [one, two])
    ask = ("edit", "./model", photos[3], "-o", "x.npy", "--direction")
    assert cli(*ask, "one.safetensors").returncode == 0
    assert np.allclose(np.load(tmp_path / "x.npy"), model.edit(photos[3], one), atol=1e-6)
    assert "'both.safetensors' is 2 directions (d0, d1): give one." in cli.refuses(*ask, "both.safetensors")
    assert "none.safetensors" in cli.refuses(*ask, "none.safetensors")
    assert cli("traverse", "./model", "--directions", "both.safetensors", "-o", "y.npy").returncode == 0
    assert np.allclose(np.load(tmp_path / "y.npy"), model.traverse(directions=[one, two]), atol=1e-6)


def test_too_many_principal_directions_of_examples_say_how_to_get_more(cli: Cli, photos: list[str]) -> None:
    ask = ("traverse", "./model", photos[0], "-o", "x.png", "--count")
    assert cli(*ask, "7").returncode == 0
    message = cli.refuses(*ask, "8")
    assert "'ae-tiny' has no training codes, only 8 examples, which vary in 7 directions: expected at most" in message
    assert "principal_directions(model.encode(images))" in message


def terminal(arguments: list[str], cli: Cli) -> str:
    """What a command writes to a terminal."""
    pid, screen = pty.fork()
    if pid == 0:
        os.chdir(cli.folder)
        os.execve(sys.executable, [sys.executable, "-c", WAITING, *arguments], {**cli.environment, "TERM": "xterm"})
    seen = b""
    with suppress(OSError):  # as Linux tells the end
        while part := os.read(screen, 4096):
            seen += part
    os.close(screen)
    assert os.waitpid(pid, 0)[1] == 0, seen
    return seen.decode()


WAITING = """
import sys
from interpzoo.cli import app, progress
progress._PATIENCE = 0
sys.exit(app.run(sys.argv[1:]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such terminals")
def test_long_work_shows_on_a_terminal_how_far_it_is(cli: Cli, tmp_path: Path) -> None:
    for name, picture in zip("ab", random_images(2, ImageSpec(channels=3, height=40, width=40)), strict=True):
        to_pil(picture).save(tmp_path / f"{name}.png")  # type: ignore[union-attr]
    asked = ["interpolate", "metamorphosis", "a.png", "b.png", "--steps", "4", "-o"]
    shown = terminal([*asked, "film.gif"], cli)
    for text in ("drawing frames", "0/4", "writing the film", "6/6"):
        assert text in shown
    done = cli.python("-c", WAITING, *asked, "x.gif")
    assert (done.returncode, done.stderr) == (0, "")
