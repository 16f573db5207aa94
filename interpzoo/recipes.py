"""Recipes: where they are found, how they are read and how single values are changed."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from interpzoo.config import Recipe, validate
from interpzoo.errors import ConfigError, UnknownNameError, did_you_mean
from interpzoo.plugins import registry
from interpzoo.registry import RecipeFile, Registration

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def load_recipe(name: str | Path | Recipe, changes: Sequence[str] = ()) -> Recipe:
    """A recipe by name, by its method's name, from a TOML file, or as it is, with ``key.subkey=value`` changes.

    A file that does not say its recipe's name gives it its own.

    Raises:
        UnknownNameError, AmbiguousNameError: no recipe or method of that name, or several.
        ConfigError: the file is not TOML, a change is not ``key=value``, or the result does not validate.
    """
    value, where = _read(name)
    for change in changes:
        _apply(value, change)
    return validate(Recipe, value, where)


def _read(name: str | Path | Recipe) -> tuple[dict[str, Any], str]:
    if isinstance(name, Recipe):
        return name.model_dump(mode="json"), f"recipe {name.name!r}"
    if isinstance(name, Path) or name.endswith(".toml"):
        path = Path(name)
        try:
            return {"name": path.stem, **parse_toml(path.read_text("utf-8"), str(name))}, str(name)
        except OSError as error:
            raise ConfigError(f"cannot read recipe {str(name)!r}: {error.strerror}") from None
        except UnicodeDecodeError as error:
            raise ConfigError(f"{name} is not TOML: {error}") from None
    row = _registered(name)
    where = f"recipe {row.name!r}"
    return {"name": row.name, **parse_toml(row.entry.read(), where)}, where


def recipe_text(name: str) -> str:
    """The TOML of a registered recipe or method, comments and all, with its name: to be saved, changed and trained.

    Raises:
        UnknownNameError, AmbiguousNameError: no such recipe or method, or several.
        ConfigError: it is not TOML.
    """
    row = _registered(name)
    text = row.entry.read()
    named = "name" in parse_toml(text, f"recipe {row.name!r}")
    return text if named else f'name = "{row.name}"\n{text}'


def _registered(name: str) -> Registration[RecipeFile]:
    known = registry()
    with suppress(UnknownNameError):
        name = known.methods.find(name).entry.recipe
    try:
        return known.recipes.find(name)
    except UnknownNameError:
        names = [*known.methods.names(), *known.recipes.names()]
        raise UnknownNameError(f"unknown recipe or method {name!r}.{did_you_mean(name, names)}") from None


def parse_toml(text: str, where: str) -> dict[str, Any]:
    """The table that `text` is.

    Raises:
        ConfigError: it is no TOML; the message begins with `where`.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{where} is not TOML: {error}") from None


def _apply(value: dict[str, Any], change: str) -> None:
    key, equals, text = change.partition("=")
    path = key.strip().split(".")
    if not equals or not all(path):
        raise ConfigError(f"cannot understand {change!r}: expected key=value, such as training.samples=100000")
    for part in path[:-1]:
        value = value.setdefault(part, {})
        if not isinstance(value, dict):  # pyright: ignore[reportUnnecessaryIsInstance]  # a file may hold anything
            raise ConfigError(f"cannot set {key!r}: {part!r} is no table")
    try:
        value[path[-1]] = json.loads(text)
    except ValueError:
        value[path[-1]] = text  # a bare word is a string
