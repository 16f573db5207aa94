"""A limit on the time of a computation that consists of passes through a decoder."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass

_TIMES = 3  # that the first pace is measured


@dataclass
class Clock:
    """When a computation is to end, and how long a pass takes, as the last ones have shown; each call has its own."""

    end: float = math.inf
    """In seconds of `now`."""
    reserve: int = 0
    """Passes that are still to come when the minimizers have ended."""
    pace: float = 0.0
    """Seconds of a pass of one latent through the decoder."""

    @staticmethod
    def now() -> float:
        """Seconds, from any point in time on."""
        return time.monotonic()

    @contextmanager
    def timing(self, passes: int) -> Generator[None, None, None]:
        """Learn the pace from what is done meanwhile, which takes about so many passes."""
        begin = self.now()
        yield
        self.pace = (self.now() - begin) / max(1, passes)

    def learn(self, decode: Callable[[], object], passes: int) -> None:
        """Learn the pace from the fastest of a few times: the first calls, and those of a busy machine, are slow."""
        paces: list[float] = []
        for _ in range(_TIMES):
            with self.timing(passes):
                decode()
            paces.append(self.pace)
        self.pace = min(paces)

    def affords(self, passes: int) -> bool:
        """Whether so many passes will be done in time."""
        return self.end == math.inf or self.now() + self.pace * (passes + self.reserve) <= self.end
