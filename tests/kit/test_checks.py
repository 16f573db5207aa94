"""The kit finds what is wrong: plugins with one fault each, and the check that names it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from interpzoo.scaffold import new_plugin
from interpzoo.testing import ConformanceError, check_plugin
from tests.tiny import python_json, write_distribution

CHECK = """
import json, sys
from interpzoo.testing import ConformanceError, check_plugin

said = {}
for plugin in sys.argv[1:]:
    try:
        check_plugin(plugin, ["encoder.width=2", "decoder.width=2"])
        said[plugin] = ""
    except ConformanceError as error:
        said[plugin] = str(error)
print(json.dumps(said))
"""

METHOD = "return {"
FAULTS = {
    "nothing": ({}, ""),
    "a heavy import": ({}, "imports nothing heavy: registering 'fault-1' imports torch"),
    "a class of another kind": (
        {"(Regularizer[Fault": "(ComponentConfig):\n    pass\n\n\nclass Other(Regularizer[Fault"},
        "expected a class of Regularizer",
    ),
    "a recipe of unknown networks": ({}, "recipe 'fault-3:fault-3-lines' raises UnknownNameError: unknown encoder "),
    "a count in its module": (
        {
            "class Fault4(": "COUNT = [1.0]\n\n\nclass Fault4(",
            METHOD: "COUNT[0] *= 0.5 if step.index > 3 else 1.0\n        return {",
            "self.config.weight *": "COUNT[0] *",
        },
        "of recipe 'fault-4-lines' in a new process and in this one: expected to be equal bit for bit",
    ),
}
"""What is replaced in the generated method, and what the kit reports."""


def write_fault(number: int, kind: str, site: Path) -> None:
    """Lay down the generated plugin ``fault-NUMBER`` with one fault in it."""
    changes, _ = FAULTS[kind]
    plugin = f"fault-{number}"
    package = new_plugin(plugin, site) / f"interpzoo_fault_{number}"
    method = (package / "method.py").read_text()
    for old, new in changes.items():
        assert old in method
        method = method.replace(old, new)
    (package / "method.py").write_text(method)
    if kind == "a heavy import":
        (package / "__init__.py").write_text("import torch\n" + (package / "__init__.py").read_text())
    if kind == "a recipe of unknown networks":
        recipe = package / "recipes" / f"{plugin}-lines.toml"
        recipe.write_text(recipe.read_text().replace('"conv"', '"no-such"', 1))
    write_distribution(site, f"interpzoo-{plugin}", {}, plugin=plugin)
    shutil.move(package, site)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(FAULTS)), ids=[*FAULTS])
def test_a_fault_of_an_installed_plugin_is_named(number: int, tmp_path: Path) -> None:
    kind, (_, expected) = [*FAULTS.items()][number]
    write_fault(number, kind, tmp_path)
    text = python_json(CHECK, f"fault-{number}", site=tmp_path)[f"fault-{number}"]
    assert expected in text
    assert bool(text) is bool(expected)


def test_an_unknown_plugin() -> None:
    with pytest.raises(ConformanceError, match="there is no plugin 'no-such': is its distribution installed"):
        check_plugin("no-such")
