"""Plugins, as real distributions on the import path: found, checked, blamed, switched off, and never in the way."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import distribution
from pathlib import Path

import pytest

from interpzoo.errors import PluginError
from interpzoo.plugins import API_VERSION, Zoo, discover
from tests.tiny import python_json, run_python, write_distribution

HEAD = f"""
from interpzoo.plugins import hookimpl

INTERPZOO_API = {API_VERSION}
"""
GOOD = (
    HEAD
    + """
@hookimpl
def register(registry):
    registry.add("interpolator", "still", f"{__name__}.path:Still")
    registry.add_package(__name__)
"""
)
PATH = """
from interpzoo.interfaces import Interpolator
from interpzoo.geometry import lerp


class Still(Interpolator):
    def __call__(self, z0, z1, t, *, model):
        return lerp(z0, z1, (t > 0.5).float())
"""
ZOO = """
[methods.still]
title = "Standing still"
recipe = "still-lines"

[models.still-lines]
method = "still"
dataset = "lines"
license = "apache-2.0"
package = "{package}"
"""
RECIPE = """
method = "still"

[image]
channels = 1
height = 16
width = 16

[encoder]
name = "conv"
width = 2
scales = 2
latent_channels = 2

[decoder]
name = "conv"
width = 2

[interpolator]
name = "still"

[regularizer]
name = "ae"

[data]
name = "lines"
"""
RAISING = "raise OSError('no such device\\nas the one I wanted')"
TAKING = (
    HEAD
    + """
@hookimpl
def register(registry):
    registry.add("regularizer", "acai", "json:JSONEncoder")
    registry.add("regularizer", "own", "json:JSONEncoder")
"""
)
LATER = TAKING.replace(f"INTERPZOO_API = {API_VERSION}", f"INTERPZOO_API = {API_VERSION + 1}")
FIRST_PARTY = {entry.name for entry in distribution("interpzoo").entry_points if entry.group == "interpzoo"}
NUMBERS = itertools.count()


class Site:
    """A folder of installed distributions at the head of the import path."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def install(self, plugin: str, source: str, files: Mapping[str, str] | None = None, **options: str) -> str:
        """Install the plugin as ``interpzoo-PLUGIN-N`` 1.0; gives the distribution's name."""
        name = f"interpzoo-{plugin}-{next(NUMBERS)}"  # each its own: a module is imported once in a process
        write_distribution(self.path, name, {"__init__.py": source, **(files or {})}, plugin=plugin, **options)
        return name


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    for variable in ("INTERPZOO_PLUGINS", "INTERPZOO_DISABLE_PLUGINS", "INTERPZOO_STRICT_PLUGINS"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    yield Site(tmp_path)
    for name in set(sys.modules) - before:
        if name.startswith("interpzoo_"):
            del sys.modules[name]


def status(zoo: Zoo) -> dict[str, str]:
    """What became of each plugin."""
    return {plugin.owner.plugin: plugin.status for plugin in zoo.plugins}


def failure(zoo: Zoo, plugin: str) -> str:
    """The line that blames `plugin`, which must be the only one, while ours are loaded."""
    (line,) = zoo.problems()
    assert status(zoo) == {**dict.fromkeys(FIRST_PARTY, "loaded"), plugin: "failed"}
    assert f"plugin {plugin!r} (interpzoo-{plugin}-" in line
    assert "1.0) is not loaded: " in line
    return line


def test_ours_come_through_the_same_door(site: Site) -> None:
    zoo = discover()
    assert status(zoo) == dict.fromkeys(FIRST_PARTY, "loaded")
    assert {plugin.owner.distribution for plugin in zoo.plugins} == {"interpzoo"}
    assert zoo.problems() == []


def test_a_good_plugin_is_found_with_its_distribution(site: Site) -> None:
    name = site.install("still", GOOD, {"path.py": PATH}, version="3.2.1")
    registry = discover().registry
    owner = registry.components["interpolator"].find("still").owner
    assert (owner.plugin, owner.distribution, owner.version) == ("still", name, "3.2.1")
    assert registry.resolve("interpolator", "still:still").__name__ == "Still"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (RAISING, "OSError: no such device"),
        ("import interpzoo_which_is_absent", "No module named 'interpzoo_which_is_absent'"),
        ("def register(:", "SyntaxError"),
        ("raise SystemExit('needs another Python')", "needs another Python"),
        (LATER, f"written for plugin API {API_VERSION + 1}, this interpzoo has {API_VERSION}: upgrade interpzoo"),
        (LATER.replace(f"API = {API_VERSION + 1}", "API = 0"), "upgrade interpzoo-broken-"),
        (TAKING.replace(f"API = {API_VERSION}", f"API = '{API_VERSION}'"), f"'INTERPZOO_API = {API_VERSION}'"),
        (TAKING.replace("INTERPZOO_API", "INTERPZOO"), f"'INTERPZOO_API = {API_VERSION}'"),
        (
            HEAD + "@hookimpl\ndef register(registry):\n    registry.add('encoder', 'x', 'a:B')\n    1 / 0\n",
            "ZeroDivision",
        ),
        (HEAD + "@hookimpl\ndef register(registry, more): ...\n", "register"),
        (HEAD + "@hookimpl\ndef registr(registry): ...\n", "registr"),
        (HEAD + "def register(registry): ...\n", "@hookimpl"),
        (HEAD + "@hookimpl\ndef register(registry): registry.add('coder', 'x', 'a:B')\n", "'coder'"),
        (HEAD + "@hookimpl\ndef register(registry): registry.add_package('interpzoo_absent')\n", "interpzoo_absent"),
    ],
)
def test_a_plugin_that_fails_is_blamed_by_distribution_and_the_rest_goes_on(
    site: Site, source: str, reason: str
) -> None:
    name = site.install("broken", source)
    good = site.install("still", GOOD, {"path.py": PATH})
    zoo = discover()
    (line,) = zoo.problems()
    assert line.startswith(f"plugin 'broken' ({name} 1.0) is not loaded: ")
    assert reason in line
    assert "\n" not in line
    assert status(zoo) == {**dict.fromkeys([*FIRST_PARTY, "still"], "loaded"), "broken": "failed"}
    assert zoo.registry.components["interpolator"].find("still").owner.distribution == good
    assert not any(row.owner.plugin == "broken" for table in zoo.registry.tables() for row in table)


