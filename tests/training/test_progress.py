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
