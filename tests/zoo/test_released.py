"""A name that a model was released under loads for ever, under a new name with a warning."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import pytest

from interpzoo.plugins import registry
from interpzoo.pretrained.locate import locate
from tests.tiny import run_python, write_distribution
from tools.bundle import CARDS

RELEASED = Path(__file__).with_name("released.txt").read_text("utf-8").split()
"""Every name of every release, in `released.txt`: lines are added to it, none is taken out."""


@pytest.mark.parametrize("name", RELEASED)
def test_a_released_name_loads(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        assert (locate(name).path / "config.json").is_file()


def test_what_is_renamed_is_a_model() -> None:
    known = registry()
    for row in known.renamed:
        assert known.models.find(f"{row.owner.plugin}:{row.entry.to}")
        assert row.name not in {model.name for model in known.models}


PLUGIN = """
from interpzoo.plugins import hookimpl

INTERPZOO_API = 1


@hookimpl
def register(registry):
    registry.add_package("interpzoo_moved")
"""
ZOO = """
[models.new-name]
method = "acai"
dataset = "mnist"
license = "apache-2.0"
package = "interpzoo_moved"

[renamed]
old-name = "new-name"
lost-name = "no-name"
"""
LOADING = """
import sys, warnings
import interpzoo

warnings.simplefilter("error" if len(sys.argv) > 2 else "default")
try:
    print(interpzoo.load(sys.argv[1]).config.name, interpzoo.list_models("*-name"))
except (interpzoo.InterpzooError, FutureWarning) as error:
    print(f"{type(error).__name__}: {error}")
"""


def test_a_model_under_its_former_name(tmp_path: Path) -> None:
    package = write_distribution(tmp_path, "interpzoo-moved", {"__init__.py": PLUGIN, "zoo.toml": ZOO}, plugin="moved")
    shutil.copytree(CARDS / "acai-mnist", tmp_path / package / "model_cards" / "new-name")
    loaded = "acai-mnist ['new-name']\n"
    quiet, warned = (run_python(LOADING, name, site=tmp_path) for name in ("new-name", "old-name"))
    assert (quiet.stdout, quiet.stderr) == (loaded, "")
    assert warned.stdout == loaded
    assert "FutureWarning: model 'old-name' is now called 'new-name'" in warned.stderr
    assert run_python(LOADING, "moved:old-name", site=tmp_path).stdout == loaded
    assert run_python(LOADING, "old-name", "strictly", site=tmp_path).stdout.startswith("FutureWarning: model")
    assert "UnknownNameError: unknown model 'lost-name'" in run_python(LOADING, "lost-name", site=tmp_path).stdout
