"""``interpzoo plugins``, and all commands when a plugin is broken."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Cli
from tests.tiny import write_distribution

FINE = """
from interpzoo.plugins import hookimpl

INTERPZOO_API = {api}


@hookimpl
def register(registry):
    registry.add({kind!r}, {name!r}, "interpzoo_{plugin}.code:Thing")
"""


def with_plugin(cli: Cli, folder: Path, plugin: str, code: str) -> Cli:
    """`cli` with a plugin package of its own instead of the demo."""
    write_distribution(folder / "site", f"interpzoo-{plugin}", {"__init__.py": code}, plugin=plugin, version="0.3")
    return replace(cli, site=folder / "site")


def described(cli: Cli) -> dict[str, Any]:
    """Each plugin by name."""
    done = cli("plugins", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    return {plugin["name"]: plugin for plugin in json.loads(done.stdout)["plugins"]}


def test_what_each_plugin_registers_and_how_long_it_took(cli: Cli) -> None:
    done = cli("plugins")
    assert (done.returncode, done.stderr) == (0, "")
    text = done.stdout
    assert "demo (interpzoo-demo 1.2): loaded in " in text
    assert "  model         ae-tiny, vae-far\n" in text
    demo = described(cli)["demo"]
    assert (demo["distribution"], demo["version"], demo["status"]) == ("interpzoo-demo", "1.2", "loaded")
    assert demo["registers"] == {
        "interpolator": ["faulty"],
        "recipe": ["tiny"],
        "model": ["ae-tiny", "vae-far"],
        "former name": ["ae-small"],
    }
    assert 0 < demo["milliseconds"] < 60_000


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        (FINE.format(api=2, kind="encoder", name="x", plugin="bad"), "it is written for plugin API 2, this interpzoo"),
        (FINE.format(api=1, kind="codec", name="x", plugin="bad"), "registers 'x' as 'codec': expected one of"),
    ],
    ids=["fails to import", "of a later API", "registers nonsense"],
)
def test_a_broken_plugin_is_reported_and_all_else_works(cli: Cli, tmp_path: Path, code: str, reason: str) -> None:
    broken = with_plugin(cli, tmp_path, "bad", code)
    bad = described(broken)["bad"]
    assert (bad["status"], bad["distribution"], bad["registers"]) == ("failed", "interpzoo-bad", {})
    assert reason in bad["reason"]
    text = broken("plugins").stdout
    assert "bad (interpzoo-bad 0.3): failed\n" in text
    assert reason in text
    # Any other command says it once, on stderr, and goes on.
    done = broken("list", "--json")
    assert done.returncode == 0
    assert done.stderr.startswith("interpzoo: plugin 'bad' (interpzoo-bad 0.3) is not loaded: ")
    assert done.stderr.count("\n") == 1
    json.loads(done.stdout)


def test_strict_plugins_make_a_broken_plugin_an_error(cli: Cli, tmp_path: Path) -> None:
    strict = replace(
        with_plugin(cli, tmp_path, "bad", "import no_such_module"), variables={"INTERPZOO_STRICT_PLUGINS": "1"}
    )
    for command in ("plugins", "list"):
        assert "plugin 'bad' (interpzoo-bad 0.3) failed: ModuleNotFoundError" in strict.refuses(command)


def test_a_clash_names_both_sides_and_how_to_choose(cli: Cli, tmp_path: Path) -> None:
    twice = with_plugin(cli, tmp_path, "other", FINE.format(api=1, kind="interpolator", name="linear", plugin="other"))
    text = twice("plugins").stdout
    assert "clash: interpolator 'linear'\n" in text
    assert "plugin 'baselines' (interpzoo " in text
    assert "plugin 'other' (interpzoo-other 0.3)" in text
    assert "baselines:linear or other:linear" in text
    clashes = json.loads(twice("plugins", "--json").stdout)["clashes"]
    assert [(clash["kind"], clash["name"]) for clash in clashes] == [("interpolator", "linear")]


def test_a_disabled_plugin_is_listed_with_the_variable_that_disabled_it(cli: Cli) -> None:
    without = replace(cli, variables={"INTERPZOO_DISABLE_PLUGINS": "demo"})
    demo = described(without)["demo"]
    assert (demo["status"], demo["reason"]) == ("disabled", "by INTERPZOO_DISABLE_PLUGINS=demo")
    assert "unknown model 'ae-tiny'" in without.refuses("show", "ae-tiny")
