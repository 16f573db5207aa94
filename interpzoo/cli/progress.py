"""A bar on a terminal for work on many paths or images, or for any long work."""

from __future__ import annotations

import time
from contextlib import ExitStack
from types import TracebackType
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from interpzoo.progress import listening

_LINE_SECONDS: Final = 60.0
_PATIENCE: Final = 1.0  # seconds after which work is long


class PathProgress:
    """A context manager that is called with the number of paths, or of `what` else, that are done, and of all.

    Where there is no terminal, it writes a line now and then.
    """

    def __init__(self, what: str = "paths") -> None:
        self.total = 0
        self.before: int | None = None
        """How many were done at the first call."""
        self._what = what
        self._console = Console(stderr=True)
        self._bar = Progress(
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task("", total=None)
        self._next = time.monotonic() + _LINE_SECONDS

    def __call__(self, done: int, total: int) -> None:
        self.total = total
        self.before = done if self.before is None else self.before
        self._bar.update(self._task, completed=done, total=total)
        if not self._console.is_terminal and time.monotonic() >= self._next:
            self._next = time.monotonic() + _LINE_SECONDS
            self._console.print(f"{done}/{total} {self._what}", highlight=False)

    def __enter__(self) -> PathProgress:
        self._bar.start()
        return self

    def __exit__(self, *error: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._bar.stop()


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