def test_a_plugin_that_fails_half_way_leaves_nothing(site: Site) -> None:
    source = GOOD.replace("registry.add_package(__name__)", "registry.add('encoder', 'still', 'no target')")
    site.install("still", source, {"path.py": PATH})
    zoo = discover()
    assert "'no target'" in failure(zoo, "still")
    assert "still" not in zoo.registry.components["interpolator"].names()


def test_a_fault_in_zoo_toml_takes_back_what_came_before(site: Site) -> None:
    site.install("still", GOOD, {"path.py": PATH, "zoo.toml": "[models.a]\nmethod = 3\n"})
    zoo = discover()
    assert "zoo.toml, 'a'" in failure(zoo, "still")
    assert "still" not in zoo.registry.components["interpolator"].names()


def test_a_taken_name_is_blamed_on_both_and_everything_else_of_both_works(site: Site) -> None:
    name = site.install("taking", TAKING)
    zoo = discover()
    assert status(zoo) == dict.fromkeys([*FIRST_PARTY, "taking"], "loaded")
    (line,) = zoo.problems()
    for part in ("regularizer 'acai'", "plugin 'acai' (interpzoo ", f"plugin 'taking' ({name} 1.0)"):
        assert part in line
    regularizers = zoo.registry.components["regularizer"]
    assert regularizers.find("own").owner.plugin == "taking"
    assert regularizers.find("acai:acai").owner.plugin == "acai"
    assert regularizers.find("taking:acai").owner.plugin == "taking"


def test_a_plugin_named_as_one_of_ours_does_not_displace_it(site: Site) -> None:
    name = site.install("acai", TAKING)
    zoo = discover()
    (line,) = zoo.problems()
    assert line.startswith(f"plugin 'acai' ({name} 1.0) is not loaded: ")
    assert "another distribution has a plugin of this name" in line
    assert zoo.registry.components["regularizer"].find("acai").owner.distribution == "interpzoo"
    assert "own" not in zoo.registry.components["regularizer"].names()


