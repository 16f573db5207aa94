"""Which images stimuli lie between: pairs from a table, or of two folders."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Final

from interpzoo.arguments import MOST_IMAGES
from interpzoo.errors import ImageError, InputError, warn
from interpzoo.files import expanded, open_regular
from interpzoo.images import files_in
from interpzoo.text import quoted

MOST_PAIRS: Final = MOST_IMAGES
"""Largest number of pairs of a pack."""

_MOST_BYTES: Final = 2**26
_LINE_END: Final = re.compile(r"\r\n|\r|\n")
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@+-]{0,99}")
_COLUMNS: Final = ("first", "second")


@dataclass(frozen=True)
class Pair:
    """Two image files, and a name that is also that of a folder."""

    name: str
    first: Path
    second: Path
    origin: str
    """Where it is from, in words: the line of a table, or its number."""


def pairs_of(source: str | os.PathLike[str] | Iterable[Sequence[str | os.PathLike[str]]]) -> list[Pair]:
    """The pairs of a CSV file, or of paths in twos; see `interpzoo.packs.pack.stimuli`.

    Warns of pairs of one file, whose frames are all the same image. Raises an `InputError` if there are none, more than
    100,000, or a name is not fit for a folder or comes twice, and an `ImageError` if a file is missing.
    """
    if isinstance(source, (str, os.PathLike)):
        rows = _of_table(expanded(os.fspath(source)))
    else:
        try:
            rows = [(f"pair {n}", "", *map(_path, pair)) for n, pair in enumerate(source, 1)]
        except TypeError:
            raise InputError(f"pairs = {quoted(source)}: expected a CSV file or pairs of image files") from None
    if not 0 < len(rows) <= MOST_PAIRS:
        raise InputError(f"{len(rows):,} pairs of images: expected 1 to {MOST_PAIRS:,}")
    digits = max(4, len(str(len(rows))))
    found: dict[str, Pair] = {}
    for number, row in enumerate(rows, 1):
        if len(row) != 4:
            raise InputError(f"{row[0]} has {len(row) - 2} images: expected two")
        pair = Pair(row[1] or f"{number:0{digits}}", row[2], row[3], row[0])
        if _NAME.fullmatch(pair.name) is None:
            raise InputError(
                f"{pair.origin}: the pair is named {quoted(pair.name)}: expected letters, digits and _.@+- as in a "
                "file's name"
            )
        if pair.name in found:
            raise InputError(
                f"{pair.origin}: another pair is named {pair.name!r} too: expected a name of its own for each"
            )
        for file in (pair.first, pair.second):
            if not os.path.exists(file):  # of a name that cannot be one, pathlib's may raise
                raise ImageError(f"{pair.origin}: {str(file)!r}: No such file or directory")
        found[pair.name] = pair
    alike = [pair for pair in found.values() if pair.first.samefile(pair.second)]
    if alike:
        count = f"{len(alike):,} of {len(found):,} pairs have" if len(found) > 1 else "the pair has"
        warn(
            f"{count} the same image twice, so that all frames are alike ({alike[0].origin}: {str(alike[0].first)!r}): "
            "give pairs of different images"
        )
    return [*found.values()]


def folder_pairs(first: str | Path, second: str | Path, *, every: bool = False) -> list[tuple[Path, Path]]:
    """The images of two folders, in the order of their names, row by row or each of the first with each of the second.

    With one folder twice, `every` gives each two of its images once.

    Raises an `ImageError` for a folder without images, and an `InputError` if rows do not match or one folder comes
    twice without `every`.
    """
    a, b = ([Path(file) for file in files_in(expanded(folder))] for folder in (first, second))
    same = expanded(first).samefile(expanded(second))
    if every:
        if (len(a) * (len(a) - 1) // 2 if same else len(a) * len(b)) > MOST_PAIRS:
            raise InputError(f"{len(a):,} x {len(b):,} pairs of images: expected at most {MOST_PAIRS:,}")
        return [*combinations(a, 2)] if same else [(x, y) for x in a for y in b]
    if same:
        raise InputError(
            f"{str(first)!r} comes twice, and each of its images would be paired with itself: give two folders, or ask "
            "for every pair (--every-pair, every=True in Python)"
        )
    if len(a) != len(b):
        raise InputError(
            f"{str(first)!r} has {len(a)} images and {str(second)!r} has {len(b)}: expected the same number in each, "
            "or every pair (--every-pair, every=True in Python)"
        )
    return [*zip(a, b, strict=True)]


def _path(value: object) -> Path:
    if not isinstance(value, (str, os.PathLike)):
        raise InputError(f"{quoted(value)} is not the path of an image: pairs are of files")
    return expanded(os.fspath(value))


def _of_table(path: Path) -> list[tuple[str, str, Path, Path]]:
    try:
        with open_regular(path) as file:
            content = file.read(_MOST_BYTES + 1)
        text = content.decode("utf-8-sig") if len(content) <= _MOST_BYTES else None
    except (OSError, ValueError) as error:  # a ValueError: a null character in the path
        reason = (
            "it is not text in UTF-8: save it as 'CSV UTF-8'"
            if isinstance(error, UnicodeDecodeError)
            else getattr(error, "strerror", None) or error
        )
        raise InputError(f"{str(path)!r} cannot be read: {reason}") from error
    if text is None:
        raise InputError(f"{str(path)!r}: expected a table of at most {_MOST_BYTES:,} bytes")
    head = _LINE_END.split(text, maxsplit=1)[0]
    delimiter = max(",;\t", key=head.count)  # as spreadsheets of different countries write it
    # As text with its own ends of lines: those in quotes belong to a name.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True, skipinitialspace=True)
    try:
        header, *table = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if row] or [(1, [])]
    except csv.Error as error:
        raise InputError(f"{str(path)!r} is not a table with commas between columns: {error}") from None
    if not {*_COLUMNS} <= {*header[1]}:
        raise InputError(
            f"{str(path)!r} begins with {quoted(head)}: expected the columns first,second or pair,first,second"
        )
    found: list[tuple[str, str, Path, Path]] = []
    for number, cells in table:
        row, origin = dict(zip(header[1], cells, strict=False)), f"{str(path)!r}, line {number}"
        files = [row.get(column) for column in _COLUMNS]
        if not all(files):
            raise InputError(f"{origin}: expected an image in each of first and second")
        first, second = (path.parent / os.path.expanduser(str(file)) for file in files)
        found.append((origin, row.get("pair") or "", first, second))
    return found
