"""Tables and labeled values on a terminal of 40 characters."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from interpzoo.cli.console import columns, fields, size

WIDTH = 40
HEADER = ("NAME", "VALUE", "NOTE")
ROWS = [("acai-lines", "0.12 [0.1, 0.14]*", "a note of several words that does not fit"), ("ae", "", "")]


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setattr(sys.stdout, "isatty", lambda: True)
        patch.setenv("COLUMNS", str(WIDTH))
        yield


def test_cells_that_do_not_fit_are_cut() -> None:
    lines = [*columns(HEADER, ROWS)]
    assert len(lines) == 3
    assert all(len(line) <= WIDTH for line in lines)
    assert lines[1].endswith("...")
    assert lines[2] == "ae"


def test_wrapped_cells_lose_nothing() -> None:
    lines = [*columns(HEADER, ROWS, wrap=True)]
    assert all(len(line) <= WIDTH for line in lines)
    words = " ".join(lines).split()
    assert sorted(words) == sorted(" ".join(" ".join(row) for row in (HEADER, *ROWS)).split())


def test_fields_are_wrapped_and_empty_ones_left_out() -> None:
    lines = [*fields({"license": "mit", "paper": "", "what": "one two three four five six seven eight"})]
    assert lines[0] == "  license  mit"
    assert all(len(line) <= WIDTH for line in lines)
    assert " ".join(" ".join(lines[1:]).split()) == "what one two three four five six seven eight"


def test_text_of_a_model_does_not_control_the_terminal() -> None:
    assert [*columns(("A",), [("\x1b[2J\n",)])] == ["A", r"\x1b[2J"]


def test_sizes() -> None:
    assert [size(bytes_) for bytes_ in (512, 99_999, 1_900_000)] == ["0.5 kB", "100.0 kB", "1.9 MB"]
