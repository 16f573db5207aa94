"""The scripts of `benchmarks/` run, with the smallest numbers that they take."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("INTERPZOO_DATA", "nowhere"))
COMMANDS = {
    "paths vae-mnist --pairs 4 --path slerp": "mnist",
    "ensemble riemannian-mnist --members 2 --images 100 --steps 4 --pairs 2": "mnist",
    "manifold lowbend-sundial": "",
    "directions acai-celeba64 --faces 4": "celeba64",
}


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_a_script_prints_a_table_with_intervals(command: str) -> None:
    if not (DATA / COMMANDS[command]).is_dir() and COMMANDS[command]:
        pytest.skip(f"INTERPZOO_DATA has no {COMMANDS[command]}")
    script, *arguments = command.split()
    run = [sys.executable, "-m", f"benchmarks.{script}", *arguments]
    done = subprocess.run(run, cwd=ROOT, capture_output=True, encoding="utf-8", timeout=500)
    assert done.returncode == 0, done.stderr
    rows = [line for line in done.stdout.splitlines() if line.startswith("| ")]
    assert len(rows) > 2
    assert all(" - " in row or "[" in row for row in rows[2:])
