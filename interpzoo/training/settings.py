"""The settings of a recipe that a resumed run must share with the run before."""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from interpzoo.build import INTERFACES, validated_options
from interpzoo.config import Component, Recipe
from interpzoo.errors import InterpzooError
from interpzoo.interfaces import DataSet, Regularizer
from interpzoo.interfaces.component import Configured
from interpzoo.plugins import registry
from interpzoo.pretrained.locate import is_path, recorded_name

_INTERFACES: Final[Mapping[str, type[Configured[Any]]]] = {**INTERFACES, "regularizer": Regularizer, "data": DataSet}

_FREE: Final = {
    "name",
    "summary",
    "limitations",
    "license",
    "start_from",
    "base",
    "training.samples",
    "training.checkpoint_steps",
    "training.codes",
}
"""What may change when a run is resumed: texts, its length, and what is saved. The weights of a base model may not."""


_MOST: Final = 5  # differences that are named


def without_path(recipe: Recipe) -> Recipe:
    """The recipe as it may be published: paths to a folder of images or a base model are cut to their last name."""
    if recipe.base is not None:
        recipe = recipe.model_copy(update={"base": recorded_name(recipe.base)})
    source = recipe.data.options.get("source")
    if not isinstance(source, str) or not is_path(source):
        return recipe
    name = Path(os.path.abspath(os.path.expanduser(source))).name
    return recipe.model_copy(update={"data": recipe.data.model_copy(update={"source": f"./{name}"})})


def settings_of(recipe: Recipe) -> dict[str, Any]:
    """Everything that a run depends on, as JSON values, with full names of components and all their options."""
    value = without_path(recipe).model_dump(mode="json")
    for field, interface in _INTERFACES.items():
        component: Component | None = getattr(without_path(recipe), field)
        if component is not None:
            config = validated_options(interface, component)
            name = registry().components[interface.kind].find(component.name).qualified
            value[field] = {"name": name, **config.model_dump(mode="json")}
    return value


def differences(before: Mapping[str, Any], recipe: Recipe) -> list[str]:
    """Each setting that differs from those of the run before, as ``training.seed was 0, is 1``.

    If a setting did not exist then, its default is taken.
    """
    with suppress(InterpzooError, ValueError):  # from another version, with other settings: compared as it is
        before = settings_of(Recipe.model_validate({**before}))
    old, new = flat(before), flat(settings_of(recipe))
    keys = [key for key in (*new, *(key for key in old if key not in new)) if key not in _FREE]
    return [f"{key} was {_said(old, key)}, is {_said(new, key)}" for key in keys if old.get(key) != new.get(key)]


def _said(values: Mapping[str, Any], key: str) -> str:
    return repr(values[key]) if key in values else "not set"


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested values by dotted names."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return found
