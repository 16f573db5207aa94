"""Wrong values of options and arguments: one line, exit code 2, and no long work before it."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator

import pytest

from interpzoo.cli.app import COMMANDS
from tests.cli.conftest import Cli

BAD_NUMBERS = ("-1", "nan", "9.0", "", "1" * 5000, "1e9", str(2**63), str(10**30), "\x1b[2J", "x")
BAD_DEVICES = ("meta", "hpu", "cuda:99", "nosuch", "", "\x1b[2J", "mtia", "x" * 5000)
BAD_PATHS = ("/proc/x", "~nosuchuser/x.png", "a" * 300, "a/" * 3000, "file/x.png", "\0", "./no/such/folder")
BAD_NAMES = (
    "no-such",
    "ae-tinny",
    "a:b:c",
    "user/\ud800",
    "\u202e",
    "x" * 5000,
    "./nowhere",
    "./file",
    "/dev/null",
    " ",
)

Line = tuple[str, ...]


def lines() -> Iterator[Line]:
    picture = ("interpolate", "ae-tiny", "-o", "x.png")
    scored = (("evaluate", "./trained"), ("benchmark", "./trained"))
    for number in BAD_NUMBERS:
        for option in ("--steps", "--scale", "--batch-size"):
            yield (*picture, option, number)
        for line in scored:
            yield (*line, "--seed", number)
    for device in BAD_DEVICES:
        for line in (picture, *scored):
            yield (*line, "--device", device)
    for path in BAD_PATHS:
        yield ("interpolate", "ae-tiny", "-o", path)
        yield ("interpolate", "ae-tiny", path, path, "-o", "x.png")
        yield ("encode", "ae-tiny", path, "-o", "x.npy")
        yield ("mix", "ae-tiny", path, "-o", "x.png")
        for line, option in itertools.product(scored, ("--data-root", "--dataset", "--features", "--metrics")):
            yield (*line, option, path)
        yield ("evaluate", "./trained", "--json", f"{path}/x.json")
        yield ("score", path)
        yield ("stimuli", "ae-tiny", path, "-o", "pack")
        yield ("new-plugin", "name", "--output", f"{path}/y")
        yield ("new-plugin", path)
    for name in BAD_NAMES:
        for command in ("show", "verify", "evaluate", "benchmark", "train"):
            yield (command, name)
        yield ("show", "--recipe", name)
        yield ("push", name, "user/repo")
        yield ("push", "ae-tiny", name)
        yield ("interpolate", name, "-o", "x.png")
        yield ("export", name, "-o", "exported")
        yield ("demo", name, "-o", "page")
        yield ("edit", name, "a.png", "--direction", "smiling", "-o", "x.png")
        yield ("traverse", name, "-o", "x.png")
        for command in ("morph", "grid", "mix", "sample"):
            yield (command, name, *(["a.png"] * 4 if command != "sample" else []), "-o", "x.png")
        yield ("encode", name, "a.png", "-o", "x.npy")
        yield (*picture, "--interpolator", name)


def test_wrong_values_end_every_command_with_one_line(cli: Cli, trained_here: None) -> None:
    every = random.Random(0).sample([*lines()], len([*lines()]))
    of_each = {line[0]: line for line in every}
    assert {*of_each} == {*COMMANDS} - {"list", "plugins"}
    some = [*of_each.values(), *every[:100]]
    for line in some:
        message = cli.refuses(*line)
        assert message.isprintable()
        assert len(message) < 1100, line


@pytest.fixture
def trained_here(cli: Cli, trained: object) -> None:
    """The trained model as ``./trained``, and a file where a folder is expected."""
    (cli.folder / "trained").symlink_to(str(trained))
    (cli.folder / "file").write_text("a file")


def test_an_output_folder_that_cannot_be_written_is_refused_at_once(cli: Cli, trained_here: None) -> None:
    for path in ("/proc/x", "file", "file/x", "a" * 300, "~nosuchuser/x"):
        assert "scoring" not in cli.refuses("benchmark", "./trained", "--output", path)
