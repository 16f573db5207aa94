"""The house rules, read off the source: who imports whom, and what is never written."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.tiny import python_json

ROOT = Path(__file__).parents[2]

_SECTION = (ROOT / "CONTRIBUTING.md").read_text("utf-8").split("## Floors")[1]
FLOORS = _SECTION.split("```text\n")[1].split("```")[0].splitlines()
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


def where(path: Path, line: int) -> str:
    """A place in this repository, for a message."""
    return f"{path.relative_to(ROOT)}:{line}"


def test_there_is_something_to_check() -> None:
    assert "interpzoo.model" in CORE
    assert {"interpzoo_acai", "interpzoo_baselines"} <= set(PLUGINS)
    assert "interpzoo.config" in set(core_imports(CORE["interpzoo.model"]))


def test_imports_go_down() -> None:
    upward = [
        f"{module} imports {other}"
        for module, path in CORE.items()
        for other in core_imports(path)
        if module != "interpzoo" and floor(other) > floor(module)
    ]
    assert not upward


def test_there_are_no_circles() -> None:
    # A package's __init__ may import its own modules on demand.
    graph = {
        module: {other for other in core_imports(path) if not other.startswith(f"{module}.")}
        for module, path in CORE.items()
    }
    assert {*TopologicalSorter(graph).static_order()} == {*graph}


def test_the_core_never_imports_the_package_itself() -> None:
    # `import interpzoo` inside the core would be a circle that opens only when a name is used.
    assert [name for name, path in CORE.items() if "interpzoo" in core_imports(path)] == []


def test_the_core_names_no_plugin() -> None:
    for path in CORE.values():
        for found in imports(path):
            assert found.module.split(".")[0] not in PLUGINS, where(path, found.line)
        for node in ast.walk(parse(path)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert not any(name in node.value for name in PLUGINS), where(path, node.lineno)


def test_a_plugin_imports_no_other_plugin_and_nothing_private() -> None:
    for plugin, paths in PLUGINS.items():
        for path in paths.values():
            for found in imports(path):
                top = found.module.split(".")[0]
                assert top == plugin or not top.startswith("interpzoo_"), where(path, found.line)
                if top == "interpzoo":
                    parts = [*found.module.split("."), found.name]
                    assert not any(part.startswith("_") for part in parts), where(path, found.line)
            for node in ast.walk(parse(path)):
                if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__"):
                    assert ast.unparse(node.value) in ("self", "cls", "super()"), where(path, node.lineno)


FORBIDDEN_MODULES = {"pickle", "cPickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
FORBIDDEN_CALLS = {"torch.load", "torch.save", "torch.jit.load", "torch.hub.load", "eval", "exec", "compile"}


def test_nothing_is_pickled_no_text_is_run_and_users_get_no_assertion_error() -> None:
    for path in EVERYTHING.values():
        for found in imports(path):
            assert found.module.split(".")[0] not in FORBIDDEN_MODULES, where(path, found.line)
            assert (found.module, found.name) not in (("torch", "load"), ("torch", "save")), where(path, found.line)
        for node in ast.walk(parse(path)):
            assert not isinstance(node, ast.Assert), where(path, node.lineno)
            if isinstance(node, ast.Call):
                assert ast.unparse(node.func) not in FORBIDDEN_CALLS, where(path, node.lineno)


def test_commands_print_only_what_the_console_made_printable() -> None:
    commands = [path for name, path in CORE.items() if name.startswith("interpzoo.cli.commands")]
    assert len(commands) > 5
    for path in commands:
        for node in ast.walk(parse(path)):
            if isinstance(node, ast.Call):
                assert ast.unparse(node.func) not in ("click.echo", "click.secho", "print"), where(path, node.lineno)


def test_every_module_says_what_it_is_for() -> None:
    silent = [name for name, path in EVERYTHING.items() if parse(path).body and not ast.get_docstring(parse(path))]
    assert not silent


HEAVY = ("torch", "numpy", "timm", "torchvision", "accelerate", "datasets", "sklearn", "PIL", "diffusers")


def test_no_module_is_long() -> None:
    files = [file for folder in ("interpzoo", "plugins") for file in (ROOT / folder).rglob("*.py")]
    assert {str(f.relative_to(ROOT)) for f in files if len(f.read_text("utf-8").splitlines()) > 350} == set()


def test_registration_imports_nothing_heavy() -> None:
    code = """
import json, sys
import interpzoo
from interpzoo.plugins import zoo
for name in interpzoo.__all__:
    if name.startswith("list_"):
        getattr(interpzoo, name)()
found = zoo()
names = [table.names() for table in found.registry.tables()]
print(json.dumps([found.problems(), sorted(name for name in sys.modules if "." not in name)]))
"""
    problems, loaded = python_json(code)
    assert problems == []
    assert not set(loaded) & set(HEAVY)
    assert set(PLUGINS) <= set(loaded)
