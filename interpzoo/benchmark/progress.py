"""Progress of a benchmark: a bar on a terminal, elsewhere one line for each candidate."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from interpzoo.text import printable


class BenchmarkProgress:
    """A context manager that is called before every measurement."""

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
        self._candidate = ""

    def __call__(self, candidate: str, metric: str) -> None:
        self._bar.update(self._task, advance=1, description=escape(printable(f"{candidate}: {metric}")))
        if candidate != self._candidate and not self._console.is_terminal:
            self._console.print(printable(f"scoring {candidate}"), soft_wrap=True, highlight=False, markup=False)
        self._candidate = candidate

    def __enter__(self) -> BenchmarkProgress:
        self._bar.start()
        return self

    def __exit__(self, *error: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._bar.stop()
