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

UPDATES = """
    def updates(self, model):
        return [Update("autoencoder", parameters_of(model.encoder))]
"""

FAULTS = {
    "nothing": ({}, ""),
    "a loss that applies itself": (
        {"return {": "step.codes.mean().backward(retain_graph=True)\n        return {"},
        "gradients: ConformanceError: a loss leaves a gradient at 'encoder.",
    ),
    "an update that is not reached": (
        {"step.reconstruction.float(), step.x": "step.reconstruction.float().detach(), step.x"},
        "the loss of update 'autoencoder' never reaches ['decoder.",
    ),
    "weights that nobody trains": (
        {
            "Regularizer, Step": "Regularizer, Step, Update, parameters_of",
            "kept short.": f'kept short."""\n{UPDATES}\n    """',
        },
        "gradients: ConformanceError: no update trains",
    ),
    "a loss that moves weights": (
        {"return {": "next(step.model.encoder.parameters()).data.add_(1)\n        return {"},
        "before and after the losses of a step: expected to be equal",
    ),
    "a draw from the global state": (
        {
            "step.codes.float()": "(step.codes.float() + torch.rand(1))",
            "from torch import Tensor": "import torch\nfrom torch import Tensor",
        },
        "training: ConformanceError: 'encoder.",
    ),
    "a term that is not finite": ({"self.config.weight *": "float('nan') *"}, "term 'penalty' of update 'autoencoder'"),
    "a loss without a gradient": (
        {"step.reconstruction.float(), step.x": "0 * step.reconstruction.float(), step.x", "self.config.weight": "0"},
        "lines: ConformanceError: the gradient of update 'autoencoder' is 0 everywhere",
    ),
    "a heavy import": ({}, "imports nothing heavy: ConformanceError: registering 'fault-8' imports torch"),
    "a class of another kind": (
        {"(Regularizer[Fault": "(ComponentConfig):\n    pass\n\n\nclass Other(Regularizer[Fault"},
        "expected a class of Regularizer",
    ),
    "a recipe of unknown networks": ({}, "recipe fault-10:fault-10-lines: UnknownNameError: unknown encoder 'no-such'"),
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
def test_faults_are_named(tmp_path: Path) -> None:
    for number, kind in enumerate(FAULTS):
        write_fault(number, kind, tmp_path)
    said = python_json(CHECK, *(f"fault-{number}" for number in range(len(FAULTS))), site=tmp_path)
    for number, (kind, (_, expected)) in enumerate(FAULTS.items()):
        text = said[f"fault-{number}"]
        assert expected in text, kind
        assert bool(text) is bool(expected), kind


def test_an_unknown_plugin() -> None:
    with pytest.raises(ConformanceError, match="there is no plugin 'no-such': is its distribution installed"):
        check_plugin("no-such")
