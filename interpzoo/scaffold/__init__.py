"""A new plugin from a template: a package that can be installed, tested and trained as it is."""

import ast
import keyword
import os
import re
from importlib.metadata import version
from pathlib import Path
from string import Template
from typing import Final

from interpzoo.errors import InputError, OutputError
from interpzoo.files import filled
from interpzoo.plugins import API_VERSION, registry, zoo

_NAME: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_TEMPLATES: Final = Path(__file__).with_name("template")
_METHOD: Final = _TEMPLATES / "package" / "method.py.in"
_SUFFIX: Final = ".in"
"""Ending of a template's name, so that no tool takes the template for the file that it becomes."""


def new_plugin(name: str, output: Path) -> Path:
    """Write the project of a plugin with one method, `name`: the whole project, or nothing.

    Args:
        name: name of the plugin and its method: lower-case words with ``-`` between them. The distribution is
            ``interpzoo-NAME``.
        output: an existing folder, in which the project's folder is created.

    Returns:
        The project's folder.

    Raises:
        InputError: `name` is not valid, or an installed plugin has it or has registered it: two methods of one name
            could not be found by it.
        OutputError: the project's folder already exists or cannot be written.
    """
    if not _NAME.fullmatch(name) or len(name) > 64:
        raise InputError(f"{name!r} is not a name for a plugin: expected lower-case words, such as 'my-method'")
    taken = [plugin.owner for plugin in zoo().plugins if plugin.owner.plugin == name]
    taken += [row.owner for table in registry().tables() for row in table if row.name in (name, f"{name}-lines")]
    if taken:
        raise InputError(f"{name!r} is taken by {taken[0]}: choose another name")
    words = {
        "name": name,
        "title": name.replace("-", " ").capitalize(),
        "distribution": f"interpzoo-{name}",
        "package": f"interpzoo_{name.replace('-', '_')}",
        "class_name": _class_name(name),
        "version": version("interpzoo"),
        "api": str(API_VERSION),
    }
    project = output / words["distribution"]
    if os.path.lexists(project):
        raise OutputError(f"{project} already exists: choose another name or folder")
    with filled(project) as (_, scratch):
        for template in _TEMPLATES.rglob(f"*{_SUFFIX}"):
            path = str(template.relative_to(_TEMPLATES)).removesuffix(_SUFFIX)
            path = scratch / path.replace("package", words["package"]).replace("NAME", name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(Template(template.read_text("utf-8")).substitute(words), "utf-8")
    return project


def _class_name(name: str) -> str:
    """The class of a method: its words, and one more if Python or what its module imports has that name already."""
    text = Template(_METHOD.read_text("utf-8")).substitute(dict.fromkeys(("title", "class_name"), "Any"))
    imports = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom)]
    taken = {*keyword.kwlist, *(alias.name for node in imports for alias in node.names)}
    found = "".join(word.capitalize() for word in name.split("-"))
    return f"{found}Method" if taken & {found, f"{found}Config"} else found
