"""What there is to load; imports no torch."""

from __future__ import annotations

from contextlib import suppress

from interpzoo.errors import UnknownNameError
from interpzoo.plugins import registry
from interpzoo.registry import PretrainedModel, Registration


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
        method, dataset, license: exactly these.
    """
    models = registry().models
    wanted = {"method": method, "dataset": dataset, "license": license, "kind": "interpolator"}
    return [
        name
        for name in models.names(pattern)
        if all(value is None or getattr(models.find(name).entry, key) == value for key, value in wanted.items())
    ]


def summary_of(row: Registration[PretrainedModel]) -> str:
    """What a model is, in one line: as it is registered, or else as the recipe of the same name says."""
    with suppress(UnknownNameError):
        return row.entry.summary or registry().recipes.find(row.name, prefer=[row.owner.plugin]).entry.summary
    return ""
