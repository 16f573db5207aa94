"""The table of a pack: a row for each frame, in order, of which a killed run leaves the beginning."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from interpzoo.errors import OutputError

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

Row = dict[str, str]


class Manifest:
    """The rows of a pack, written group by group; see `COLUMNS`."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / UNFINISHED
        self._final = folder / MANIFEST

    def groups(self, size: int) -> Iterator[list[Row]]:
        """The groups of `size` rows that are there, in order; what follows the last whole one is left out."""
        path = self._path if self._path.exists() else self._final
        if not path.exists():
            return
        with path.open(encoding="utf-8", newline="") as file:
            group: list[Row] = []
            for row in csv.DictReader(file):
                if None in row.values() or None in row or tuple(row) != COLUMNS:  # cut off in the middle
                    return
                group.append(row)
                if len(group) == size:
                    yield group
                    group = []

    def keep(self, groups: int, size: int) -> None:
        """Go on after so many groups: what follows them is cut off.

        Raises an `OutputError` if the file cannot be written.
        """
        kept = [row for _, group in zip(range(groups), self.groups(size), strict=False) for row in group]
        scratch = self._path.with_name(f".{os.urandom(8).hex()}.tmp")
        scratch.write_text(_text([COLUMNS]) + _text([[*row.values()] for row in kept]), "utf-8", newline="")
        os.replace(scratch, self._path)
        with suppress(FileNotFoundError):
            self._final.unlink()

    def add(self, rows: Sequence[Row]) -> None:
        """Write a group; raises an `OutputError` if it cannot be written."""
        try:
            with self._path.open("a", encoding="utf-8", newline="") as file:
                file.write(_text([[row[column] for column in COLUMNS] for row in rows]))
        except OSError as error:
            raise OutputError(f"cannot write {str(self._path)!r}: {error.strerror or error}") from error

    def finish(self) -> Path:
        """Give the file its name."""
        with self._path.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(self._path, self._final)
        return self._final


def _text(rows: Sequence[Sequence[str]]) -> str:
    with io.StringIO(newline="") as text:
        csv.writer(text, lineterminator="\n").writerows(rows)
        return text.getvalue()
