"""What there is to load; imports no torch."""

from __future__ import annotations

from interpzoo.plugins import registry


def list_models(
    pattern: str | None = None,
    *,
    method: str | None = None,
    dataset: str | None = None,
    licence: str | None = None,
) -> list[str]:
    """Names of the pretrained models that interpolate, sorted.

    Args:
        pattern: a shell pattern, such as ``acai-*``.
        method, dataset, licence: exactly these.
    """
    models = registry().models
    wanted = {"method": method, "dataset": dataset, "licence": licence, "kind": "interpolator"}
    return [
        name
        for name in models.names(pattern)
        if all(value is None or getattr(models.find(name).entry, key) == value for key, value in wanted.items())
    ]
