"""The reference of Python, made from the docstrings of the public names."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Final

from torch import nn

import interpzoo
from interpzoo.images import ImageInput
from interpzoo.spacing import Spacing

MODULES: Final = (
    "interpzoo.errors",
    "interpzoo.features",
    "interpzoo.geometry",
    "interpzoo.onnx",
    "interpzoo_riemannian",
    "interpzoo_metamorphosis",
    "interpzoo_lol",
    "interpzoo.plugins",
    "interpzoo.interfaces",
    "interpzoo.config",
    "interpzoo.benchmark",
    "interpzoo.losses",
    "interpzoo.testing",
)
"""Public modules beside `interpzoo` itself: first those for scripts, then those for plugins."""

TYPES: Final = {"interpzoo.images.ImageInput": ImageInput, "interpzoo.spacing.Spacing": Spacing}
"""What arguments are, described once and named in signatures."""

_FOR_ENTRY_POINT: Final = ("INTERPZOO_API", "register")

_GROUP: Final = re.compile(r"^\* (?P<title>[^:]+): (?P<names>.*?)(?=^\* |\n\n|\Z)", re.DOTALL | re.MULTILINE)


_NAMED: Final = re.compile(r"(?<![`\[}])`(?P<name>(?:model|interpzoo(?:_\w+)?)(?:\.\w+)+)(?:\([^`]*\))?`(?!`)")


def write(folder: Path) -> None:
    """Write a page for each group of names and for each module, and a page that lists them."""
    folder.mkdir(parents=True)
    pages = [*_of_groups(), *_of_modules()]
    for name, title, body in pages:
        (folder / f"{name}.rst").write_text(f"{title}\n{'=' * len(title)}\n\n{body}\n", "utf-8")
    title = "Python"
    lines = "\n".join(name for name, _, _ in pages)
    text = (
        f"{title}\n{'=' * len(title)}\n\nA script needs the names of ``interpzoo`` alone. Modules are for plugins, and "
        "for work with geometry, exported models and morphs. Names that are not here may change without notice.\n\n"
        f".. toctree::\n\n   {lines.replace(chr(10), chr(10) + '   ')}\n"
    )
    (folder / "index.rst").write_text(text, "utf-8")


def linked(text: str) -> str:
    """Markdown whose code that is the name of something public, such as `interpzoo.load`, leads to its description."""

    def linked_name(match: re.Match[str]) -> str:
        name = match["name"]
        if name.startswith("model."):
            name = f"interpzoo.InterpolationModel.{name.removeprefix('model.')}"
        return f"{{py:obj}}`{match['name']} <{name}>`" if name in described() else match[0]

    return _NAMED.sub(linked_name, text)


@cache
def described() -> frozenset[str]:
    """The full names of what these pages describe."""
    model = {name for name in dir(interpzoo.InterpolationModel) if not name.startswith("_")} - {*dir(nn.Module)}
    names = {f"interpzoo.{name}" for name in interpzoo.__all__} - {"interpzoo.InterpzooError"}
    names |= {f"{name}.{member}" for name in MODULES for member in _members(importlib.import_module(name))}
    return frozenset(names | {f"interpzoo.InterpolationModel.{name}" for name in model})


def groups() -> dict[str, list[str]]:
    """The public names of `interpzoo`, by the titles that its docstring gives them."""
    found = _GROUP.finditer(inspect.cleandoc(interpzoo.__doc__ or "") + "\n\n")
    names = {match["title"]: re.findall(r"`(\w+)`", match["names"]) for match in found}
    public = {*interpzoo.__all__}
    return {title: [name for name in listed if name in public] for title, listed in names.items()}


def _of_groups() -> Iterator[tuple[str, str, str]]:
    for title, names in groups().items():
        types = [f".. autodata:: {name}\n   :no-value:\n" for name in TYPES if title == "types"]
        yield re.sub(r"\W+", "-", title), title.capitalize(), "\n".join([*map(_documented, names), *types])


def _documented(name: str) -> str:
    found = getattr(interpzoo, name)
    if not inspect.isclass(found):
        return f".. autofunction:: interpzoo.{name}\n"
    if issubclass(found, Exception):  # described once, with the other errors
        return f":py:exc:`interpzoo.errors.{name}`\n"
    return f".. autoclass:: interpzoo.{name}\n   :members:\n   :inherited-members: Module\n"


def _of_modules() -> Iterator[tuple[str, str, str]]:
    for name in MODULES:
        module = importlib.import_module(name)
        listed: list[str] | None = getattr(module, "__all__", None)
        members = ", ".join(_members(module)) if listed is None else ""
        left_out = ", ".join(name for name in _FOR_ENTRY_POINT if name in (listed or ()))
        options = f"   :members: {members}\n   :exclude-members: {left_out}\n   :show-inheritance:\n"
        yield name, name, f".. automodule:: {name}\n{options}"


def _members(module: ModuleType) -> list[str]:
    """The public names of a module: those that it lists, or else the classes and functions that are written there."""
    listed: list[str] | None = getattr(module, "__all__", None)
    if listed is not None:
        return [name for name in listed if name not in _FOR_ENTRY_POINT]
    own = {k: v for k, v in vars(module).items() if inspect.isclass(v) or inspect.isfunction(v)}
    return [k for k, v in own.items() if v.__module__ == module.__name__ and not k.startswith("_")]
