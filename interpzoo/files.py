"""Files: written whole or not at all, locked, measured, parsed as TOML, and the formats of pictures and films."""

import errno
import os
import re
import shutil
import stat
import sys
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Final

from interpzoo.errors import ConfigError, InputError, InterpzooError, OutputError
from interpzoo.processes import is_first
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
_RUN, _SAVE = ".run.lock", ".save.lock"
LOCKS: Final = (_RUN, _SAVE)
"""Hidden files that `locked` makes in a folder, which a killed process may leave behind."""


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


def _is_passing(path: Path) -> bool:
    return is_leftover(path) or path.name in LOCKS


def file_to_write(path: str | os.PathLike[str]) -> Path:
    """The file that `path` stands for, new or old: the user's home folder for ``~``, and links followed.

    Raises an `OutputError` if it is no regular file, has no folder, or is one of the process's standard streams.
    """
    try:
        target = Path(os.path.realpath(expanded(os.fspath(path))))
    except InputError as error:
        raise OutputError(f"cannot write: {error}") from None
    if target.exists() and not target.is_file():
        raise OutputError(f"cannot write {os.fspath(path)!r}: it is not a regular file")
    if target.exists() and any(os.path.samestat(target.stat(), stream) for stream in _streams()):
        raise OutputError(f"cannot write {os.fspath(path)!r}: it is standard input, output or error: name another file")
    if not target.parent.is_dir():
        raise OutputError(f"cannot write {os.fspath(path)!r}: there is no folder {str(target.parent)!r}")
    return target


