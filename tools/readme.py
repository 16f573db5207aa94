"""The generated tables of the README.

Each is between ``<!-- generated: NAME -->`` and ``<!-- end -->``. They are made from what this distribution registers
and from the cards of its models, so that the README lists exactly what is there.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import click

from interpzoo.markdown import markdown_table
from interpzoo.plugins import registry
from interpzoo.pretrained.card import Result, read_results
from interpzoo.pretrained.load import load
from interpzoo.recipes import load_recipe
from interpzoo.registry import FIRST_PARTY, Kind, PretrainedModel, Registration, Table, bundled_folder

README: Final = Path(__file__).parents[1] / "README.md"

_HEADLINES: Final = (
    "Mean Distance",
    "Mean Smoothness",
    "linear probe accuracy",
    "K-means accuracy",
    "in-between MSE",
    "alpha predictability",
    "sharpness",
    "reconstruction MSE",
)
_SHOWN: Final = 3
"""Number of these metrics in a table: the first ones that a model has. The card has all of them."""

_PART = re.compile(r"(?P<begin><!-- generated: (?P<name>\w+) -->\n).*?(?P<end><!-- end -->)", re.DOTALL)


def models() -> str:
    """A table for each data set: the models trained on it, side by side."""
    rows = [row for row in _ours(registry().models) if row.entry.kind == "interpolator"]
    datasets = sorted({row.entry.dataset for row in rows})
    tables = [_models_on(dataset, [row for row in rows if row.entry.dataset == dataset]) for dataset in datasets]
    return "\n".join(tables) or "No pretrained model is bundled yet: train one as below.\n"


def methods() -> str:
    """A table of the methods with their papers and recipes."""
    recipes = [load_recipe(row.qualified) for row in _ours(registry().recipes)]
    rows = [
        (
            f"`{row.name}`",
            f"[{row.entry.title}]({row.entry.paper})" if row.entry.paper else row.entry.title,
            _names(recipe.name for recipe in recipes if recipe.method == row.name),
        )
        for row in _ours(registry().methods)
    ]
    return markdown_table(("method", "paper", "recipes"), rows)


def interpolators() -> str:
    """A table of the interpolators."""
    return markdown_table(
        ("interpolator", "path"), [(f"`{name}`", _first_line(cls)) for name, cls in _classes("interpolator")]
    )


def datasets() -> str:
    """A table of the data sets with their licenses."""
    rows = [
        (f"`{name}`", _first_line(cls), f"`{cls.hub_id}`" if cls.hub_id else "", cls.license)
        for name, cls in _classes("dataset")
    ]
    return markdown_table(("data set", "images", "on the Hub", "license"), rows)


PARTS: Final[dict[str, Callable[[], str]]] = {
    "models": models,
    "methods": methods,
    "interpolators": interpolators,
    "datasets": datasets,
}


def render(text: str) -> str:
    """`text` with every generated part made again.

    Raises:
        ClickException: a part is missing, unknown or there twice.
    """
    found = [match["name"] for match in _PART.finditer(text)]
    if sorted(found) != sorted(PARTS):
        expected, given = ", ".join(PARTS), ", ".join(found) or "none"
        raise click.ClickException(f"the generated parts are {given}, expected each of {expected} once")
    return _PART.sub(lambda match: f"{match['begin']}\n{PARTS[match['name']]()}\n{match['end']}", text)


def _models_on(dataset: str, rows: Sequence[Registration[PretrainedModel]]) -> str:
    results = {row.name: _headlines(row) for row in rows}
    metrics = list(dict.fromkeys(result.metric for found in results.values() for result in found))
    cells = [
        (
            f"`{row.name}`",
            f"`{row.entry.method}`",
            _code(row),
            row.entry.license,
            *(_value(results[row.name], metric) for metric in metrics),
        )
        for row in rows
    ]
    head = f"On `{dataset}`" if dataset else "Of any image, without training"
    return f"{head}:\n\n" + markdown_table(("model", "method", "code", "license", *metrics), cells)


def _headlines(row: Registration[PretrainedModel]) -> list[Result]:
    folder = bundled_folder(row)
    results = [] if folder is None else read_results(folder)
    own = {result.metric: result for result in results if result.dataset == row.entry.dataset}
    return [own[metric] for metric in _HEADLINES if metric in own][:_SHOWN]


def _code(row: Registration[PretrainedModel]) -> str:
    folder = bundled_folder(row)
    if folder is None:
        return ""
    model = load(folder)
    shape = model.latent_shape
    if model.sizes.multiple is not None:
        factor = model.config.image.height // shape[1]
        return f"{shape[0]} x H x W" if factor == 1 else f"{shape[0]} x H/{factor} x W/{factor}"
    dims = " x ".join(map(str, shape))
    return dims if len(shape) == 1 else f"{dims} = {math.prod(shape)}"


def _value(results: Sequence[Result], metric: str) -> str:
    return next((f"{result.value:.4g}{result.unit}" for result in results if result.metric == metric), "")


def _ours(table: Table[Any]) -> Iterator[Registration[Any]]:
    # Other plugins that are installed here are not part of this project.
    return (row for row in table if row.owner.distribution == FIRST_PARTY)


def _classes(kind: Kind) -> Iterator[tuple[str, type[Any]]]:
    return ((row.name, registry().resolve(kind, row.qualified)) for row in _ours(registry().components[kind]))


def _first_line(cls: type[Any]) -> str:
    return inspect.cleandoc(cls.__doc__ or "").partition("\n")[0]


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
