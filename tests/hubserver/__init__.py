"""A Hugging Face Hub in memory for tests: the unmodified client pushes to it, loads from it, and it fails on demand."""

from __future__ import annotations

from .client import environment
from .faults import Fault
from .hub import Hub
from .protocol import Request

__all__ = ["Fault", "Hub", "Request", "environment"]
