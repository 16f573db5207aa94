"""The plugin of docs/plugins.md is taken from that page, installed with pip, tested, trained and used."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tiny import python_json

PAGE = Path(__file__).parents[2] / "docs" / "plugins.md"
FILE = re.compile(r"^\*\*`([^`]+)`\*\*[^\n]*\n\n```\w+\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LONGEST_METHOD = 43


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the page; a second block of one file continues it."""
    root = tmp_path_factory.mktemp("tutorial") / "interpzoo-midpoint"
    for name, text in FILE.findall(PAGE.read_text("utf-8")):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        with (root / name).open("a", encoding="utf-8") as file:
            file.write(text)
    return root


@pytest.fixture(scope="module")
def site(project: Path) -> Path:
    """A folder with the plugin installed by pip, to import from."""
    site = project.parent / "site"
    options = ["--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--target", str(site)]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, str(project)], check=True, timeout=300)
    return site


def test_the_method_is_short_besides_its_loss(project: Path) -> None:
    """All files that a method needs, without empty lines, the loss function itself and what is optional."""
    package = project / "interpzoo_midpoint"
    method = (package / "midpoint.py").read_text("utf-8")
    (loss,) = [n for n in ast.walk(ast.parse(method)) if isinstance(n, ast.FunctionDef) and n.name == "loss"]
    assert loss.end_lineno is not None
    lines = method.splitlines()
    written = [*lines[: loss.lineno - 1], *lines[loss.end_lineno :]]
    hook = (package / "__init__.py").read_text("utf-8").splitlines()
    written += [line for line in hook if "registry.add(" not in line or ".midpoint:" in line]
    written += (project / "pyproject.toml").read_text("utf-8").partition("[tool.")[0].splitlines()
    written += (package / "recipes" / "midpoint-lines.toml").read_text("utf-8").splitlines()
    written += (package / "zoo.toml").read_text("utf-8").partition("[models.")[0].splitlines()
    assert len([line for line in written if line.strip()]) <= LONGEST_METHOD


@pytest.mark.slow
def test_the_plugin_passes_its_own_tests(site: Path, project: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(site), "OMP_NUM_THREADS": "1", "INTERPZOO_STRICT_PLUGINS": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\b[1-9]\d+ passed", done.stdout)


USE = """
import json, os, sys
from contextlib import redirect_stdout
from io import StringIO

import torch

import interpzoo
from interpzoo.cli.app import run

target, scratch = sys.argv[1:]
os.chdir(scratch)
tiny = ["training.samples=32", "training.batch_size=8", "encoder.width=2", "decoder.width=2"]


def printed(*arguments):
    with redirect_stdout(StringIO()) as out:
        assert run(arguments) == 0
    return out.getvalue()


plugins = json.loads(printed("plugins", "--json"))
printed("train", "midpoint", "--output", target, *(f"--set={change}" for change in tiny))
listed = printed("list")
strip = printed("interpolate", "midpoint-lines", "--interpolator", "eased", "-o", "strip.png")
assert os.stat("strip.png").st_size > 0

# The codebook, the data set and the path serve other methods.
changes = ["space.name=codebook", "space.size=9", "regularizer.name=quantized", *tiny]
interpzoo.train("ae-lines", output="quantized", changes=changes)
model = interpzoo.load("./quantized")
rows = model.encode(torch.rand(4, *model.config.image.shape)).movedim(1, -1).flatten(0, -2)
assert len(rows.unique(dim=0)) <= 9
model = interpzoo.train("ae-lines", output="run", changes=["data.name=discs", *tiny])
z0, z1 = torch.randn(2, 3, *model.latent_shape)
path = model.interpolate_codes(z0, z1, [0, 0.25, 1], interpolator="eased")
assert torch.equal(path[:, 0], z0) and torch.equal(path[:, 2], z1)
torch.testing.assert_close(path[:, 1:2], model.interpolate_codes(z0, z1, [0.15625]))
try:
    model.interpolate_codes(z0, z1, [1.5], interpolator="eased")
except interpzoo.InterpzooError as error:
    refusal = str(error)
print(json.dumps([plugins, listed, strip, model.config.trained.data.name, refusal]))
"""


@pytest.mark.slow
def test_the_plugin_is_listed_trains_and_serves_other_methods(site: Path, tmp_path: Path) -> None:
    target = site / "interpzoo_midpoint" / "model_cards" / "midpoint-lines"
    plugins, listed, strip, data, refusal = python_json(
        USE, str(target), str(tmp_path), site=site, INTERPZOO_STRICT_PLUGINS="1"
    )
    (plugin,) = [plugin for plugin in plugins["plugins"] if plugin["name"] == "midpoint"]
    assert (plugin["distribution"], plugin["version"], plugin["status"]) == ("interpzoo-midpoint", "0.1.0", "loaded")
    assert plugin["registers"] == {
        "regularizer": ["midpoint", "quantized"],
        "interpolator": ["eased"],
        "space": ["codebook"],
        "dataset": ["discs"],
        "metric": ["dimming"],
        "method": ["midpoint"],
        "recipe": ["midpoint-lines"],
        "model": ["midpoint-lines"],
    }
    assert plugins["clashes"] == []
    assert "midpoint-lines" in listed
    assert "4 paths of 9 frames" in strip
    assert data == "discs"
    assert refusal == "t lies in [1.5, 1.5]: the path 'eased' is defined in [0, 1]"
