"""Public names of a package that are imported on first use, so that ``import`` costs no torch.

The names stand once, as imports in the package's stub, ``__init__.pyi``, where editors and type checkers see them, too.
The same idea as ``lazy_loader.attach_stub`` of Scientific Python.
"""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


def attach_stub(package: str, file: str) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """The ``__getattr__``, ``__dir__`` and ``__all__`` of a package whose stub imports its public names.

    Args:
        package: the package's ``__name__``.
        file: the package's ``__file__``; the stub lies beside it.
    """
    stub = ast.parse(Path(file).with_suffix(".pyi").read_text("utf-8"))
    modules = {
        alias.name: node.module or ""
        for node in stub.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname == alias.name
    }

    def get(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(modules[name]), name)
        setattr(sys.modules[package], name, value)  # found without this function from now on
        return value

    return get, lambda: sorted(modules), sorted(modules)
