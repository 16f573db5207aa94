"""Ctrl-C takes effect between two steps, not within one."""

import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def deferred() -> Generator[Callable[[], bool], None, None]:
    """Defer the first Ctrl-C; yields a function that says whether it was pressed.

    A second Ctrl-C interrupts at once. Only the main thread can be interrupted, and a program with a handler of its
    own for Ctrl-C keeps it.
    """
    pressed = False

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        pressed = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    main = threading.current_thread() is threading.main_thread()
    ours = main and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if ours:
        signal.signal(signal.SIGINT, note)
    try:
        yield lambda: pressed
    finally:
        if ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)
