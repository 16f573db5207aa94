"""Contexts of a run: Ctrl-C and SIGTERM take effect between two steps, and convolutions have full float32 precision."""

import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, Final

import torch

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


@contextmanager
def exact_float32(wanted: bool) -> Generator[None, None, None]:
    """While the context is open and if `wanted`, convolutions in float32 keep all 24 bits of precision.

    By default NVIDIA's round their inputs to the 11 bits of TF32, which is too coarse for second differences divided by
    d^2. Matrix products are rounded only if the user has asked for it.
    """
    cudnn: Any = torch.backends.cudnn
    try:
        switch, name, exact, before = cudnn, "allow_tf32", False, cudnn.allow_tf32
    except RuntimeError:  # the user has set the newer switches, and then torch refuses to read the older one
        switch, name, exact, before = cudnn.conv, "fp32_precision", "ieee", cudnn.conv.fp32_precision
    if wanted:
        setattr(switch, name, exact)
    try:
        yield
    finally:
        setattr(switch, name, before)
