"""The kit finds what is wrong: plugins with one fault each, and the check that names it."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from interpzoo.scaffold import new_plugin
from interpzoo.testing import ConformanceError, check_plugin
from tests.tiny import run_python

CHECK = """
import sys
from interpzoo.testing import ConformanceError, check_plugin

try:
    check_plugin("faulty", ["encoder.width=2", "decoder.width=2"])
except ConformanceError as error:
    print(error)
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
        {", *model.decoder.parameters()": ""},
        "gradients: ConformanceError: no update trains",
    ),
    "a loss that moves weights": (
        {"return {": "next(step.model.encoder.parameters()).data.add_(1)\n        return {"},
        "before and after the losses of a step: expected the same",
    ),
    "a draw from the global state": (
        {
            "step.codes.float()": "(step.codes.float() + torch.rand(1))",
            "from torch import Tensor": "import torch\nfrom torch import Tensor",
        },
        "training: ConformanceError: 'encoder.",
    ),
    "a term that is not finite": ({"self.weight *": "float('nan') *"}, "term 'penalty' of update 'autoencoder'"),
    "a heavy import": ({}, "imports nothing heavy: ConformanceError: registering 'faulty' imports torch"),
    "a component that is none": ({"(Regularizer)": ""}, "expected a class of Regularizer"),
    "a recipe of unknown networks": ({}, "recipe faulty:faulty-lines: UnknownNameError: unknown encoder 'no-such'"),
}
"""What is replaced in the generated method, and what is said."""


@pytest.mark.slow
@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_is_named(kind: str, tmp_path: Path) -> None:
    changes, expected = FAULTS[kind]
    project = new_plugin("faulty", tmp_path)
    package = project / "interpzoo_faulty"
    method = (package / "method.py").read_text()
    for old, new in changes.items():
        assert old in method
        method = method.replace(old, new)
    (package / "method.py").write_text(method)
    if kind == "a heavy import":
        (package / "__init__.py").write_text("import torch\n" + (package / "__init__.py").read_text())
    if kind == "a recipe of unknown networks":
        recipe = package / "recipes" / "faulty-lines.toml"
        recipe.write_text(recipe.read_text().replace('"conv"', '"no-such"', 1))
    info = project / "interpzoo_faulty-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: interpzoo-faulty\nVersion: 0.1.0\n")
    (info / "entry_points.txt").write_text("[interpzoo]\nfaulty = interpzoo_faulty\n")
    done = run_python(CHECK, site=project)
    assert done.returncode == 0, textwrap.indent(done.stderr, "  ")
    assert expected in done.stdout
    assert bool(done.stdout) is bool(expected)


def test_a_plugin_that_is_not_there() -> None:
    with pytest.raises(ConformanceError, match="there is no plugin 'no-such': is its distribution installed"):
        check_plugin("no-such")
