"""Work that a thread does ahead."""

from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

A = TypeVar("A")
R = TypeVar("R")


def computed_ahead(function: Callable[[A], R], arguments: Iterable[A]) -> Generator[R, None, None]:
    """What `function` gives for each argument in turn: while the caller uses one result, a thread computes the next.

    What the function raises, it raises when that result is due.
    """
    with ThreadPoolExecutor(1) as pool:
        due: Future[R] | None = None
        for argument in arguments:
            following = pool.submit(function, argument)
            if due is not None:
                yield due.result()
            due = following
        if due is not None:
            yield due.result()
