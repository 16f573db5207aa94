"""Where progress is a bar, and where it is lines."""

from __future__ import annotations

import pytest
from rich.console import Console

from interpzoo.training import progress


@pytest.mark.parametrize(("terminal", "notebook", "widgets"), [(True, False, False), (False, True, True)])
def test_a_terminal_and_a_notebook_with_widgets_have_a_bar(
    terminal: bool, notebook: bool, widgets: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "find_spec", lambda name: (name == "ipywidgets" and widgets) or None)
    assert progress.shows_bars(Console(force_terminal=terminal, force_jupyter=notebook))


@pytest.mark.parametrize("notebook", [True, False])
def test_without_either_there_are_lines(notebook: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "find_spec", lambda name: None)
    assert not progress.shows_bars(Console(force_terminal=False, force_jupyter=notebook))


def test_lines_say_how_long_the_run_takes(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    clock = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    with progress.TrainingProgress("tiny", 1010, done=10) as shown:  # a run that goes on
        for seconds, step in (
            (5.0, 11),
            (14.0, 13),
            (16.0, 14),
            (70.0, 105),
            (80.0, 110),
            (95.0, 135),
            (370.0, 910),
            (371.0, 1010),
        ):
            clock[0] = seconds
            shown.report(step, {"loss": 0.5})
    assert capsys.readouterr().err.splitlines() == [
        "tiny step 11/1010  loss 0.5",
        "tiny step 14/1010, 66 min left  loss 0.5",
        "tiny step 110/1010, 12 min left  loss 0.5",
        "tiny step 910/1010, 41 s left  loss 0.5",
        "tiny step 1010/1010 in 6 min  loss 0.5",
    ]
