"""The command that scores frames."""

from __future__ import annotations

import json
from pathlib import Path

import interpzoo
from tests.cli.conftest import Cli
from tests.scoring.test_score import fade, square


def test_the_command_prints_writes_and_draws(cli: Cli, tmp_path: Path) -> None:
    interpzoo.save_video(tmp_path / "move.gif", square(), scale=1)
    interpzoo.save_frames(tmp_path / "fade", fade())
    for name, index in (("a.png", 0), ("b.png", -1)):
        interpzoo.save_image(tmp_path / name, square()[index])
    ends = ("--ends", "a.png", "--ends", "b.png")
    done = cli("score", "move.gif", "fade", *ends, "--json", "x.json", "--plot", "x.png")
    assert done.returncode == 0, done.stderr
    assert "fade: a cross-fade of its ends\n" in done.stdout
    assert "1 path of 7 frames of 16x16; features: random convolutions\n" in done.stdout
    assert "note: move.gif plays there and back" in done.stdout
    names = [row["name"] for row in json.loads((tmp_path / "x.json").read_text())["boards"][0]["candidates"]]
    assert names == ["move.gif", "fade", "jump", "blend"]
    assert (tmp_path / "x.png").is_file()
    assert "--ends are two images for each path, got 1" in cli.refuses("score", "fade", "--ends", "a.png")
