"""The rules of the house, read off the source: who imports whom, and what is never written."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.tiny import python_json

ROOT = Path(__file__).parents[2]

FLOORS = re.findall(r"```text\n  (errors\n.*?)```", (ROOT / "CONTRIBUTING.md").read_text("utf-8"), re.DOTALL)[0].split(
    "\n"
)
"""Modules and packages of the core, from the ground up, as CONTRIBUTING lists them."""
FLOOR = {name: number for number, names in enumerate(FLOORS) for name in names.split()}


class Import(NamedTuple):
    """One imported module, with the name that is taken from it, if any."""

    module: str
    name: str
    line: int


def modules(folder: Path) -> dict[str, Path]:
    """All modules below a package's folder, by full name."""
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def parse(path: Path) -> ast.Module:
    """The file's syntax tree."""
    return ast.parse(path.read_text("utf-8"), str(path))


def imports(path: Path) -> Iterator[Import]:
    """Every import of a file, inside functions too; relative ones have a module that starts with a dot."""
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, "", node.lineno)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield Import("." * node.level + (node.module or ""), alias.name, node.lineno)


CORE = modules(ROOT / "interpzoo")
PLUGINS = {folder.name: modules(folder) for folder in sorted((ROOT / "plugins").glob("interpzoo_*")) if folder.is_dir()}
EVERYTHING = {**CORE, **{name: path for package in PLUGINS.values() for name, path in package.items()}}


def core_imports(path: Path) -> Iterator[str]:
    """The modules of the core that a file imports, for types alone too."""
    for found in imports(path):
        if found.module.split(".")[0] == "interpzoo":
            inner = f"{found.module}.{found.name}"
            yield inner if inner in CORE else found.module


def floor(module: str) -> int:
    """The floor of a module of the core."""
    parts = module.split(".")[1:]
    for name in (".".join(parts[:2]), parts[0]):
        if name in FLOOR:
            return FLOOR[name]
    pytest.fail(f"{module} stands on no floor: place it in CONTRIBUTING.md, as low as it goes")


def test_there_is_something_to_check() -> None:
    assert "interpzoo.model" in CORE
    assert {"interpzoo_acai", "interpzoo_baselines"} <= set(PLUGINS)
    assert "interpzoo.config" in set(core_imports(CORE["interpzoo.model"]))


@pytest.mark.parametrize("module", [name for name in CORE if name != "interpzoo"])
def test_imports_go_down(module: str) -> None:
    upwards = [other for other in core_imports(CORE[module]) if other != "interpzoo" and floor(other) > floor(module)]
    assert not upwards


def test_there_are_no_circles() -> None:
    # A package's face may open what lies inside it on demand; nothing else may depend on who depends on it.
    graph = {
        module: {other for other in core_imports(path) if not other.startswith(f"{module}.")}
        for module, path in CORE.items()
    }
    assert set(TopologicalSorter(graph).static_order()) == set(graph)


def test_only_the_face_of_the_package_needs_the_whole_of_it() -> None:
    # Whoever writes `import interpzoo` inside would import what imports him.
    assert [name for name, path in CORE.items() if "interpzoo" in core_imports(path)] == []


@pytest.mark.parametrize("module", CORE)
def test_the_core_imports_no_plugin(module: str) -> None:
    assert not {found.module.split(".")[0] for found in imports(CORE[module])} & set(PLUGINS)
    # Nor by a name in a string.
    strings = [n.value for n in ast.walk(parse(CORE[module])) if isinstance(n, ast.Constant)]
    assert not [text for text in strings if isinstance(text, str) and any(name in text for name in PLUGINS)]


@pytest.mark.parametrize("plugin", PLUGINS)
def test_a_plugin_imports_public_modules_of_the_core_and_no_other_plugin(plugin: str) -> None:
    for path in PLUGINS[plugin].values():
        for found in imports(path):
            top = found.module.split(".")[0]
            where = f"{path.relative_to(ROOT)}:{found.line}"
            assert top == plugin or not top.startswith("interpzoo_"), f"{where} imports another plugin"
            if top == "interpzoo":
                parts = [*found.module.split("."), found.name]
                assert not any(part.startswith("_") for part in parts), f"{where} imports what is private"


@pytest.mark.parametrize("plugin", PLUGINS)
def test_a_plugin_reaches_into_no_private_attribute(plugin: str) -> None:
    for path in PLUGINS[plugin].values():
        for node in ast.walk(parse(path)):
            if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__"):
                owner = ast.unparse(node.value)
                assert owner in ("self", "cls", "super()"), f"{path.relative_to(ROOT)}:{node.lineno} uses {node.attr}"


@pytest.mark.parametrize("module", EVERYTHING)
def test_errors_of_users_are_no_assertions(module: str) -> None:
    lines = [node.lineno for node in ast.walk(parse(EVERYTHING[module])) if isinstance(node, ast.Assert)]
    assert not lines


FORBIDDEN_MODULES = {"pickle", "cPickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
FORBIDDEN_CALLS = {"torch.load", "torch.save", "torch.jit.load", "torch.hub.load", "eval", "exec", "compile"}


@pytest.mark.parametrize("module", EVERYTHING)
def test_nothing_is_pickled_and_no_text_is_run(module: str) -> None:
    path = EVERYTHING[module]
    assert not {found.module.split(".")[0] for found in imports(path)} & FORBIDDEN_MODULES
    assert not [i for i in imports(path) if i.module == "torch" and i.name in ("load", "save")]
    calls = {ast.unparse(node.func) for node in ast.walk(parse(path)) if isinstance(node, ast.Call)}
    assert not calls & FORBIDDEN_CALLS


@pytest.mark.parametrize("module", EVERYTHING)
def test_every_module_says_what_it_is_for(module: str) -> None:
    tree = parse(EVERYTHING[module])
    assert not tree.body or ast.get_docstring(tree)


HEAVY = ("torch", "numpy", "timm", "torchvision", "accelerate", "datasets", "sklearn", "PIL")


def test_registration_imports_nothing_heavy() -> None:
    code = """
import json, sys
import interpzoo
from interpzoo.plugins import zoo
interpzoo.list_models()
found = zoo()
names = [table.names() for table in found.registry.tables()]
print(json.dumps([found.problems(), sorted(name for name in sys.modules if "." not in name)]))
"""
    problems, loaded = python_json(code)
    assert problems == []
    assert not set(loaded) & set(HEAVY)
    assert set(PLUGINS) <= set(loaded)
