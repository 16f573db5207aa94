"""What a benchmark shows: a progress bar on a terminal, a line a subject elsewhere."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


class BenchmarkProgress:
    """A context in which `told` may be called before every measurement."""

    def __init__(self, total: int) -> None:
        self._console = Console(stderr=True)
        self._bar = Progress(
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.description}"),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task("", total=total)
        self._subject = ""

    def told(self, subject: str, metric: str) -> None:
        """Show what is measured now."""
        self._bar.update(self._task, advance=1, description=f"{subject}: {metric}")
        if subject != self._subject and not self._console.is_terminal:
            self._console.print(f"scoring {subject}", soft_wrap=True, highlight=False)
        self._subject = subject

    def __enter__(self) -> BenchmarkProgress:
        self._bar.start()
        return self

    def __exit__(self, *error: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._bar.stop()
