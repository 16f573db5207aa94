"""Fixtures of the tests of models."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from interpzoo.plugins import registry
from interpzoo.registry import ClassReference, Kind, Owner, Registrar, Registration, Registry
from tests.core.conftest import model as model
from tests.core.conftest import one_thread as one_thread


@pytest.fixture
def register(monkeypatch: pytest.MonkeyPatch) -> Callable[[Kind, str, type], None]:
    """Registers a class of a test module under a name, for as long as the test runs."""
    owner = registry().components["encoder"].find("conv").owner

    def add(kind: Kind, name: str, cls: type) -> None:
        monkeypatch.setitem(registry().components[kind]._rows, name, [registration(owner, kind, name, cls)])

    return add


@pytest.fixture
def register_mine(monkeypatch: pytest.MonkeyPatch) -> Callable[[Kind, str, type], None]:
    """The same as that of a plugin ``mine`` of somebody else, beside those of the same name."""
    owner = Owner("mine", "interpzoo-mine", "1.0")

    def add(kind: Kind, name: str, cls: type) -> None:
        rows = registry().components[kind]._rows
        monkeypatch.setitem(rows, name, [*rows.get(name, []), registration(owner, kind, name, cls)])

    return add


def registration(owner: Owner, kind: Kind, name: str, cls: type) -> Registration[ClassReference]:
    own, registrar = Registry(), Registrar(owner)
    registrar.add(kind, name, f"{cls.__module__}:{cls.__name__}")
    registrar.commit(own)
    return own.components[kind].find(name)
