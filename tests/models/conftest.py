"""Fixtures of the tests of models."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from interpzoo.plugins import registry
from interpzoo.registry import Kind, Registrar, Registry
from tests.core.conftest import model as model
from tests.core.conftest import one_thread as one_thread


@pytest.fixture
def register(monkeypatch: pytest.MonkeyPatch) -> Callable[[Kind, str, type], None]:
    """Registers a class of a test module under a name, for as long as the test runs."""

    def add(kind: Kind, name: str, cls: type) -> None:
        own = Registry()
        registrar = Registrar(registry().components["encoder"].find("conv").owner)
        registrar.add(kind, name, f"{cls.__module__}:{cls.__name__}")
        registrar.commit(own)
        monkeypatch.setitem(registry().components[kind]._rows, name, [own.components[kind].find(name)])

    return add
