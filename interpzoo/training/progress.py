"""What a run shows while it trains, and the history of its losses that stays in its folder."""

import json
import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column

from interpzoo.files import writing

_LINE_SECONDS, _REFRESH_SECONDS = 60.0, 0.5
"""Least time between two lines of progress, and between two updates of its bar on a terminal."""

_SOON_SECONDS: Final = 10.0
"""Time from the first line to the second, which is the first that can say how long the run takes."""

_HISTORY_LINES: Final = 1000
"""About as many lines as a history has, however long the run."""


def shows_bars(console: Console) -> bool:
    """Whether bars move in place: on a terminal, and in a notebook that has widgets."""
    return console.is_terminal or (console.is_jupyter and find_spec("ipywidgets") is not None)


class TrainingProgress(Progress):
    """A bar with steps, time left and, where there is room, the loss terms, on a terminal and in a notebook.

    Elsewhere one line a minute, with the time left; the second line comes sooner.
    """

    def __init__(self, name: str, total: int, *, done: int = 0, quiet: bool = False) -> None:
        console = Console(stderr=True, quiet=quiet)
        super().__init__(
            TextColumn("{task.description}", table_column=Column(no_wrap=True, overflow="ellipsis", max_width=20)),
            BarColumn(bar_width=10),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            # Losses get what is left of the line.
            TextColumn("{task.fields[losses]}", table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1)),
            console=console,
            disable=not shows_bars(console),
            expand=True,
        )
        self._name, self._total = name, total
        self._task = self.add_task(name, total=total, completed=done, losses="")
        self._first, self._start = done, time.monotonic()
        self._next = self._start

    def say(self, text: str) -> None:
        """Print a line."""
        self.console.print(f"{self._name}: {text}", soft_wrap=True, highlight=False, markup=False)

    def report(self, done: int, values: Mapping[str, float]) -> None:
        """Show the losses of step `done`."""
        if done < self._total and time.monotonic() < self._next:
            return
        shown = shows_bars(self.console)
        pause = _SOON_SECONDS if done == self._first + 1 else _LINE_SECONDS
        self._next = time.monotonic() + (_REFRESH_SECONDS if shown else pause)
        losses = "  ".join(f"{name} {value:.4g}" for name, value in values.items())
        self.update(self._task, completed=done, losses=losses)
        if not shown:
            line = f"{self._name} step {done}/{self._total}{self._left(done)}  {losses}"
            self.console.print(line, soft_wrap=True, highlight=False, markup=False)

    def _left(self, done: int) -> str:
        """The time left, or that of the run at its end; nothing after the first step, which is slower than others."""
        passed, steps = time.monotonic() - self._start, done - self._first
        if done == self._total:
            return f" in {_rounded(passed)}"
        return f", {_rounded(passed / steps * (self._total - done))} left" if steps > 1 else ""


def _rounded(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"


class History:
    """Losses by step, one JSON object a line; a resumed run continues after step `done`.

    Raises:
        OutputError: the file cannot be written.
    """

    def __init__(self, path: Path, total: int, *, done: int = 0) -> None:
        self._path, self._total, self._stride = path, total, max(1, total // _HISTORY_LINES)
        self._last = done
        kept = [line for line in self._lines() if _step(line) <= done] if done else []
        self._write("w", "".join(f"{line}\n" for line in kept))

    def report(self, done: int, values: Mapping[str, float]) -> None:
        """Keep the losses of step `done`, or of some steps of a long run."""
        if done // self._stride > self._last // self._stride or done == self._total:
            self._last = done
            self._write("a", json.dumps({"step": done, **values}) + "\n")

    def _lines(self) -> list[str]:
        try:
            return self._path.read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            return []

    def _write(self, mode: str, text: str) -> None:
        with writing(self._path), self._path.open(mode, encoding="utf-8") as file:
            file.write(text)


def _step(line: str) -> float:
    """The step of a line; one that is cut or not ours counts as later than any."""
    try:
        return float(json.loads(line)["step"])
    except (ValueError, TypeError, LookupError, RecursionError, OverflowError):
        return float("inf")
