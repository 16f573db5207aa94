"""All checks of a plugin, one by one or in one call."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from interpzoo.build import component_class
from interpzoo.config import Recipe, validate
from interpzoo.errors import InterpzooError
from interpzoo.plugins import registry
from interpzoo.recipes import load_recipe
from interpzoo.registry import Kind, Registry, Table
from interpzoo.testing.alone import check_alone
from interpzoo.testing.data import check_dataset
from interpzoo.testing.expect import ConformanceError, UnavailableError, blaming
from interpzoo.testing.models import check_determinism, check_networks, check_pretrained, check_shapes
from interpzoo.testing.paths import check_interpolator
from interpzoo.testing.registration import (
    INTERFACES,
    check_component,
    check_imports_nothing_heavy,
    check_loaded,
    check_recipe,
)
from interpzoo.testing.saving import check_new_process, check_saved_and_loaded
from interpzoo.testing.scores import check_metric, check_scores
from interpzoo.testing.sources import check_source, check_source_reads
from interpzoo.testing.training import check_losses, check_run

_OF_RECIPE = {
    "shapes": check_shapes,
    "networks": check_networks,
    "determinism": check_determinism,
    "losses": check_losses,
    "training": check_run,
    "saved and loaded": check_saved_and_loaded,
    "metrics": check_scores,
}
_TRIED: tuple[Kind, ...] = ("encoder", "decoder", "prior", "space", "regularizer", "interpolator")
"""Kinds of components that are tried in a recipe."""


@dataclass(frozen=True)
class Check:
    """One rule for a plugin; calling it raises a `ConformanceError` if the plugin violates it.

    It passes where files, weights or packages that it needs are not on this machine.
    """

    name: str
    run: Callable[[], None]

    def __str__(self) -> str:
        return self.name

    def __call__(self) -> None:
        try:
            with blaming(f"check {self.name!r}"):
                self.run()
        except UnavailableError:
            return


def conformance(plugin: str, changes: Sequence[str] = (), *, folders: Mapping[str, Path] | None = None) -> list[Check]:
    """The checks of all that `plugin` registers.

    A method is tried on its own recipe and data; a network or path that no method's recipe uses, on another recipe of
    the plugin or by itself. So a plugin with networks or pretrained models alone needs no recipe.

    Args:
        plugin: its name, which is the name of its entry point.
        changes: to its recipes, such as ``encoder.width=2``, so that the checks are fast. A recipe whose components
            do not take a change stays as it is in that.
        folders: by scheme, a folder with a small model that the plugin's source reads.
    """
    return [*_checks(plugin, changes, folders or {})]


def check_plugin(plugin: str, changes: Sequence[str] = (), *, folders: Mapping[str, Path] | None = None) -> None:
    """Run all checks of `conformance`, or raise a `ConformanceError` with a line for each that failed."""
    problems: list[str] = []
    for check in conformance(plugin, changes, folders=folders):
        try:
            check()
        except ConformanceError as error:
            problems.append(f"{check}: {error}")
    if problems:
        raise ConformanceError(f"plugin {plugin!r} does not conform:\n" + "\n".join(problems))


def _checks(plugin: str, changes: Sequence[str], folders: Mapping[str, Path]) -> Iterator[Check]:
    yield Check("loaded", partial(check_loaded, plugin))
    yield Check("imports nothing heavy", partial(check_imports_nothing_heavy, plugin))
    known = registry()
    for kind, table in known.components.items():
        for name in _own(table, plugin):
            yield Check(f"{kind} {name}", partial(check_component, kind, name))
    own = _own(known.recipes, plugin)
    for name in own:
        yield Check(f"recipe {name}", partial(check_recipe, name))
    tried = _tried(known, plugin, own)
    for label, recipe in tried.items():
        for what, check in _OF_RECIPE.items():
            yield Check(f"{label}: {what}", partial(_of_recipe, check, recipe, changes))
    if tried:
        yield Check("a new process", lambda: check_new_process([*_readable([*tried.values()], changes)]))
    used = {(kind, name) for recipe in tried.values() for kind, name in _components(known, recipe)}
    encoders = _own(known.components["encoder"], plugin)
    for kind in ("encoder", "decoder", "prior", "space", "features"):
        for name in _own(known.components[kind], plugin):
            if (kind, name) not in used:
                yield Check(f"{kind} {name}: alone", partial(check_alone, kind, name, encoders))
    for name in _own(known.components["interpolator"], plugin):
        yield Check(f"interpolator {name}: path", partial(_of_recipes, check_interpolator, name, own, changes))
    for name in _own(known.components["dataset"], plugin):
        yield Check(f"dataset {name}: images", partial(check_dataset, name))
    for name in _own(known.components["metric"], plugin):
        yield Check(f"metric {name}: scores", partial(_of_recipes, check_metric, name, own, changes))
    for name in _own(known.components["source"], plugin):
        yield Check(f"source {name}: files", partial(check_source, name))
        if (folder := folders.get(name.partition(":")[2])) is not None:
            yield Check(f"source {name}: a model", partial(check_source_reads, name, folder))
    for name in _own(known.models, plugin):
        yield Check(f"model {name}", partial(check_pretrained, name))


def _tried(known: Registry, plugin: str, own: Sequence[str]) -> dict[str, str]:
    """The recipes to try, by what they are called in checks: those of methods, and what else uses a component."""
    tried = {
        f"method {row.qualified}": row.qualified
        for row in known.methods
        if row.owner.plugin == plugin and row.entry.recipe
    }
    used = {component for name in tried.values() for component in _components(known, name)}
    for recipe in own:
        new = {(kind, name) for kind, name in _components(known, recipe) if name.startswith(f"{plugin}:")} - used
        if new:
            tried[f"recipe {recipe}"] = recipe
            used |= new
    return tried


def _components(known: Registry, recipe: str) -> set[tuple[Kind, str]]:
    """Kinds and full names of a recipe's components; none if it cannot be read, which its own check says."""
    found: set[tuple[Kind, str]] = set()
    try:
        read = load_recipe(recipe)
        for kind in _TRIED:
            if (component := getattr(read, kind)) is not None:
                found.add((kind, known.components[kind].find(component.name).qualified))
    except InterpzooError:
        return set()
    return found


def _own(table: Table[Any], plugin: str) -> list[str]:
    return [row.qualified for row in table if row.owner.plugin == plugin]


def _of_recipe(check: Callable[[Recipe], None], name: str, changes: Sequence[str]) -> None:
    check(_changed(name, changes))


def _of_recipes(
    check: Callable[[str, Sequence[Recipe]], None], name: str, recipes: Sequence[str], changes: Sequence[str]
) -> None:
    check(name, [*_readable(recipes, changes)])


def _readable(recipes: Sequence[str], changes: Sequence[str]) -> Iterator[Recipe]:
    """The recipes that can be read; why the others cannot is said by the check of each."""
    for recipe in recipes:
        with suppress(InterpzooError):
            yield _changed(recipe, changes)


def _changed(name: str, changes: Sequence[str]) -> Recipe:
    """A recipe with those of the changes that its components take: each may be meant for another recipe."""
    recipe = load_recipe(name)
    for change in changes:
        with suppress(InterpzooError):
            changed = load_recipe(recipe, [change])
            for kind in _TRIED:
                if (component := getattr(changed, kind)) is not None:
                    validate(component_class(INTERFACES[kind], component.name).Config, component.options, kind)
            recipe = changed
    return recipe
