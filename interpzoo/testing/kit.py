"""All checks of a plugin, one by one or in one call."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from interpzoo.config import Recipe
from interpzoo.plugins import registry
from interpzoo.recipes import load_recipe
from interpzoo.registry import Table
from interpzoo.testing import methods
from interpzoo.testing.components import check_dataset, check_interpolator
from interpzoo.testing.expect import ConformanceError
from interpzoo.testing.registration import check_component, check_imports_nothing_heavy, check_loaded, check_recipe

_METHOD = {
    "shapes": methods.check_shapes,
    "determinism": methods.check_determinism,
    "saved and loaded": methods.check_saved_and_loaded,
    "gradients": methods.check_gradients,
    "training": methods.check_training,
    "metrics": methods.check_metrics,
}


@dataclass(frozen=True)
class Check:
    """One rule for a plugin; calling it raises a `ConformanceError` if the plugin violates it."""

    name: str
    run: Callable[[], None]

    def __str__(self) -> str:
        return self.name

    def __call__(self) -> None:
        self.run()


def conformance(plugin: str, changes: Sequence[str] = ()) -> list[Check]:
    """The checks of all that `plugin` registers.

    Args:
        plugin: its name, which is the name of its entry point.
        changes: to the recipes of its methods, such as ``encoder.width=2``, so that the checks are fast.
    """
    return [*_checks(plugin, changes)]


def check_plugin(plugin: str, changes: Sequence[str] = ()) -> None:
    """Run all checks of `conformance`, or raise a `ConformanceError` with a line for each that failed."""
    problems: list[str] = []
    for check in conformance(plugin, changes):
        try:
            check()
        except Exception as error:  # plugins may raise anything
            problems.append(f"{check}: {type(error).__name__}: {error}")
    if problems:
        raise ConformanceError(f"plugin {plugin!r} does not conform:\n" + "\n".join(problems))


def _checks(plugin: str, changes: Sequence[str]) -> Iterator[Check]:
    yield Check("loaded", partial(check_loaded, plugin))
    yield Check("imports nothing heavy", partial(check_imports_nothing_heavy, plugin))
    known = registry()
    for kind, table in known.components.items():
        for name in _own(table, plugin):
            yield Check(f"{kind} {name}", partial(check_component, kind, name))
    for name in _own(known.recipes, plugin):
        yield Check(f"recipe {name}", partial(check_recipe, name))
    for method in _own(known.methods, plugin):
        for what, check in _METHOD.items():
            yield Check(f"method {method}: {what}", partial(_of_recipe, check, method, changes))
    for name in _own(known.components["interpolator"], plugin):
        yield Check(f"interpolator {name}: path", partial(check_interpolator, name))
    for name in _own(known.components["dataset"], plugin):
        yield Check(f"dataset {name}: images", partial(check_dataset, name))


def _own(table: Table[Any], plugin: str) -> list[str]:
    return [row.qualified for row in table if row.owner.plugin == plugin]


def _of_recipe(check: Callable[[Recipe], None], method: str, changes: Sequence[str]) -> None:
    check(load_recipe(method, changes))
