"""The command that makes stimuli."""

from __future__ import annotations

from pathlib import Path

import interpzoo
from tests.cli.conftest import Cli
from tests.tiny import random_images


def test_the_command_makes_a_pack_of_a_table_or_of_two_folders(cli: Cli, model: Path, tmp_path: Path) -> None:
    pictures = random_images(4, interpzoo.load(model).config.image)
    for folder, some in (("a", pictures[:2]), ("b", pictures[2:])):
        interpzoo.save_frames(tmp_path / folder, some)
    (tmp_path / "pairs.csv").write_text("first,second\na/0000.png,b/0001.png\n")
    done = cli("stimuli", "./model", "pairs.csv", "--steps", "3", "-o", "table")
    assert (done.returncode, done.stdout) == (0, "table/manifest.csv: 1 path\n"), done.stderr
    done = cli("stimuli", "./model", "a", "b", "--every-pair", "--t", "0,1", "-o", "folders")
    assert done.stdout == "folders/manifest.csv: 4 paths\n", done.stderr
    assert len([*(tmp_path / "folders" / "frames").rglob("*.png")]) == 8
    assert "PAIRS is one CSV file, or two folders" in cli.refuses("stimuli", "./model", "a", "-o", "x")
    assert "--every-pair is for two folders" in cli.refuses(
        "stimuli", "./model", "pairs.csv", "--every-pair", "-o", "x"
    )
