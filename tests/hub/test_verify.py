"""`verify`: every file of a folder, and the images that its weights make."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file, save_file

from interpzoo import verify
from interpzoo.cli.app import group
from interpzoo.directions import Direction
from interpzoo.errors import WeightsError
from interpzoo.pretrained.folder import CARD, FILES, SUMS, write_hashes
from tests.tiny import tiny_fitness, tiny_model

LISTED = sorted({*FILES} - {CARD, SUMS})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    model = tiny_model(examples=4)
    model.codes = model.examples
    model.fitness = tiny_fitness(model)
    model.directions["up"] = Direction("up", torch.ones(model.latent_shape))
    return model.save_pretrained(tmp_path / "model")


def problems(folder: Path) -> dict[str, str]:
    """The problems, by file name."""
    return {finding.name: finding.problem for finding in verify(folder) if finding.problem}


def test_a_whole_folder_is_reported_file_by_file(folder: Path) -> None:
    assert sorted(finding.name for finding in verify(folder)) == sorted([*LISTED, "frames"])
    assert problems(folder) == {}
    (folder / CARD).write_text("mine")
    assert problems(folder) == {}


@pytest.mark.parametrize("at", [0, -1])
@pytest.mark.parametrize("name", LISTED)
def test_a_changed_byte_is_detected_in_every_file(folder: Path, name: str, at: int) -> None:
    data = bytearray((folder / name).read_bytes())
    data[at] ^= 1
    (folder / name).write_bytes(data)
    assert f"{name} is damaged: its SHA-256 is" in problems(folder)[name]


@pytest.mark.parametrize("name", LISTED)
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    assert f"has no {name}" in problems(folder)[name]


def test_a_file_that_is_not_listed_is_named(folder: Path) -> None:
    text = (folder / SUMS).read_text()
    (folder / SUMS).write_text("".join(line for line in text.splitlines(keepends=True) if "codes" not in line))
    assert problems(folder) == {"codes.safetensors": "is not listed in SHA256SUMS"}
    (folder / SUMS).unlink()
    assert SUMS in problems(folder)


@pytest.mark.parametrize("line", ["", "0" * 64, f"{'0' * 64}  ../../secret", f"{'0' * 64}  README.md", "no list"])
def test_an_invalid_list_of_hashes(folder: Path, line: str) -> None:
    with (folder / SUMS).open("a") as file:
        file.write(f"{line}\n")
    with pytest.raises(WeightsError, match=r"SHA256SUMS is damaged: it has the line"):
        verify(folder)


def test_frames_that_differ_from_the_weights_are_reported(folder: Path) -> None:
    examples = load_file(folder / "examples.safetensors")
    for change, expected in ((5e-5, {}), (2e-4, {"frames": "differ from the stored ones by 0.0002, expected at most"})):
        save_file({**examples, "frames": examples["frames"] + change}, folder / "examples.safetensors")
        write_hashes(folder)
        assert {name: text[:52] for name, text in problems(folder).items()} == {
            name: text[:52] for name, text in expected.items()
        }
    for frames in (examples["frames"][:2], examples["frames"] * torch.nan):
        save_file({**examples, "frames": frames}, folder / "examples.safetensors")
        write_hashes(folder)
        assert list(problems(folder)) == ["frames"]


def test_the_command_reports_every_file_and_exits_with_1(folder: Path) -> None:
    whole = CliRunner().invoke(group, ["verify", str(folder)])
    assert whole.exit_code == 0
    assert whole.output.splitlines() == [f"{name}: ok" for name in [n for n in FILES if n in LISTED] + ["frames"]]
    (folder / "preview.png").write_bytes(b"")
    damaged = CliRunner().invoke(group, ["verify", str(folder), "--json"])
    assert damaged.exit_code == 1
    assert [row["name"] for row in json.loads(damaged.output) if row["problem"]] == ["preview.png"]
