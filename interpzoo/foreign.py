"""Running a plugin's code: what it prints, raises or waits for does not disturb the command that needs it."""

import io
import signal
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager, redirect_stdout, suppress
from typing import Final

from interpzoo.text import explained, one_line

_PATIENCE: Final = 5.0
"""Seconds between checks of which plugin is running."""


class ForeignError(Exception):
    """What a plugin raised to end the process, such as `SystemExit`; the message says what it was."""


def complain(text: str) -> None:
    """Print one line on stderr, if there is one."""
    with suppress(AttributeError, OSError, ValueError):  # it is None, a closed pipe, or closed
        print(f"interpzoo: {one_line(text)}", file=sys.stderr, flush=True)  # noqa: T201


class Waiting:
    """A context that tells the user, every few seconds, which plugin's code is still running; each plugin once."""

    def __init__(self, owner: object = None) -> None:
        self.owner = owner
        """The plugin whose code runs; None: nobody's."""
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._tell, daemon=True)

    def __enter__(self) -> "Waiting":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()

    def _tell(self) -> None:
        told = None
        while not self._over.wait(_PATIENCE):
            if (owner := self.owner) is not told:
                complain(f"still waiting for {owner}, which has not loaded yet")
                told = owner


@contextmanager
def contained() -> Generator[None]:
    """Run a plugin's code: it prints to stderr.

    Raises:
        ForeignError: it raised something other than an `Exception`; an `Exception` passes through.
        KeyboardInterrupt: the user pressed Ctrl-C.
    """
    try:
        with redirect_stdout(_Aside()), _hear_ctrl_c():
            yield
    except (Exception, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise ForeignError(explained(error)) from error


@contextmanager
def _hear_ctrl_c() -> Generator[None]:
    """Tell the user's Ctrl-C from a `KeyboardInterrupt` of the plugin's, which becomes a `ForeignError`."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before, pressed = signal.getsignal(signal.SIGINT), threading.Event()

    def hear(number: int, frame: object) -> None:
        pressed.set()
        raise KeyboardInterrupt

    # Any other handler decides for itself what Ctrl-C means, and may be what raised.
    ours, ignored = before is signal.default_int_handler, before is signal.SIG_IGN
    if ours:
        signal.signal(signal.SIGINT, hear)
    try:
        yield
    except KeyboardInterrupt as error:
        if ignored or (ours and not pressed.is_set()):
            raise ForeignError(explained(error)) from error
        raise
    finally:
        if signal.getsignal(signal.SIGINT) is hear:
            signal.signal(signal.SIGINT, before)
        if pressed.is_set():  # also if the plugin caught it
            raise KeyboardInterrupt


class _Aside(io.TextIOBase):
    """Standard output of a plugin: stderr, which closing it does not close."""

    def write(self, s: str, /) -> int:
        with suppress(AttributeError, OSError, ValueError):
            sys.stderr.write(s)
        return len(s)
