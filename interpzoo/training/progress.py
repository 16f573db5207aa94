"""Progress of a training: a bar with the loss terms on a terminal, one line a minute elsewhere."""

import time
from collections.abc import Mapping
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

_LINE_SECONDS: Final = 60.0
_REFRESH_SECONDS: Final = 0.5


class TrainingProgress(Progress):
    """A context; call `report` after every step."""

    def __init__(self, name: str, total: int, *, quiet: bool = False) -> None:
        console = Console(stderr=True, quiet=quiet)
        super().__init__(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[losses]}"),
            console=console,
            disable=not console.is_terminal,
        )
        self._name, self._total = name, total
        self._task = self.add_task(name, total=total, losses="")
        self._next = time.monotonic()

    def report(self, done: int, values: Mapping[str, float]) -> None:
        """Show the number of steps done and the loss terms."""
        if done < self._total and time.monotonic() < self._next:
            return
        terminal = self.console.is_terminal
        self._next = time.monotonic() + (_REFRESH_SECONDS if terminal else _LINE_SECONDS)
        losses = "  ".join(f"{name} {value:.4g}" for name, value in values.items())
        self.update(self._task, completed=done, losses=losses)
        if not terminal:
            self.console.print(f"{self._name} step {done}/{self._total}  {losses}", soft_wrap=True, highlight=False)
