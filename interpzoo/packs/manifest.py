"""The table of a pack: a row for each frame, in order; a killed run leaves the first ones."""

from __future__ import annotations

import csv
import io
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import takewhile
from pathlib import Path
from typing import Final

from interpzoo.files import write_text, writing

COLUMNS: Final = (
    "file",
    "pair",
    "first",
    "second",
    "model",
    "path",
    "step",
    "t",
    "pixels",
    "features",
    "sha256",
    "first_sha256",
    "second_sha256",
    "revision",
    "weights_sha256",
    "versions",
)
"""Each is also a valid name of a variable, as PsychoPy asks for."""
MANIFEST: Final = "manifest.csv"
UNFINISHED: Final = "manifest.unfinished.csv"

_STRAY: Final = re.compile("[\ud800-\udfff]")  # bytes that are not text in UTF-8
_ODD: Final = "backslashreplace"
"""How a name of a file is written that is not text."""

Row = dict[str, str]


class Manifest:
    """The rows of a pack, written group by group; see `COLUMNS`."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / UNFINISHED
        self._final = folder / MANIFEST

    def groups(self, size: int) -> Iterator[list[Row]]:
        """The groups of `size` rows that are there, in order; what follows the last whole one is left out."""
        yield from _groups(self._path if self._path.exists() else self._final, size)

    def keep(self, groups: int, size: int) -> None:
        """Continue after so many groups: what follows them is cut off.

        Raises an `OutputError` if the file cannot be written.
        """
        kept = [row for _, group in zip(range(groups), self.groups(size), strict=False) for row in group]
        write_text(self._path, _text([COLUMNS, *(row.values() for row in kept)]), errors=_ODD)
        with writing(self._final):
            self._final.unlink(missing_ok=True)

    def add(self, rows: Sequence[Row]) -> None:
        """Write a group; raises an `OutputError` if it cannot be written."""
        with writing(self._path), self._path.open("a", encoding="utf-8", errors=_ODD, newline="") as file:
            file.write(_text([[row[column] for column in COLUMNS] for row in rows]))

    def finish(self) -> Path:
        """Give the file its name; raises an `OutputError` if it cannot be written."""
        with writing(self._final):
            with self._path.open("rb+") as file:
                os.fsync(file.fileno())
            os.replace(self._path, self._final)
        return self._final


class Parts:
    """Rows of paths that several processes make, a file for each path, until they are in the manifest."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "manifest.parts"

    def are_there(self) -> bool:
        """Whether a run has left any."""
        return self._folder.is_dir()

    def rows(self, number: int, size: int) -> list[Row] | None:
        """The `size` rows of a path, if they are there."""
        return next(_groups(self._file(number), size), None)

    def add(self, number: int, rows: Sequence[Row]) -> None:
        """Write the rows of a path; raises an `OutputError` if they cannot be written."""
        with writing(self._folder):
            self._folder.mkdir(exist_ok=True)
        write_text(self._file(number), _text([COLUMNS, *(row.values() for row in rows)]), errors=_ODD)

    def remove(self) -> None:
        """Remove all files."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _file(self, number: int) -> Path:
        return self._folder / f"{number}.csv"


def _groups(path: Path, size: int) -> Iterator[list[Row]]:
    if not path.exists():
        return
    # What is not a table ends it, as what was cut off does.
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file, suppress(csv.Error):
        group: list[Row] = []
        for row in csv.DictReader(_whole(file)):
            if None in row.values() or None in row or tuple(row) != COLUMNS:  # cut off in the middle
                return
            group.append(row)
            if len(group) == size:
                yield group
                group = []


def _whole(lines: Iterable[str]) -> Iterator[str]:
    """The lines before one that is no text or was cut off: it may look whole, as "Python 3.1" of "Python 3.12" does."""
    return takewhile(lambda line: line.endswith("\n") and not _STRAY.search(line), lines)


def _text(rows: Iterable[Iterable[str]]) -> str:
    with io.StringIO(newline="") as text:
        csv.writer(text, lineterminator="\n").writerows(rows)
        return text.getvalue()
