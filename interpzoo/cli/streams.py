"""Standard input, output and error of the process: there, and standard output for results only."""

import os
import sys
from contextlib import suppress
from typing import Final

_STREAMS: Final = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))


def open_all() -> None:
    """Replace streams that are closed, which services, cron and ``>&-`` do; read and write any text, in any encoding.

    A closed one's number would be given to the next file that is opened, and what a library prints be written into it.
    """
    for name, mode in _STREAMS:
        if getattr(sys, name) is None:
            stream = open(os.devnull, mode, encoding="utf-8")  # noqa: SIM115  # it gets the lowest number, the missing one
            _set(name, stream)
    sys.stdin.reconfigure(errors="surrogateescape")  # pyright: ignore  # as names of files are read
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # pyright: ignore  # only what replaces a stream has none


def keep_output() -> None:
    """Let whatever else writes to file number 1, as libraries and child processes do, write to stderr instead."""
    with suppress(OSError, ValueError):
        if sys.stdout.fileno() == 1:
            kept, buffering = os.dup(1), 1 if sys.stdout.isatty() else -1
            stream = open(kept, "w", buffering, encoding=sys.stdout.encoding, errors="backslashreplace")  # noqa: SIM115
            _set("stdout", stream)
            os.dup2(2, 1)


def drop_output() -> None:
    """Flush standard output; if that fails, forget what is left, about which the interpreter's exit would complain."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _set(name: str, stream: object) -> None:
    setattr(sys, name, stream)
    setattr(sys, f"__{name}__", stream)  # where the width of the terminal is asked for
