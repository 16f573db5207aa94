"""Pictures are written to files by Pillow, whole or not at all, and arrays by NumPy. No torch is imported here."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from interpzoo.errors import OutputError
from interpzoo.files import atomic_write
from interpzoo.text import quoted

_MOST_SIDE: Final = {"GIF": 65_535, "JPEG": 65_500, "WEBP": 16_383}
"""Longest side of a picture, in pixels, by Pillow's name of the format."""


def write_pictures(
    path: str | os.PathLike[str], formats: Mapping[str, str], pictures: Iterable[Image.Image], **options: Any
) -> None:
    """Write one picture, or several as an animation, by Pillow; `formats` has Pillow's names by suffix.

    Raises an `OutputError`: the suffix is not one of `formats`, the format cannot hold a picture of this size, or the
    file cannot be written.
    """
    form = formats[suffix_of(path, formats)]
    first, *others = pictures
    size, most = "x".join(map(str, first.size)), _MOST_SIDE.get(form)
    if most is not None and max(first.size) > most:
        larger = " or ".join(suffix for suffix, other in formats.items() if _MOST_SIDE.get(other) is None)
        raise OutputError(
            f"cannot write {os.fspath(path)!r} at {size}: expected sides of at most {most:,} pixels in a {form}: "
            f"choose a smaller scale or fewer frames, or write a {larger}"
        )
    if others:
        options |= {"save_all": True, "append_images": others}
    with atomic_write(path) as temporary:
        try:
            first.save(temporary, format=form, quality=95, **options)
        except OSError:  # such as a full disk, which `atomic_write` reports
            raise
        except Exception as error:  # Pillow's writers raise anything for sizes that a format cannot hold
            raise OutputError(f"cannot write {os.fspath(path)!r} at {size} as {form}: {error}") from error


def write_array(path: Path, array: NDArray[Any]) -> None:
    """Write an ``.npy`` file; raises an `OSError`, after which the file may be incomplete."""
    with path.open("w+b") as file:  # into a file that is only written NumPy writes by itself, and no error says why
        np.save(file, array, allow_pickle=False)


def suffix_of(path: str | os.PathLike[str], known: Iterable[str]) -> str:
    """The suffix of `path` in small letters; raises an `OutputError` unless it is one of `known`."""
    if not isinstance(path, (str, os.PathLike)):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise OutputError(f"cannot write {quoted(path)}: expected the path of a file")
    suffix = os.path.splitext(os.fspath(path))[1].lower()
    if suffix not in known:
        raise OutputError(f"cannot write {os.fspath(path)!r}: the suffix is {suffix!r}, expected {', '.join(known)}")
    return suffix
