"""Processes that share work."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest

from interpzoo.processes import all_done, from_own_place, turns
from tests.processes import TWO

_SCRIPT = """
import json, os, pathlib, sys, time
from interpzoo.processes import all_done, from_own_place, turns

folder, rank = pathlib.Path(sys.argv[1]), os.environ["RANK"]
taken = {"first": [], "second": []}
for name, mine in taken.items():
    for turn in turns():
        if turn >= 8:
            break
        mine.append(turn)
        if turn == 0:
            time.sleep(1)
            while len(list(folder.iterdir())) < 7:  # until the other process has done all that is left
                time.sleep(0.05)
        else:
            (folder / f"{name} {turn}").touch()
    if all_done():
        for file in folder.glob(f"{name} *"):
            file.unlink()
        (folder / f"all {name}").write_text(rank)
    else:
        while not (folder / f"all {name}").exists():
            time.sleep(0.05)
        if name == "first":
            (folder / "all first").unlink()
(folder.parent / rank).write_text(json.dumps(taken))
"""


def test_one_process_has_every_turn_and_goes_on() -> None:
    assert [*islice(turns(), 4)] == [*islice(turns(), 4)] == [0, 1, 2, 3]
    assert all_done()


def test_processes_begin_at_places_of_their_own_and_pass_all(monkeypatch: pytest.MonkeyPatch) -> None:
    assert from_own_place("abcde") == [*"abcde"]
    monkeypatch.setenv("WORLD_SIZE", "2")
    for rank, expected in (("0", "abcde"), ("1", "cdeab")):
        monkeypatch.setenv("RANK", rank)
        assert "".join(from_own_place("abcde")) == expected


@pytest.mark.slow
def test_each_turn_is_taken_once_and_the_quick_process_takes_more(tmp_path: Path) -> None:
    """One process is at its first turn until the other has done the rest; and so again at the next call."""
    (tmp_path / "run.py").write_text(_SCRIPT)
    (tmp_path / "done").mkdir()
    command = [sys.executable, *TWO, str(tmp_path / "run.py"), str(tmp_path / "done")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    both = [json.loads((tmp_path / rank).read_text()) for rank in "01"]
    for name in ("first", "second"):
        assert sorted((taken[name] for taken in both), key=len) == [[0], [1, 2, 3, 4, 5, 6, 7]]
    assert (tmp_path / "done" / "all second").read_text() == "0"
