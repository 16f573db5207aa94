"""Every name that a model was ever released under still loads; a former name warns."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import pytest

import interpzoo
from interpzoo.errors import UnknownNameError
from interpzoo.plugins import registry
from interpzoo.pretrained.locate import locate
from tests.site import Site
from tools.bundle import CARDS

RELEASED = Path(__file__).with_name("released.txt").read_text("utf-8").split()
"""Every name of every release, in `released.txt`: lines are added to it, none is taken out."""


def test_every_released_name_is_found() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        for name in RELEASED:
            assert (locate(name).path / "config.json").is_file()


def misleading() -> list[str]:
    """Former names that stand for no model, or are those of another model."""
    known = registry()
    models = {(model.owner.plugin, model.name) for model in known.models}
    names = {name for _, name in models}
    return sorted(
        row.name for row in known.renamed if (row.owner.plugin, row.entry.to) not in models or row.name in names
    )


def test_every_former_name_stands_for_a_model() -> None:
    assert misleading() == []


PLUGIN = """
from interpzoo.plugins import hookimpl

INTERPZOO_API = 1


@hookimpl
def register(registry):
    registry.add_package(__name__)
"""
ZOO = """
[models.new-name]
method = "acai"
dataset = "mnist"
license = "apache-2.0"
package = "{package}"

[renamed]
old-name = "new-name"
lost-name = "no-name"
acai-mnist = "new-name"
"""


def test_a_model_under_its_former_name(site: Site) -> None:
    name = site.install("moved", {"__init__.py": PLUGIN, "zoo.toml": ZOO})
    shutil.copytree(CARDS / "acai-mnist", site.path / name.replace("-", "_") / "model_cards" / "new-name")
    assert interpzoo.list_models("*-name") == ["new-name"]
    assert misleading() == ["acai-mnist", "lost-name"]
    assert interpzoo.load("new-name").name == "acai-mnist"  # without a warning, which would be an error
    for former in ("old-name", "moved:old-name"):
        with pytest.warns(FutureWarning, match=f"model '{former}' is now called 'new-name'"):
            assert interpzoo.load(former).name == "acai-mnist"
    with pytest.raises(UnknownNameError, match="unknown model 'lost-name'"):
        interpzoo.load("lost-name")
