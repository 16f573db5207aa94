"""Contexts of a run: Ctrl-C takes effect between two steps, and convolutions have full float32 precision."""

import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def deferred() -> Generator[Callable[[], bool], None, None]:
    """Defer the first Ctrl-C, which must not end a step halfway; yields a function that says whether it was pressed.

    A second Ctrl-C interrupts at once. Only the main thread can be interrupted, and a program with a handler of its
    own for Ctrl-C keeps it.
    """
    pressed = False

    def note(*_: Any) -> None:
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
