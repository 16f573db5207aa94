"""Recipes: finding them, reading them and changing single values."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from interpzoo.arguments import parsed
from interpzoo.config import Recipe, validate
from interpzoo.errors import ConfigError, UnknownNameError, suggestions
from interpzoo.files import expanded, open_regular, parse_toml
from interpzoo.plugins import registry
from interpzoo.registry import RecipeFile, Registration
from interpzoo.text import quoted


def load_recipe(name: str | Path | Recipe, changes: Sequence[str] = ()) -> Recipe:
    """Read a recipe and apply ``key.subkey=value`` changes.

    Args:
        name: a registered recipe or method, a TOML file, or a `Recipe`. A file without a ``name`` names the recipe.
        changes: values to change, such as ``training.samples=100000``.

    Raises:
        UnknownNameError, AmbiguousNameError: there is no recipe or method of that name, or there are several.
        ConfigError: the file is not TOML, a change is not ``key=value``, or the result is invalid.
    """
    value, where = _read(name)
    for change in changes:
        _apply(value, change)
    return validate(Recipe, value, where)


def _read(name: str | Path | Recipe) -> tuple[dict[str, Any], str]:
    if isinstance(name, Recipe):
        return name.model_dump(mode="json"), f"recipe {name.name!r}"
    if not isinstance(name, (str, Path)):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigError(f"recipe = {quoted(name)}: expected a registered name, the path of a TOML file, or a Recipe")
    if isinstance(name, Path) or name.endswith(".toml"):
        path = expanded(name)
        try:
            with open_regular(path) as file:
                text = file.read().decode("utf-8")
        except OSError as error:
            raise ConfigError(f"cannot read recipe {str(name)!r}: {error.strerror}") from None
        except UnicodeDecodeError as error:
            raise ConfigError(f"{name} is not TOML: {error}") from None
        except ValueError as error:  # a null character in the path
            raise ConfigError(f"cannot read recipe {str(name)!r}: {error}") from None
        return {"name": path.stem, **parse_toml(text, str(name))}, str(name)
    row = _registered(name)
    where = f"recipe {row.name!r}"
    return {"name": row.name, **parse_toml(row.entry.read(), where)}, where


def recipe_text(name: str) -> str:
    """The TOML text of a registered recipe or method, with comments and its name: a template for one's own.

    Raises:
        UnknownNameError, AmbiguousNameError, ConfigError: as `load_recipe`.
    """
    row = _registered(name)
    text = row.entry.read()
    named = "name" in parse_toml(text, f"recipe {row.name!r}")
    return text if named else f'name = "{row.name}"\n{text}'


def _registered(name: str) -> Registration[RecipeFile]:
    known = registry()
    with suppress(UnknownNameError):
        method = known.methods.find(name).entry
        if not method.recipe:
            raise ConfigError(f"method {name!r} has no recipe, because nothing is trained: load a model of it instead")
        name = method.recipe
    try:
        return known.recipes.find(name)
    except UnknownNameError:
        names = [*known.methods.names(), *known.recipes.names()]
        raise UnknownNameError(f"unknown recipe or method {quoted(name)}.{suggestions(name, names)}") from None


def _apply(value: dict[str, Any], change: str) -> None:
    key, equals, text = change.partition("=")
    path = key.strip().split(".")
    if not equals or not all(path):
        raise ConfigError(f"cannot understand {change!r}: expected key=value, such as training.samples=100000")
    for part in path[:-1]:
        value = value.setdefault(part, {})
        if not isinstance(value, dict):  # pyright: ignore[reportUnnecessaryIsInstance]  # a file may hold anything
            raise ConfigError(f"cannot set {key!r}: {part!r} is not a table")
    value[path[-1]] = parsed(text)
