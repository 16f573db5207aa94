"""Work sharing between the processes that torchrun or accelerate has started."""

import functools
import itertools
import os
import time
from collections.abc import Iterator, Sequence
from typing import Any, Final, Protocol, TypeVar

_CALLS: Final = itertools.count()
"""Numbers of the calls: all processes make the same calls in the same order."""
_PAUSE: Final = 0.2

T = TypeVar("T")


class _Store(Protocol):
    def set(self, key: str, value: str, /) -> None: ...
    def get(self, key: str, /) -> bytes: ...
    def add(self, key: str, amount: int, /) -> int: ...


def is_alone() -> bool:
    """Whether there is a single process."""
    return _count() == 1


def is_first() -> bool:
    """Whether this process is the first, or the only one."""
    return _rank() == 0


def turns() -> Iterator[int]:
    """Increasing numbers from 0: a process gets the next one that no other has taken, so a faster one does more."""
    store, key = _store(), f"turns {next(_CALLS)}"
    return itertools.count() if store is None else (store.add(key, 1) - 1 for _ in itertools.repeat(None))


def from_own_place(items: Sequence[T]) -> Sequence[T]:
    """All items; each process begins at another place, so that processes meet only when one has done its share."""
    first = len(items) * _rank() // _count()
    return [*items[first:], *items[:first]]


def agreed(text: str) -> str:
    """The first process's `text`, for all."""
    store, key = _store(), f"agreed {next(_CALLS)}"
    if store is None:
        return text
    if is_first():
        store.set(key, text)
    return store.get(key).decode()


def all_done() -> bool:
    """Wait for all processes, and return whether this one continues; the others return at once."""
    store = _store()
    if store is None:
        return True
    key = f"done {next(_CALLS)}"
    store.add(key, 1)
    if not is_first():
        return False
    # A barrier of torch would time out after half an hour.
    while store.add(key, 0) < _count():
        time.sleep(_PAUSE)
    return True


def _count() -> int:
    return int(os.environ.get("WORLD_SIZE", "1"))


def _rank() -> int:
    return 0 if is_alone() else int(os.environ["RANK"])


@functools.cache
def _store() -> _Store | None:
    """The launcher's key-value store, with an atomic `add`; ``None`` if there is a single process."""
    if is_alone():
        return None
    import torch
    from accelerate import PartialState
    from torch import distributed

    stores: Any = distributed  # its stub does not export the stores
    # After this the store is up. Without a GPU accelerate connects processes only with `cpu=True`.
    PartialState(cpu=not torch.accelerator.is_available())
    return stores.PrefixStore("interpzoo", stores.TCPStore(os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])))
