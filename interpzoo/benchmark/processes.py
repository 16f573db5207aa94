"""The processes that share a benchmark, as torchrun or accelerate started them."""

from __future__ import annotations

import functools
import itertools
import os
import time
from collections.abc import Iterator
from typing import Any, Final, Protocol

import torch

_CALLS: Final = itertools.count()
"""All processes make the same calls in the same order."""
_PAUSE: Final = 0.2


class _Store(Protocol):
    def add(self, key: str, amount: int, /) -> int: ...


def turns() -> Iterator[int]:
    """Growing numbers from 0, each of which one process alone is given: all of them, where there is one process.

    The next number that is free, so that a process whose work was quick does more of it.
    """
    store = _store()
    if store is None:
        yield from itertools.count()
        return
    key = f"turns {next(_CALLS)}"
    while True:
        yield store.add(key, 1) - 1


def all_done() -> bool:
    """Whether this process is the one that goes on, now that all have come here; the others need not wait."""
    store = _store()
    if store is None:
        return True
    key = f"done {next(_CALLS)}"
    store.add(key, 1)
    if os.environ["RANK"] != "0":
        return False
    # A barrier of torch's would give up after half an hour.
    while store.add(key, 0) < int(os.environ["WORLD_SIZE"]):
        time.sleep(_PAUSE)
    return True


@functools.cache
def _store() -> _Store | None:
    """The launcher's store of keys, which adds in one step; ``None`` where one process was started."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return None
    from accelerate import PartialState
    from torch import distributed

    stores: Any = distributed  # whose stub does not export them
    # Whoever hosts the store does so by then. Without a GPU accelerate joins processes only if it is told so.
    PartialState(cpu=not torch.accelerator.is_available())
    return stores.PrefixStore("interpzoo", stores.TCPStore(os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])))
