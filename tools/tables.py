"""The generated tables of the README and of the documentation.

Each is between ``<!-- generated: NAME -->`` and ``<!-- end -->``. They are made from what this distribution registers,
so that the pages list exactly what is there.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import click

from interpzoo.markdown import markdown_table
from interpzoo.plugins import registry
from interpzoo.recipes import load_recipe
from interpzoo.registry import FIRST_PARTY, Kind, Registration, Table

ROOT: Final = Path(__file__).parents[1]

_PART = re.compile(r"(?P<begin><!-- generated: (?P<name>\w+) -->\n).*?(?P<end><!-- end -->)", re.DOTALL)


def models() -> str:
    """A row for each data set: the models trained on it."""
    rows = [row for row in ours(registry().models) if row.entry.kind == "interpolator"]
    return markdown_table(
        ("images", "models"),
        [
            (
                f"`{dataset}`" if dataset else "of any kind and size, without training",
                _names(row.name for row in rows if row.entry.dataset == dataset),
            )
            for dataset in sorted({row.entry.dataset for row in rows})
        ],
    )


def methods() -> str:
    """A table of the methods with their papers and recipes."""
    recipes = [load_recipe(row.qualified) for row in ours(registry().recipes)]
    rows = [
        (
            f"`{row.name}`",
            f"[{row.entry.title}]({row.entry.paper})" if row.entry.paper else row.entry.title,
            _names(recipe.name for recipe in recipes if recipe.method == row.name),
        )
        for row in ours(registry().methods)
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


PARTS: Final[dict[Path, tuple[str, Callable[[], str]]]] = {
    ROOT / "README.md": ("models", models),
    ROOT / "docs" / "python.md": ("interpolators", interpolators),
    ROOT / "docs" / "reference" / "methods.md": ("methods", methods),
    ROOT / "docs" / "reference" / "data.md": ("datasets", datasets),
}
"""The page of each generated table."""


def pages() -> Iterator[tuple[Path, str]]:
    """Every page with a generated table, and its text with the table made again.

    Raises:
        ClickException: the table is missing, unknown or there twice.
    """
    for page, (name, made) in PARTS.items():
        text = page.read_text("utf-8")
        found = [match["name"] for match in _PART.finditer(text)]
        if found != [name]:
            given = ", ".join(found) or "none"
            raise click.ClickException(f"the generated parts of {page.name} are {given}, expected {name} once")
        table = made()
        yield page, _PART.sub(lambda match, table=table: f"{match['begin']}\n{table}\n{match['end']}", text)


def ours(table: Table[Any]) -> Iterator[Registration[Any]]:
    # Other plugins that are installed here are not part of this project.
    return (row for row in table if row.owner.distribution == FIRST_PARTY)


def _classes(kind: Kind) -> Iterator[tuple[str, type[Any]]]:
    return ((row.name, registry().resolve(kind, row.qualified)) for row in ours(registry().components[kind]))


def _first_line(cls: type[Any]) -> str:
    return inspect.cleandoc(cls.__doc__ or "").partition("\n")[0]


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
