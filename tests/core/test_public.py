"""The public interface: the names of `interpzoo.__all__`, what they are, and what lists the zoo without torch."""

from __future__ import annotations

import re
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType

import pytest

import interpzoo
from interpzoo.plugins import registry


def test_every_public_name_is_documented_and_is_never_a_module() -> None:
    modules = {module.name for module in iter_modules(interpzoo.__path__)}
    assert not modules & {*interpzoo.__all__}  # importing the module would replace the function
    assert {*interpzoo.__all__} <= {*re.findall(r"`(\w+)`", interpzoo.__doc__ or "")}
    for name in interpzoo.__all__:
        assert not isinstance(getattr(interpzoo, name), ModuleType)
        assert getattr(interpzoo, name).__doc__
    assert dir(interpzoo) == interpzoo.__all__


def test_an_unknown_attribute_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="No interpzoo attribute laod"):
        interpzoo.laod  # noqa: B018
    with pytest.raises(ImportError, match="laod"):
        import_module("interpzoo.laod")


def test_lists_are_sorted_and_take_patterns() -> None:
    known = registry()
    lists = {
        interpzoo.list_recipes: known.recipes,
        interpzoo.list_interpolators: known.components["interpolator"],
        interpzoo.list_metrics: known.components["metric"],
        interpzoo.list_datasets: known.components["dataset"],
    }
    for names, table in lists.items():
        assert names() == sorted({row.name for row in table})
    assert "slerp" in interpzoo.list_interpolators("sl*")
    assert interpzoo.list_recipes("acai-mni*") == ["acai-mnist"]
    assert interpzoo.list_datasets("nothing-*") == []


def test_models_are_filtered() -> None:
    assert interpzoo.list_models("*-mnist", method="acai") == ["acai-mnist"]
    assert "features-mnist" not in interpzoo.list_models()
    assert {"acai-lines", "ae-lines"} <= {*interpzoo.list_models(dataset="lines", license="apache-2.0")}
    assert interpzoo.list_models(dataset="lines", method="nobody") == []
