"""Plain text for terminals and pipes: aligned columns, labeled values, sizes and JSON."""

import math
import re
import shutil
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any, Final, cast

import click

from interpzoo.text import printable

_GAP: Final = "  "
_UNPRINTABLE: Final = re.compile(r"[^ -~\n]+")  # most of what it finds is letters
_LEAST: Final = 12
"""Characters that a column keeps even if the terminal is too narrow for it."""


def echo(*lines: str, err: bool = False) -> None:
    """Print texts, each on one line whatever it holds, so that none of them controls the terminal."""
    click.echo("\n".join(map(printable, lines)), err=err)


def echo_json(value: Any) -> None:
    """Print a value as JSON: ``null`` for a number that JSON does not have, and escapes where `printable` has them."""
    import json  # here, as tables do without it and `list` starts sooner

    def escaped(character: str) -> str:
        return character if character.isprintable() else json.dumps(character)[1:-1]

    text = json.dumps(_finite(value), indent=2, ensure_ascii=False, allow_nan=False)
    click.echo(_UNPRINTABLE.sub(lambda found: "".join(map(escaped, found[0])), text))


def columns(header: Sequence[str], rows: Sequence[Sequence[str]], *, wrap: bool = False) -> Iterator[str]:
    """Lines of a table; on a terminal, cells that do not fit are cut, or wrapped if `wrap` is true."""
    table = [[printable(cell) for cell in row] for row in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    while sum(widths) + len(_GAP) * (len(widths) - 1) > _width() and max(widths) > _LEAST:
        widths[widths.index(max(widths))] -= 1
    for row in table:
        cells = [textwrap.wrap(c, max(w, 1)) if wrap else [_cut(c, w)] for c, w in zip(row, widths, strict=True)]
        for parts in zip_longest(*cells, fillvalue=""):
            yield _GAP.join(part.ljust(width) for part, width in zip(parts, widths, strict=True)).rstrip()


def fields(values: Mapping[str, str]) -> Iterator[str]:
    """Indented lines of labeled values; empty values are left out, and long ones wrapped on a terminal."""
    values = {key: text for key, value in values.items() if (text := printable(value).strip())}
    label = max(map(len, values), default=0)
    room = max(_LEAST, _width() - label - 2 * len(_GAP))
    for key, value in values.items():
        first, *rest = textwrap.wrap(value, room, break_long_words=False, break_on_hyphens=False)
        yield f"{_GAP}{key.ljust(label)}{_GAP}{first}".rstrip()
        yield from (f"{_GAP}{' ' * label}{_GAP}{line}" for line in rest)


def size(bytes_: int) -> str:
    """A file size such as ``1.9 MB``."""
    return f"{bytes_ / 1e6:.1f} MB" if bytes_ >= 1e5 else f"{bytes_ / 1e3:.1f} kB"


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in cast(dict[str, Any], value).items()}
    return [*map(_finite, cast(list[Any], value))] if isinstance(value, list | tuple) else value


def _width() -> int:
    # Output in a pipe is for programs: nothing is cut or wrapped.
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else sys.maxsize


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 3].rstrip() + "..."
