"""Memory that is freed stays with the process, for what it allocates next."""

import ctypes
import os
import sys
from typing import Any, Final

_TRIM_THRESHOLD: Final = -1
_MMAP_MAX: Final = -4
_MOST: Final = 2**31 - 1
_CHOSEN: Final = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_MMAP_MAX_", "GLIBC_TUNABLES")


def keep_freed_memory() -> None:
    """Tell glibc to keep what is freed, unless the user has set it up; elsewhere this does nothing.

    By default it gives large blocks back to the system and fetches them again, page by page, for every layer of a
    network.
    """
    if sys.platform != "linux" or any(name in os.environ for name in _CHOSEN):
        return
    mallopt: Any = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_MAX, 0)
        mallopt(_TRIM_THRESHOLD, _MOST)
