"""Bars on a terminal: for work on many paths or images, for a benchmark, and for any long work."""

from __future__ import annotations

import time
from contextlib import ExitStack
from types import TracebackType
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from interpzoo.progress import listening
from interpzoo.text import printable

_LINE_SECONDS: Final = 60.0
_PATIENCE: Final = 1.0  # seconds after which work is long


class _Bar(Progress):
    """A bar on standard error where that is a terminal."""

    def __init__(self, *columns: ProgressColumn, total: int | None = None) -> None:
        console = Console(stderr=True)
        super().__init__(*columns, console=console, disable=not console.is_terminal)
        self._task = self.add_task("", total=total)


class PathProgress(_Bar):
    """A context manager that is called with the number of paths, or of `what` else, that are done, and of all.

    Where there is no terminal, it writes a line now and then.
    """

    def __init__(self, what: str = "paths") -> None:
        super().__init__(BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self.total = 0
        self.before: int | None = None
        """How many were done at the first call."""
        self._what = what
        self._next = time.monotonic() + _LINE_SECONDS

    def __call__(self, done: int, total: int) -> None:
        self.total = total
        self.before = done if self.before is None else self.before
        self.update(self._task, completed=done, total=total)
        if self.disable and time.monotonic() >= self._next:
            self._next = time.monotonic() + _LINE_SECONDS
            self.console.print(f"{done}/{total} {self._what}", highlight=False)


class BenchmarkProgress(_Bar):
    """A context manager that is called before every measurement.

    Where there is no terminal, it writes a line for each candidate.
    """

    def __init__(self, total: int) -> None:
        columns = BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}")
        super().__init__(*columns, total=total)
        self._candidate = ""

    def __call__(self, candidate: str, metric: str) -> None:
        self.update(self._task, advance=1, description=escape(printable(f"{candidate}: {metric}")))
        if candidate != self._candidate and self.disable:
            self.console.print(printable(f"scoring {candidate}"), soft_wrap=True, highlight=False, markup=False)
        self._candidate = candidate


class Waiting:
    """A context manager that shows on a terminal, once work takes long, how far `tracked` work is; else nothing."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            refresh_per_second=2,
        )
        self._task = self._bar.add_task("", total=None)
        self._shown = False
        self._open = ExitStack()

    def _hear(self, what: str, done: int, total: int) -> None:
        if not self._shown and time.monotonic() >= self._due:
            self._open.enter_context(self._bar)
            self._shown = True
        self._bar.update(self._task, description=what, completed=done, total=total, refresh=self._shown and done == 0)

    def __enter__(self) -> Waiting:
        self._due = time.monotonic() + _PATIENCE
        if self._console.is_terminal:
            self._open.enter_context(listening(self._hear))
        return self

    def __exit__(self, *error: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._open.close()