@pytest.mark.parametrize("source", [RAISING, TAKING, LATER], ids=["raising", "taking", "later"])
def test_strict_makes_any_fault_fatal_and_names_the_distribution(
    site: Site, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = site.install("broken", source)
    monkeypatch.setenv("INTERPZOO_STRICT_PLUGINS", "1")
    with pytest.raises(PluginError, match=f"{name} 1.0"):
        discover()


@pytest.mark.parametrize("value", ["", "0"])
def test_strict_can_be_switched_off(site: Site, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    site.install("broken", RAISING)
    monkeypatch.setenv("INTERPZOO_STRICT_PLUGINS", value)
    failure(discover(), "broken")


@pytest.mark.parametrize(
    ("variables", "loaded"),
    [
        ({"INTERPZOO_PLUGINS": "still, acai ,"}, {"acai", "still"}),
        ({"INTERPZOO_PLUGINS": ""}, set()),
        ({"INTERPZOO_DISABLE_PLUGINS": "acai,broken"}, {*FIRST_PARTY, "still"} - {"acai"}),
        ({"INTERPZOO_DISABLE_PLUGINS": ""}, {*FIRST_PARTY, "still"}),
        ({"INTERPZOO_PLUGINS": "acai,still", "INTERPZOO_DISABLE_PLUGINS": "still"}, {"acai"}),
    ],
)
def test_plugins_can_be_restricted_and_blocked(
    site: Site, variables: dict[str, str], loaded: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    site.install("still", GOOD, {"path.py": PATH})
    broken = site.install("broken", RAISING)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    zoo = discover()
    states = status(zoo)
    assert {plugin for plugin, state in states.items() if state == "loaded"} == loaded
    assert set(states) == {*FIRST_PARTY, "still", "broken"}
    for plugin in zoo.plugins:
        if plugin.status == "disabled":
            assert any(f"{name}={value}" in plugin.reason for name, value in variables.items())
    if states["broken"] == "disabled":
        assert broken.replace("-", "_") not in sys.modules
        assert zoo.problems() == []


def test_a_disabled_plugin_is_no_fault_in_strict_mode(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.install("broken", RAISING)
    monkeypatch.setenv("INTERPZOO_STRICT_PLUGINS", "1")
    monkeypatch.setenv("INTERPZOO_DISABLE_PLUGINS", "broken")
    assert discover().problems() == []


@pytest.fixture(scope="module")
def full_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three bad plugins and, installed by pip out of a wheel, a good one."""
    root = tmp_path_factory.mktemp("plugins")
    site = Site(root / "site")
    for plugin, source in {"raising": RAISING, "taking": TAKING, "later": LATER}.items():
        write_distribution(site.path, f"interpzoo-{plugin}", {"__init__.py": source}, plugin=plugin)
    project = root / "project"
    files = {
        "pyproject.toml": """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "interpzoo-still"
version = "0.9"

[project.entry-points.interpzoo]
still = "interpzoo_still"
""",
        "interpzoo_still/__init__.py": GOOD,
        "interpzoo_still/path.py": PATH,
        "interpzoo_still/zoo.toml": ZOO.format(package="interpzoo_still"),
        "interpzoo_still/recipes/still-lines.toml": RECIPE,
    }
    for path, text in files.items():
        (project / path).parent.mkdir(parents=True, exist_ok=True)
        (project / path).write_text(text)
    options = ["--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "install", *options, "--target", str(site.path), str(project)]
    subprocess.run(command, check=True, timeout=300)
    return site.path


def test_each_is_blamed_once_on_stderr_and_listing_works(full_site: Path) -> None:
    code = """
import interpzoo
from interpzoo.plugins import registry
for _ in range(3):
    print(interpzoo.list_models(), registry().recipes.names("*-lines"))
"""
    done = run_python(code, site=full_site)
    assert done.returncode == 0
    first, *others = done.stdout.splitlines()
    assert "'still-lines'" in first
    assert "'acai-lines'" in first
    assert others == [first, first]
    lines = done.stderr.splitlines()
    assert len(lines) == 3
    for blamed in ("interpzoo-raising 1.0", "interpzoo-taking 1.0", "interpzoo-later 1.0"):
        assert sum(blamed in line for line in lines) == 1
    assert all(line.startswith("interpzoo: ") for line in lines)


def test_strict_is_fatal_to_the_command_line_but_not_to_the_import(full_site: Path) -> None:
    code = "import sys; from interpzoo.cli import main; sys.argv = ['interpzoo', 'list']; sys.exit(main())"
    assert run_python(code, site=full_site).returncode == 0
    done = run_python(code, site=full_site, INTERPZOO_STRICT_PLUGINS="1")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "interpzoo-later 1.0" in line or "interpzoo-raising 1.0" in line or "interpzoo-taking 1.0" in line
    assert run_python("import interpzoo", site=full_site, INTERPZOO_STRICT_PLUGINS="1").returncode == 0


@pytest.mark.slow
def test_among_bad_ones_a_good_one_is_built_saved_and_loaded_by_name(full_site: Path) -> None:
    code = """
import json, sys
from pathlib import Path
import torch
import interpzoo
from interpzoo.recipes import load_recipe

ours = interpzoo.create("ae-mnist")
made = interpzoo.create("still").eval()
made.save_pretrained(Path(sys.argv[1]) / "interpzoo_still" / "model_cards" / "still-lines")
model = interpzoo.load("still-lines")
z0, z1 = torch.randn(2, 1, *model.latent_shape)
path = model.interpolate_codes(z0, z1, [0, 0.4, 0.6, 1])[0]
print(json.dumps({
    "ours": list(ours.latent_shape),
    "same": all(torch.equal(a, b) for a, b in zip(made.state_dict().values(), model.state_dict().values())),
    "jumps": [bool(torch.equal(z, z0[0])) for z in path],
    "by method": interpzoo.list_models(method="still"),
    "recipe": load_recipe("still").name,
}))
"""
    result = python_json(code, str(full_site), site=full_site)
    assert result == {
        "ours": [2, 4, 4],
        "same": True,
        "jumps": [True, True, False, False],
        "by method": ["still-lines"],
        "recipe": "still-lines",
    }
