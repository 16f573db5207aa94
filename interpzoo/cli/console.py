"""Plain text for terminals and pipes: aligned columns, labelled values, sizes and JSON."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import click

_GAP: Final = "  "
_LEAST: Final = 20
"""Characters that a wrapped or cut column keeps however narrow the terminal is."""


def echo_json(value: Any) -> None:
    """Print a value as JSON."""
    import json

    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def columns(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Lines of a table; on a terminal the last column is cut to fit."""
    lines = [[_printable(cell) for cell in line] for line in (header, *rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header) - 1)]
    room = max(_LEAST, _width() - sum(widths) - len(_GAP) * len(widths))
    for line in lines:
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=False)]
        yield _GAP.join([*cells, _cut(line[-1], room)]).rstrip()


def fields(values: Mapping[str, str]) -> Iterator[str]:
    """Lines of labelled values, indented; empty ones are left out, and long ones wrapped on a terminal."""
    values = {key: value for key, value in values.items() if value}
    label = max(map(len, values), default=0)
    room = max(_LEAST, _width() - label - 2 * len(_GAP))
    for key, value in values.items():
        first, *rest = textwrap.wrap(_printable(value), room, break_long_words=False, break_on_hyphens=False)
        yield f"{_GAP}{key.ljust(label)}{_GAP}{first}".rstrip()
        yield from (f"{_GAP}{' ' * label}{_GAP}{line}" for line in rest)


def size(bytes_: int) -> str:
    """``1.9 MB``."""
    return f"{bytes_ / 1e6:.1f} MB" if bytes_ >= 1e5 else f"{bytes_ / 1e3:.1f} kB"


def _printable(text: str) -> str:
    # A model's own words are shown here, and must not drive the terminal.
    return "".join(c if c.isprintable() else " " if c.isspace() else repr(c)[1:-1] for c in text)


def _width() -> int:
    # What is piped on is for programs: nothing is lost there.
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else sys.maxsize


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else text[: room - 3].rstrip() + "..."
