"""``interpzoo interpolate``."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from interpzoo import load
from interpzoo.cli import streamed
from interpzoo.errors import PictureWarning
from interpzoo.fitness import FEWEST, measured
from interpzoo.pictures import save_frames, save_strip
from tests.cli.conftest import Cli
from tests.processes import TWO

STEPS = 9


@pytest.fixture
def pictures(tmp_path: Path) -> tuple[Path, Path]:
    """Two pictures, neither of the model's size and channels."""
    rng = np.random.default_rng(0)
    paths = tmp_path / "a.png", tmp_path / "b.jpg"
    for path, size in zip(paths, [(40, 30, 3), (16, 16, 3)], strict=True):
        Image.fromarray(rng.integers(0, 256, size, dtype=np.uint8)).save(path)
    return paths


def pixels(path: Path) -> np.ndarray:
    """The picture in `path`."""
    with Image.open(path) as image:
        return np.asarray(image)


def test_without_images_the_paths_are_between_pairs_of_examples(cli: Cli, model: Path, tmp_path: Path) -> None:
    done = cli("interpolate", "./model", "-o", "strip.png")
    assert (done.returncode, done.stdout, done.stderr) == (0, "strip.png: 4 paths of 9 frames of 16x16\n", "")
    save_strip(tmp_path / "expected.png", load(model).example_strip())
    assert np.array_equal(pixels(tmp_path / "strip.png"), pixels(tmp_path / "expected.png"))


def test_a_model_by_its_name(cli: Cli, tmp_path: Path) -> None:
    assert cli("interpolate", "ae-tiny", "-o", "strip.png", "--scale", "1").returncode == 0
    assert pixels(tmp_path / "strip.png").shape[1] == STEPS * 16


