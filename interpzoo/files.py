"""Files: written whole or not at all, and told from names on the Hub."""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from interpzoo.errors import InterpzooError, OutputError

_LEFTOVER = re.compile(r"\.[0-9a-f]{16}\.tmp")


def is_path(source: str) -> bool:
    """Whether `source` is written as a folder: it begins with ``./``, ``../`` or ``~`` or is absolute."""
    return source in (".", "..") or source.startswith(("./", "../", "~")) or Path(source).is_absolute()


def as_path(folder: Path) -> str:
    """`folder` written so that `is_path` holds and no command takes it for a model's name."""
    return str(folder) if folder.is_absolute() or folder.parts[:1] == ("..",) else f"./{folder}"


def is_hub_id(source: str) -> bool:
    """Whether `source` is written as a repository of the Hub, ``user/name``."""
    return "/" in source and not is_path(source)


def is_leftover(path: Path) -> bool:
    """Whether `path` has the name of a temporary file of `atomic_write`, as a killed process leaves it behind."""
    return _LEFTOVER.fullmatch(path.name) is not None


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Generator[Path, None, None]:
    """Write `path` in one step: the body writes the temporary file that is yielded, and it then takes `path`'s place.

    The temporary file exists and is empty, lies in the same folder, and ends in ``.tmp``, so that one left by a killed
    process is never taken for a result. It is on disk before it takes the place. Whatever goes wrong, the old file is
    whole and the temporary one is removed. A link is followed, the mode of an old file is kept.

    Raises:
        OutputError: the file cannot be written; any other error of the body passes through.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        raise OutputError(f"cannot write {os.fspath(path)!r}: it is not a regular file")
    if not target.parent.is_dir():
        raise OutputError(f"cannot write {os.fspath(path)!r}: there is no folder {str(target.parent)!r}")
    temporary = target.with_name(f".{secrets.token_hex(8)}.tmp")
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
        kept = "; what stood there before is whole" if target.exists() else ""
        raise OutputError(f"cannot write {os.fspath(path)!r}: {error.strerror or error}{kept}") from error
    finally:
        temporary.unlink(missing_ok=True)
