"""What asks a process to end does the same as Ctrl-C: nothing is left half done. A step can put it off."""

import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, Final

_SIGNALS: Final = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
"""Ctrl-C, the end that a system or a batch queue asks for, and a closed terminal."""


@contextmanager
def ended_like_ctrl_c() -> Generator[None, None, None]:
    """While the context is open, what asks the process to end raises `KeyboardInterrupt`, as Ctrl-C does.

    Only the main thread can be interrupted. A program's own handlers are kept, and so are ignored signals (``nohup``).
    """
    main = threading.current_thread() is threading.main_thread()
    ours = [number for number in _SIGNALS if main and signal.getsignal(number) is signal.SIG_DFL]
    for number in ours:
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


@contextmanager
def deferred() -> Generator[Callable[[], bool], None, None]:
    """Defer the first interruption, which must not end a step halfway; yields a function that says whether it came.

    A second one interrupts at once. Only what raises `KeyboardInterrupt` is deferred: see `ended_like_ctrl_c`.
    """
    pressed = False
    main = threading.current_thread() is threading.main_thread()
    ours = [number for number in _SIGNALS if main and signal.getsignal(number) is signal.default_int_handler]

    def note(*_: Any) -> None:
        nonlocal pressed
        pressed = True
        restore()

    def restore() -> None:
        for number in ours:
            signal.signal(number, signal.default_int_handler)

    for number in ours:
        signal.signal(number, note)
    try:
        yield lambda: pressed
    finally:
        restore()
