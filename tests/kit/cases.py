"""How a component is marked as faulty or sound, and how it is registered beside sound ones."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, TypeVar
from unittest.mock import patch

from interpzoo.interfaces.component import Configured
from interpzoo.plugins import Plugin, registry, zoo
from interpzoo.registry import ClassReference, Kind, Method, Owner, RecipeFile, Registration
from tests.kit import plugin

PLUGIN = "tried"
SOUND: dict[Kind, type[Configured[Any]]] = {
    "encoder": plugin.Coding,
    "decoder": plugin.Decoding,
    "prior": plugin.Standard,
    "regularizer": plugin.Plain,
    "interpolator": plugin.Straight,
    "dataset": plugin.Greys,
    "metric": plugin.Brightness,
}

T = TypeVar("T", bound=type[Configured[Any]])


@dataclass(frozen=True)
class Case:
    """One component in the place of the sound one, and what the kit says of it; nothing if it is sound."""

    component: type[Configured[Any]]
    says: str = ""
    recipe: Mapping[str, Any] | None = None
    """Other values in the recipe."""
    second: Mapping[str, Any] | None = None
    """Other values in a second recipe, if there is one."""
    beside: tuple[type[Configured[Any]], ...] = ()
    """Other components in place of the sound ones."""
    without: tuple[Kind, ...] = ()
    """Kinds that are not registered; without a regularizer there is neither a recipe nor a method."""


CASES: dict[str, Case] = {}
"""All cases, by the names of their classes."""


def faulty(says: str, **options: Any) -> Callable[[T], T]:
    """Mark a component as one of which the kit says something that contains `says`."""

    def mark(component: T) -> T:
        CASES[component.__name__] = Case(component, says, **options)
        return component

    return mark


def sound(**options: Any) -> Callable[[T], T]:
    """Mark a component as one that the kit must let pass."""
    return faulty("", **options)


@dataclass(frozen=True)
class _Text(RecipeFile):
    text: str

    def read(self) -> str:
        return self.text


@contextmanager
def registered(case: Case) -> Generator[None]:
    """A plugin of the case's component and sound ones, with a method that uses them all."""
    owner = Owner(PLUGIN, "interpzoo-tried", "1.0")
    known = registry()
    tables = {name: deepcopy(getattr(known, name)) for name in ("components", "methods", "recipes")}
    parts: dict[Kind, type[Configured[Any]]] = {k: SOUND[k] for k in SOUND if k not in case.without}
    parts |= {component.kind: component for component in (*case.beside, case.component)}
    for kind, component in parts.items():
        target = ClassReference(f"{component.__module__}:{component.__name__}")
        tables["components"][kind].add(Registration(f"{PLUGIN}-{kind}", owner, target))
    if "regularizer" in parts:
        tables["methods"].add(Registration(PLUGIN, owner, Method("Tried", f"{PLUGIN}:first")))
        tables["recipes"].add(Registration("first", owner, _recipe(parts, case.recipe or {})))
        if case.second is not None:
            tables["recipes"].add(Registration("second", owner, _recipe(parts, case.second)))
    loaded = Plugin(owner, "loaded")
    with patch.multiple(known, **tables), patch.object(zoo(), "plugins", [*zoo().plugins, loaded]):
        yield


def _recipe(parts: Mapping[Kind, Any], other: Mapping[str, Any]) -> _Text:
    names: dict[str, Any] = {kind: {"name": f"{PLUGIN}-{kind}"} for kind in parts if kind not in ("metric", "dataset")}
    value = {
        "method": PLUGIN,
        "summary": "Everything that is tried.",
        "image": {"channels": 1, "height": 8, "width": 8},
        **names,
        "data": {"name": f"{PLUGIN}-dataset"},
        "training": {"samples": 6400, "batch_size": 64},
        **other,
    }
    lines = (f"{key} = {_toml(item)}" for key, item in value.items())
    return _Text("tests", "first.toml", "\n".join(lines))


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + "}"
    return json.dumps(value)
