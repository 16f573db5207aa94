"""Files: written whole or not at all, measured, parsed as TOML, and the formats of pictures and films."""

import errno
import os
import re
import shutil
import stat
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

from interpzoo.errors import ConfigError, InputError, InterpzooError, OutputError
from interpzoo.text import quoted

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PICTURES: Final = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".gif": "GIF"}
"""What Pillow calls the formats of pictures, by suffix."""
ANIMATIONS: Final = {".gif": "GIF", ".webp": "WEBP", ".apng": "PNG"}
"""What Pillow calls the formats of animations, by suffix."""
FILMS: Final = (".mp4", *ANIMATIONS)
"""Suffixes of films."""

MOST_NAME_BYTES: Final = 255
"""Longest name of a file or folder that file systems have."""

MOST_PATH_BYTES: Final = 4095
"""Longest path that Linux takes."""

_LEFTOVER = re.compile(r"\.[0-9a-f]{16}\.tmp")


def parse_toml(text: str, where: str) -> dict[str, Any]:
    """The table in a TOML text; raises a `ConfigError` that begins with `where` if `text` is not TOML."""
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # also for numbers of too many digits
        raise ConfigError(f"{where} is not TOML: {error}") from None


def expanded(path: str | Path) -> Path:
    """`path` with the user's home folder for a ``~`` at its start.

    Raises an `InputError` if it is not a path, or one that no file system can have.
    """
    if not isinstance(path, str | Path):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(f"{quoted(path)} is not a path: expected a string or a pathlib.Path")
    try:
        found = Path(path).expanduser()
        longest = max((len(os.fsencode(part)) for part in found.parts), default=0)
        length = len(os.fsencode(found))
    except RuntimeError:
        raise InputError(f"{str(path)!r} starts with the home folder of a user that does not exist") from None
    except ValueError as error:  # a character that the file system cannot encode
        raise InputError(f"{quoted(path)} is not a path: {error}") from None
    if "\0" in str(path):
        raise InputError(f"{quoted(path)} is not a path: it holds a null character")
    if longest > MOST_NAME_BYTES:
        raise InputError(
            f"{quoted(path)} is not a path: a name in it has {longest:,} bytes, expected at most {MOST_NAME_BYTES}"
        )
    if length > MOST_PATH_BYTES:
        raise InputError(f"{quoted(path)} is not a path: it has {length:,} bytes, expected at most {MOST_PATH_BYTES:,}")
    return found


def open_regular(path: str | os.PathLike[str]) -> BinaryIO:
    """A regular file, opened for reading; opening a named pipe or a device would wait, perhaps for ever.

    Raises an `OSError` if it is something else or cannot be opened, and a `ValueError` for a null character in `path`.
    """
    return open(path, "rb", opener=regular_opener)


def regular_opener(name: str, flags: int) -> int:
    """`os.open` of a regular file, for the ``opener`` of `open`; raises an `OSError` as `open_regular`."""
    descriptor = os.open(name, flags | getattr(os, "O_NONBLOCK", 0))
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):  # of a folder, `open` itself says what it is
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is not a regular file", name)
    return descriptor


def folder_bytes(folder: Path) -> int:
    """Total size of the files in a folder."""
    paths = (os.path.join(folder, name) for name in os.listdir(folder))
    return sum(os.path.getsize(path) for path in paths if os.path.isfile(path))  # false of a link in a circle


def is_leftover(path: Path) -> bool:
    """Whether `path` is named like a temporary file of `atomic_write`, which a killed process may leave behind."""
    return _LEFTOVER.fullmatch(path.name) is not None


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Generator[Path, None, None]:
    """Write `path` in one step: the body writes the temporary file that is yielded, which then replaces `path`.

    The temporary file ends in ``.tmp``, so that a killed process leaves none that looks like a result. It is flushed to
    disk first. On an error it is removed, and the old file kept. Links are followed, and the old file's mode is kept.

    Raises:
        OutputError: the file cannot be written. Other errors of the body pass through.
    """
    try:
        target = Path(os.path.realpath(expanded(os.fspath(path))))
    except InputError as error:
        raise OutputError(f"cannot write: {error}") from None
    if target.exists() and not target.is_file():
        raise OutputError(f"cannot write {os.fspath(path)!r}: it is not a regular file")
    if not target.parent.is_dir():
        raise OutputError(f"cannot write {os.fspath(path)!r}: there is no folder {str(target.parent)!r}")
    temporary = target.with_name(f".{os.urandom(8).hex()}.tmp")
    try:
        temporary.touch(exist_ok=False)
        if target.exists():
            shutil.copymode(target, temporary)
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except InterpzooError:
        raise
    except OSError as error:
        kept = "; the old file is unchanged" if target.exists() else ""
        raise OutputError(f"cannot write {os.fspath(path)!r}: {error.strerror or error}{kept}") from error
    finally:
        temporary.unlink(missing_ok=True)


def check_new_folder(folder: str | Path) -> Path:
    """`folder`, where frames can be written; raises an `OutputError` if it is not new or empty, or has no parent."""
    target = expanded(folder)
    try:
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            what = "it has files already" if target.is_dir() else "it is not a folder"
            raise OutputError(f"cannot write {str(folder)!r}: {what}, expected a new or empty folder: choose another")
        if not target.resolve().parent.is_dir():
            raise OutputError(f"cannot write {str(folder)!r}: there is no folder {str(target.resolve().parent)!r}")
    except (OSError, ValueError) as error:  # a name that is too long, or holds a null character
        if isinstance(error, OutputError):
            raise
        raise OutputError(f"cannot write {quoted(folder)}: {error}") from error
    return target.resolve()