def test_a_warning_is_one_line(cli: Cli, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("default", FutureWarning)
        done = cli("interpolate", "ae-small", "-o", "strip.png")
    assert done.returncode == 0
    assert "Warning: model 'ae-small' is now called 'ae-tiny'" in done.stderr.splitlines()
    assert ".py" not in done.stderr
    assert (tmp_path / "strip.png").is_file()


def test_between_two_pictures(cli: Cli, model: Path, pictures: tuple[Path, Path], tmp_path: Path) -> None:
    done = cli("interpolate", "./model", "a.png", "b.jpg", "--steps", "5", "--scale", "2", "-o", "strip.png")
    assert (done.returncode, done.stdout, done.stderr) == (0, "strip.png: 1 path of 5 frames of 16x16\n", "")
    frames = load(model).interpolate(*pictures, steps=5)
    save_strip(tmp_path / "expected.png", frames, scale=2)
    shown = pixels(tmp_path / "strip.png")
    assert shown.shape == (32, 5 * 32)
    assert np.array_equal(shown, pixels(tmp_path / "expected.png"))


def test_many_pairs_are_written_to_a_folder_as_they_come(
    cli: Cli, model: Path, pictures: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streamed, "_PART", 2)
    files = ["a.png", "b.jpg", "b.jpg", "a.png", "a.png", "a.png"]
    done = cli("interpolate", "./model", *files, "--steps", "3", "-o", "walks")
    assert (done.returncode, done.stdout) == (0, f"{tmp_path / 'walks'}: 3 paths of 3 frames of 16x16\n")
    paths = load(model).interpolate([tmp_path / f for f in files[::2]], [tmp_path / f for f in files[1::2]], steps=3)
    for expected in save_frames(tmp_path / "expected", paths):
        found = tmp_path / "walks" / expected.relative_to(tmp_path / "expected")
        assert np.abs(pixels(found).astype(int) - pixels(expected)).max() <= 1  # another rounding
    (tmp_path / "walks" / "0" / "0000.png").unlink()
    done = cli("interpolate", "./model", *files, "-o", "walks")
    assert (done.returncode, "it has files already" in done.stderr) == (2, True)


def test_more_images_than_200_000_are_refused_before_a_model_is_loaded(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = ["x.png"] * 200_001
    monkeypatch.setattr("interpzoo.images.files_in", lambda folder: files)
    assert "more than 200,000 images: give fewer" in cli.refuses("interpolate", "no-such-model", ".", "-o", "walks")
    del files[0]
    assert "unknown model 'no-such-model'" in cli.refuses("interpolate", "no-such-model", ".", "-o", "walks")
    assert not (tmp_path / "walks").exists()


@pytest.mark.filterwarnings("always")
@pytest.mark.usefixtures("pictures")
def test_a_stream_of_pictures_of_another_kind_has_one_warning(cli: Cli, model: Path, tmp_path: Path) -> None:
    picky = load(model)
    known, others = 0.5 + 0.01 * torch.randn(2, FEWEST, *picky.config.image.shape)
    picky.fitness = measured(known, picky.reconstruct(known), others, picky.reconstruct(others))
    picky.save_pretrained(tmp_path / "picky")
    done = cli("interpolate", "./picky", *["a.png", "b.jpg"] * 70, "--steps", "2", "-o", "walks")
    first, more = done.stderr.splitlines()
    assert re.match(r"Warning: 64 of 64 pictures \('[ab]\.\w+' most\) are unlike the images that", first)
    assert more == "Warning: 3 more such warnings are not shown: about other pictures, or the same ones"
    assert done.returncode == 0
    warnings.simplefilter("error", PictureWarning)  # as PYTHONWARNINGS=error
    assert "is unlike the images that" in cli.refuses("interpolate", "./picky", "a.png", "b.jpg", "-o", "x.png")


@pytest.mark.slow
@pytest.mark.usefixtures("model", "pictures")
def test_two_processes_share_the_pairs(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "files.txt").write_text("\n".join(["a.png", "b.jpg"] * 300))
    asked = ["interpolate", "./model", "-", "--steps", "2", "-o"]
    with (tmp_path / "files.txt").open() as files:
        done = cli.python(*TWO, "-m", "interpzoo", *asked, "shared", stdin=files)
    expected = f"{tmp_path / 'shared'}: 300 paths of 2 frames of 16x16\n"
    assert (done.returncode, done.stdout) == (0, expected), done.stderr
    assert sorted(int(path.name) for path in (tmp_path / "shared").iterdir()) == [*range(300)]
    assert len([*(tmp_path / "shared").rglob("*.png")]) == 600
    assert not [*tmp_path.glob(".*.tmp")]


def test_options_reach_the_model(cli: Cli, model: Path, tmp_path: Path) -> None:
    strip = ("interpolate", "./model", "--scale", "1", "--device", "cpu", "--batch-size", "2")
    assert cli(*strip, "--interpolator", "slerp", "-o", "slerp.png").returncode == 0
    save_strip(tmp_path / "expected.png", load(model).example_strip(interpolator="slerp", batch_size=2), scale=1)
    assert np.array_equal(pixels(tmp_path / "slerp.png"), pixels(tmp_path / "expected.png"))
    assert cli(*strip, "-o", "linear.png").returncode == 0
    assert not np.array_equal(pixels(tmp_path / "slerp.png"), pixels(tmp_path / "linear.png"))


def test_an_animation(cli: Cli, model: Path, tmp_path: Path) -> None:
    assert cli("interpolate", "./model", "--steps", "4", "-o", "path.GIF").returncode == 0
    with Image.open(tmp_path / "path.GIF") as image:
        assert image.format == "GIF"
        assert getattr(image, "n_frames", 1) == 6  # there and back


def test_a_path_needs_two_examples(cli: Cli, model: Path, tmp_path: Path) -> None:
    few = load(model)
    few.examples = torch.zeros(3, *few.latent_shape)
    few.save_pretrained(tmp_path / "three")
    assert cli("interpolate", "./three", "-o", "strip.png").stdout == "strip.png: 1 path of 9 frames of 16x16\n"
    few.examples = few.examples[:1]
    few.save_pretrained(tmp_path / "three")
    assert not (tmp_path / "three" / "preview.png").exists()
    assert "has fewer than two example codes: give two images" in cli.refuses("interpolate", "./three", "-o", "x.png")


def test_usage_errors_are_found_before_anything_is_loaded(cli: Cli) -> None:
    for arguments, expected in (
        (("a.png", "-o", "x.png"), "a path needs two images: give one beside 'a.png', or none."),
        (
            ("-o", "x.bmp"),
            "'x.bmp' ends in '.bmp', expected .png, .jpg, .jpeg, .mp4, .gif, .webp, .apng, .npy, or a new fol",
        ),
        (("-o", "no/x.png"), "cannot write 'no/x.png': there is no folder "),
        ((), "Missing option '-o' / '--output'."),
        (("--steps", "many", "-o", "x.png"), "'many' is not a valid integer."),
    ):
        message = cli.refuses("interpolate", "./no-such-model", *arguments)
        assert expected in message
        assert message.endswith("See 'interpzoo interpolate --help'.")


@pytest.mark.usefixtures("model", "pictures")
def test_invalid_input(cli: Cli) -> None:
    for arguments, expected in (
        (("--steps", "1"), "steps = 1: expected a whole number from 2 to 10,000"),
        (("--batch-size", "0"), "batch_size = 0: expected a whole number from 1"),
        (("--scale", "0"), "scale = 0: expected a whole number from 1"),
        (("--interpolator", "sler"), "unknown interpolator 'sler'. Did you mean 'slerp'"),
        (("--device", "abacus"), "device = 'abacus' cannot be used: "),
        (("none.png", "b.jpg"), "'none.png': the image cannot be read: No such file or directory"),
        (("ae-mnist",), "'ae-mnist' is a model: expected an image; several models have commas between them"),
        (("a.png", "model/config.json"), "'model/config.json': not an image of a known format"),
        (("a.png", "."), "each path needs two images, got 3: leave one out, or use 'interpzoo morph'"),
    ):
        assert expected in cli.refuses("interpolate", "./model", *arguments, "-o", "x.png")
        assert not (cli.folder / "x.png").exists()


def test_frames_at_even_distances(cli: Cli, model: Path, pictures: tuple[Path, Path], tmp_path: Path) -> None:
    done = cli("interpolate", "./model", "a.png", "b.jpg", "--spacing", "even", "-o", "strip.png", "--scale", "1")
    assert (done.returncode, done.stderr) == (0, "")
    save_strip(tmp_path / "expected.png", load(model).interpolate(*pictures, spacing="even"), scale=1)
    assert np.array_equal(pixels(tmp_path / "strip.png"), pixels(tmp_path / "expected.png"))


def test_features_without_even_steps_are_an_error(cli: Cli, model: Path) -> None:
    done = cli("interpolate", "./model", "--features", "features-mnist", "-o", "strip.png")
    assert done.returncode == 2
    assert done.stderr.startswith("Error: --features is for even steps: give --spacing even.")
