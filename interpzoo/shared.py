"""Intermediate results that are computed once and shared by all who need them."""

from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


class Shared:
    """Base of objects that keep what was computed from them."""

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}

    def shared(self, key: str, make: Callable[[], T]) -> T:
        """The result of `make`, which is called only the first time that `key` is asked for."""
        if key not in self._values:
            self._values[key] = make()
        return self._values[key]