def _streams() -> Generator[os.stat_result, None, None]:
    """Standard input, output and error: by their numbers, and as Python has them, which may have other numbers."""
    for stream in (0, 1, 2, sys.stdin, sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # closed, or not a file
            yield os.fstat(stream if isinstance(stream, int) else stream.fileno())


@contextmanager
def writing(path: str | os.PathLike[str]) -> Generator[None, None, None]:
    """Turn an `OSError` of the body into an `OutputError` that names `path`; other errors pass through."""
    try:
        yield
    except InterpzooError:
        raise
    except OSError as error:
        raise OutputError(f"cannot write {os.fspath(path)!r}: {error.strerror or error}") from error


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Generator[Path, None, None]:
    """Write `path` in one step: the body writes the temporary file that is yielded, which then replaces `path`.

    The temporary file ends in ``.tmp``, so that a killed process leaves none that looks like a result. It is flushed to
    disk first. On an error it is removed, and the old file kept. Links are followed, and the old file's mode is kept.

    Raises:
        OutputError: the file cannot be written. Other errors of the body pass through.
    """
    target = file_to_write(path)
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


def write_text(path: Path, text: str, *, errors: str = "strict") -> None:
    """Write a text file in UTF-8 as `atomic_write` does, with the ends of lines that `text` has."""
    with atomic_write(path) as temporary:
        temporary.write_text(text, "utf-8", errors, newline="")


class _CheckedError(Exception):
    """Ends an attempt to write a file as soon as it is certain that the file can be written."""


def check_writable(path: str | os.PathLike[str]) -> None:
    """Raise an `OutputError` if `atomic_write` cannot write `path`, before the work whose result goes there."""
    with suppress(_CheckedError), atomic_write(path):
        raise _CheckedError


@contextmanager
def made(folder: Path) -> Generator[None, None, None]:
    """Make a folder and its parents; those that were new and are empty at the end are removed again.

    Raises an `OutputError` if it cannot be made.
    """
    new: list[Path] = []
    try:
        with writing(folder):
            new += [path for path in (folder, *folder.parents) if not path.exists()]
            folder.mkdir(parents=True, exist_ok=True)
        yield
    finally:
        for path in new:
            with suppress(OSError):  # it could not be made, or is not empty
                path.rmdir()


def exchange(folder: Path, contents: Mapping[str, bytes], gone: Iterable[str]) -> None:
    """Put files into a folder and remove those that are `gone`; all are named relative to it, at most one folder deep.

    They are written beside the old ones first, so that a full disk changes nothing. Then the last of `contents` is
    missing until all others are there: without it the folder is known to be incomplete.

    Raises an `OutputError` if they cannot be written.
    """
    scratch, last = folder / f".{os.urandom(8).hex()}.tmp", [*contents][-1]
    try:
        with writing(folder):
            for path in [*filter(is_leftover, folder.iterdir())]:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            for name, content in contents.items():
                (scratch / name).parent.mkdir(parents=True, exist_ok=True)
                try:
                    write_flushed(scratch / name, content)
                except OSError as error:
                    kept = "; the old files are unchanged" if (folder / last).exists() else ""
                    text = f"cannot write {str(folder / name)!r}: {error.strerror or error}{kept}"
                    raise OutputError(text) from error
            for name in (last, *gone):
                (folder / name).unlink(missing_ok=True)
            for name in contents:
                (folder / name).parent.mkdir(exist_ok=True)
                os.replace(scratch / name, folder / name)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def write_flushed(path: Path, content: bytes) -> None:
    """Write a file and wait until it is on the disk, as only then there surely was room; raises an `OSError`."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def locked(folder: Path, *, wait: bool = False) -> Generator[None, None, None]:
    """Keep other processes that ask for the same lock out of a folder, which exists; a killed process keeps none out.

    Args:
        folder: the folder. It has a hidden file while it is locked, which a killed process leaves behind.
        wait: what happens while another process has the lock: if true this one waits, otherwise it is refused. The two
            are different locks, so that a run that keeps others out for long can also save its result. Of the processes
            that share a run the first one has the lock.

    Raises:
        OutputError: another process has the lock, or the file cannot be written.
    """
    if not wait and not is_first():
        yield
        return
    from filelock import FileLock, Timeout  # slow, and seldom needed

    file = folder / (_SAVE if wait else _RUN)
    lock = FileLock(file, timeout=-1 if wait else 0)
    try:
        lock.acquire()
    except Timeout:
        raise OutputError(
            f"another process is writing to {str(folder)!r}: wait until it has ended, or choose another folder"
        ) from None
    except NotImplementedError:  # a file system without locks
        pass
    except OSError as error:
        raise OutputError(f"cannot write to {str(folder)!r}: {error.strerror or error}") from error
    try:
        yield
    finally:
        with suppress(OSError):  # systems that remove no open file leave it
            file.unlink()
        lock.release()


def check_new_folder(folder: str | Path) -> Path:
    """`folder`, where frames can be written.

    Raises an `OutputError` if it is not new or empty, has no parent, or cannot be created.
    """
    target = expanded(folder)
    with writing(folder):
        if target.exists() and (not target.is_dir() or not all(_is_passing(path) for path in target.iterdir())):
            what = "it has files already" if target.is_dir() else "it is not a folder"
            raise OutputError(f"cannot write {str(folder)!r}: {what}, expected a new or empty folder: choose another")
        if not target.resolve().parent.is_dir():
            raise OutputError(f"cannot write {str(folder)!r}: there is no folder {str(target.resolve().parent)!r}")
        trial = target.resolve().with_name(f".{os.urandom(8).hex()}.tmp")
        try:
            trial.mkdir()
        finally:
            with suppress(FileNotFoundError):  # it could not be made
                trial.rmdir()
    return target.resolve()


@contextmanager
def filled(
    folder: str | Path, agreed: Callable[[str], str] = str, all_done: Callable[[], bool] = lambda: True
) -> Generator[tuple[Path, Path], None, None]:
    """A new or empty folder, and one to fill, whose files come into it unless there is an error.

    A folder that exists stays: it may be where a shell is, have rights of its own, or be a disk. Several processes fill
    one: `agreed` gives all of them the name of one, and `all_done` waits for all of them, and says which one is to
    finish.
    """
    target = check_new_folder(folder)
    beside = target if target.is_dir() else target.parent
    scratch = Path(agreed(str(beside / f".{os.urandom(8).hex()}.tmp")))
    moved: list[Path] = []
    try:
        with writing(folder):
            scratch.mkdir(exist_ok=True)
            yield target, scratch
            if all_done():
                check_new_folder(target)  # another process may have filled it
                if scratch.parent == target:
                    for path in [*scratch.iterdir()]:
                        moved.append(target / path.name)
                        os.replace(path, moved[-1])
                    scratch.rmdir()
                else:
                    os.replace(scratch, target)
    except BaseException:
        for path in (*moved, scratch):
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
        raise
