"""How far long work is. Nobody hears of it unless a program listens."""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

Progress = Callable[[int, int], None]
"""Called with how many things are done and how many there are."""

Listener = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""

T = TypeVar("T")
_LISTENER: ContextVar[Listener | None] = ContextVar("listener", default=None)


@contextmanager
def listening(listener: Listener) -> Generator[None, None, None]:
    """Call `listener` before and after each step of `tracked` in this context, which is a thread's own."""
    token = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(token)


def tracked(what: str, steps: Sequence[T], size: Callable[[T], int] = lambda step: 1) -> Iterator[T]:
    """Each of `steps`, of which a listener hears when one is due and when all are done.

    Args:
        what: what is being done, such as ``drawing frames``.
        steps: what there is to do.
        size: how much one step is, such as `len` of a batch.
    """
    listener = _LISTENER.get()
    if listener is None:
        yield from steps
        return
    done, total = 0, sum(map(size, steps))
    for step in steps:
        listener(what, done, total)
        yield step
        done += size(step)
    listener(what, done, total)
