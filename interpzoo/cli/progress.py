"""A bar on a terminal for work on many paths or images; elsewhere a line now and then."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

_LINE_SECONDS: Final = 60.0


class PathProgress:
    """A context manager that is called with the number of paths, or of `what` else, that are done, and of all."""

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
