"""What there is: models, recipes and components by name; imports no torch."""

from collections.abc import Collection
from contextlib import suppress
from typing import Any

from interpzoo.arguments import of_type
from interpzoo.errors import UnknownNameError
from interpzoo.plugins import registry
from interpzoo.registry import Method, PretrainedModel, Registration, Table


def list_models(
    pattern: str | None = None,
    *,
    method: str | None = None,
    dataset: str | None = None,
    license: str | None = None,
) -> list[str]:
    """Names of the pretrained models that interpolate, sorted.

    Args:
        pattern: a shell pattern, such as ``acai-*``.
        method, dataset, license: the exact value that a model must have.

    Raises:
        InputError: an argument is not text.

    Example:
        >>> import interpzoo
        >>> interpzoo.list_models("fmvae-*")
        ['fmvae-mnist', 'fmvae-pendulum']
    """
    models = registry().models
    wanted = {"method": method, "dataset": dataset, "license": license, "kind": "interpolator"}
    for key, value in wanted.items():
        if value is not None:
            of_type(key, value, str, f"the exact {key} of a model, as text")
    return [
        name
        for name in _names(models, pattern)
        if all(value is None or getattr(models.find(name).entry, key) == value for key, value in wanted.items())
    ]


def list_recipes(pattern: str | None = None) -> list[str]:
    """Names of the recipes that `train` and `create` take, sorted; `pattern` is a shell pattern."""
    return _names(registry().recipes, pattern)


def list_interpolators(pattern: str | None = None) -> list[str]:
    """Names of the paths that ``interpolator=`` takes, sorted; `pattern` is a shell pattern."""
    return _names(registry().components["interpolator"], pattern)


def list_metrics(pattern: str | None = None) -> list[str]:
    """Names of the metrics that `evaluate` takes, sorted; `pattern` is a shell pattern."""
    return _names(registry().components["metric"], pattern)


def list_datasets(pattern: str | None = None) -> list[str]:
    """Names of the data sets that ``dataset=`` takes, sorted; `pattern` is a shell pattern."""
    return _names(registry().components["dataset"], pattern)


def _names(table: Table[Any], pattern: str | None) -> list[str]:
    if pattern is not None:
        of_type("pattern", pattern, str, "a shell pattern, such as 'acai-*'")
    return table.names(pattern)


def method_of(name: str, prefer: Collection[str] = ()) -> Method | None:
    """The method of a name, preferably of a plugin in `prefer`; ``None`` if no plugin that is loaded has it.

    Raises an `AmbiguousNameError` as `Table.find`.
    """
    with suppress(UnknownNameError):
        return registry().methods.find(name, prefer=prefer).entry
    return None


def summary_of(row: Registration[PretrainedModel]) -> str:
    """One line on a model: its registered summary, or else the summary of the recipe of the same name."""
    with suppress(UnknownNameError):
        return row.entry.summary or registry().recipes.find(row.name, prefer=[row.owner.plugin]).entry.summary
    return ""
