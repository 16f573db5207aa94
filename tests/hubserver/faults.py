"""What can be made to go wrong, where and how often."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal

from .protocol import Answer, RefusalError, Request

Transfer = Literal["reset", "truncate", "corrupt", "trickle"]


@dataclass
class Fault:
    """One thing that goes wrong with the requests whose path matches `pattern`; see `Hub.fail` for the kinds."""

    pattern: str
    status: int | None = None
    retry_after: int | None = None
    anonymous: bool = False
    transfer: Transfer | None = None
    seconds: float = 1.0
    method: str | None = None
    times: int | None = 1
    hits: int = 0

    def __post_init__(self) -> None:
        if (self.status is not None) + self.anonymous + (self.transfer is not None) != 1:
            raise ValueError(f"a fault is one of status, anonymous and transfer; got {self}")
        if self.transfer and self.method is None:
            self.method = "GET"
        if self.transfer in ("truncate", "corrupt", "trickle") and self.method != "GET":
            raise ValueError(f"only what the Hub sends can be damaged in this way (method 'GET'); got {self}")

    @property
    def spoils_answer(self) -> bool:
        """Whether it strikes while the answer is sent; else it strikes before the request is acted on."""
        return self.transfer is not None and self.method == "GET"

    def answer(self) -> Answer | None:
        """What is answered in the Hub's place, if anything is."""
        if self.status is None:
            return None
        wait = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        return RefusalError(self.status, "a fault that was asked for", headers=wait).answer

    def matches(self, request: Request) -> bool:
        return (
            (self.times is None or self.hits < self.times)
            and self.method in (None, request.method)
            and fnmatchcase(request.path, self.pattern)
        )


@dataclass
class Faults:
    """The faults still to come, oldest first; each request meets at most one of a kind."""

    pending: list[Fault] = field(default_factory=list[Fault])
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, request: Request, *, spoils_answer: bool) -> Fault | None:
        with self.lock:
            for fault in self.pending:
                if fault.spoils_answer is spoils_answer and fault.matches(request):
                    fault.hits += 1
                    request.fault = fault.transfer or ("anonymous" if fault.anonymous else str(fault.status))
                    return fault
        return None
