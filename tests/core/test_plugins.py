"""Plugins, as distributions on the import path: found, checked, blamed, switched off."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import distribution
from typing import Any

import pytest
import torch
from pydantic import TypeAdapter

import interpzoo
from interpzoo import foreign
from interpzoo.config import Distribution
from interpzoo.errors import PluginError
from interpzoo.plugins import API_VERSION, Zoo, discover
from interpzoo.recipes import load_recipe
from interpzoo.registry import bundled_folder
from tests.site import Site
from tests.tiny import run_python, write_distribution

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
STILL = {"__init__.py": GOOD, "path.py": PATH}
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


def status(zoo: Zoo) -> dict[str, str]:
    """The status of each plugin."""
    return {plugin.owner.plugin: plugin.status for plugin in zoo.plugins}


def failure(zoo: Zoo, plugin: str) -> str:
    """The line that blames `plugin`, which must be the only one, while ours are loaded."""
    (line,) = zoo.problems()
    assert status(zoo) == {**dict.fromkeys(FIRST_PARTY, "loaded"), plugin: "failed"}
    assert f"plugin {plugin!r} (interpzoo-{plugin}-" in line
    assert "1.0) is not loaded: " in line
    return line


def test_our_own_plugins_use_the_same_entry_points(site: Site) -> None:
    zoo = discover()
    assert status(zoo) == dict.fromkeys(FIRST_PARTY, "loaded")
    assert {plugin.owner.distribution for plugin in zoo.plugins} == {"interpzoo"}
    assert zoo.problems() == []


def test_a_good_plugin_is_found_with_its_distribution(site: Site) -> None:
    name = site.install("still", STILL, version="3.2.1")
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
    name = site.install("broken", {"__init__.py": source})
    good = site.install("still", STILL)
    zoo = discover()
    (line,) = zoo.problems()
    assert line.startswith(f"plugin 'broken' ({name} 1.0) is not loaded: ")
    assert reason in line
    assert "\n" not in line
    assert status(zoo) == {**dict.fromkeys([*FIRST_PARTY, "still"], "loaded"), "broken": "failed"}
    assert zoo.registry.components["interpolator"].find("still").owner.distribution == good
    assert not any(row.owner.plugin == "broken" for table in zoo.registry.tables() for row in table)


RAISED = (
    "KeyboardInterrupt",
    "GeneratorExit",
    "SystemExit(0)",
    "asyncio.CancelledError('x')",
    "Own('mine')",
    "Silent",
    "Wordless",
    "ValueError('\\x1b[2J\\u202e' * 1000)",
    "RecursionError",
    "MemoryError",
)
ODD_ERRORS = """
import asyncio


class Own(BaseException): ...


class Silent(Exception):
    def __str__(self): raise ValueError


class Wordless(BaseException):
    def __str__(self): return 3
"""


@pytest.fixture
def on_ctrl_c() -> Iterator[Callable[[Any], object]]:
    """Sets what Ctrl-C does, which a job in the background inherits as ignored."""
    before = signal.getsignal(signal.SIGINT)
    yield lambda handler: signal.signal(signal.SIGINT, handler)
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("handler", [signal.default_int_handler, signal.SIG_IGN], ids=["heard", "ignored"])
@pytest.mark.parametrize("where", ["import", "hook"])
def test_whatever_a_plugin_raises_costs_only_itself(
    site: Site, where: str, handler: Any, on_ctrl_c: Callable[[Any], object], capsys: pytest.CaptureFixture[str]
) -> None:
    on_ctrl_c(handler)
    names: list[str] = []
    for number, raised in enumerate(RAISED):
        code = f"{ODD_ERRORS}\nraise {raised}"
        if where == "hook":
            code = f"{HEAD}{ODD_ERRORS}\n@hookimpl\ndef register(registry): raise {raised}\n"
        names.append(site.install(f"odd{number}", {"__init__.py": code}))
    good = site.install("still", STILL)
    assert "still" in interpzoo.list_interpolators()
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == len(RAISED)
    for name, line in zip(names, lines, strict=True):
        assert f"({name} 1.0) is not loaded: " in line
        assert line.isprintable()
        assert len(line) < 1100
    assert discover().registry.components["interpolator"].find("still").owner.distribution == good


def test_the_users_ctrl_c_still_interrupts(site: Site, on_ctrl_c: Callable[[Any], object]) -> None:
    on_ctrl_c(signal.default_int_handler)
    press = "import os, signal\ntry:\n    os.kill(os.getpid(), signal.SIGINT)\nexcept BaseException: pass\n"
    site.install("slow", {"__init__.py": press})
    with pytest.raises(KeyboardInterrupt):
        discover()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_plugin_that_is_waited_for_is_named(
    site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(foreign, "_PATIENCE", 0.01)
    name = site.install("slow", {"__init__.py": f"import time; time.sleep(0.5){GOOD}", "path.py": PATH})
    assert status(discover())["slow"] == "loaded"
    line = f"interpzoo: still waiting for plugin 'slow' ({name} 1.0), which has not loaded yet\n"
    assert line in capsys.readouterr().err


def test_what_a_plugin_prints_goes_to_stderr(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    code = f"import sys\nprint('hello')\nsys.stdout.close()\nsys.stdout = None\n{HEAD}"
    site.install("loud", {"__init__.py": code + GOOD, "path.py": "print('later')" + PATH})
    registry = discover().registry
    assert registry.resolve("interpolator", "still").__name__ == "Still"
    out, err = capsys.readouterr()
    assert (out, err) == ("", "hello\nlater\n")


BAD_METADATA = {
    "METADATA": (b"\xff\xfe", b"Name: \xfcber\n", b"", b"Version: 1\n", b"Name: a b\nVersion: \x1b[2J\n", b"\0" * 99),
    "entry_points.txt": (
        b"\xff\xfe[\0",
        b"[x]\nwords alone\n",
        b"[interpzoo]\n= =\n",
        b"[interpzoo]\n\x1b[2J = json\n",
        b"[interpzoo]\nbad = not a module\n",
        b"[interpzoo\n",
        b"[interpzoo]\nbad\n",
    ),
}


@pytest.mark.parametrize("file", BAD_METADATA)
def test_damaged_metadata_cost_only_their_own_distribution(site: Site, file: str) -> None:
    good = site.install("still", STILL)
    for number, content in enumerate(BAD_METADATA[file]):
        name = site.install(f"bad{number}", {"__init__.py": HEAD + "@hookimpl\ndef register(registry): ...\n"})
        (next(site.path.glob(f"{name.replace('-', '_')}-*")) / file).write_bytes(content)
    zoo = discover()
    assert zoo.registry.components["interpolator"].find("still").owner.distribution == good
    assert {name: state for name, state in status(zoo).items() if name in FIRST_PARTY} == dict.fromkeys(
        FIRST_PARTY, "loaded"
    )
    for plugin in zoo.plugins:  # what a saved model's config says of it
        TypeAdapter(Distribution).validate_python(f"{plugin.owner.distribution} {plugin.owner.version}")
    if file == "METADATA":
        assert zoo.problems() == []
    else:
        assert sum("interpzoo_bad" in line.replace("-", "_") for line in zoo.problems()) >= 4


def test_a_distribution_of_our_name_does_not_hide_ours(site: Site) -> None:
    for name in ("interpzoo", "Interpzoo"):
        write_distribution(site.path, name, {}, plugin="evil", version="9.9")
    zoo = discover()
    assert {name: zoo.plugin(name).status for name in FIRST_PARTY} == dict.fromkeys(FIRST_PARTY, "loaded")  # pyright: ignore
    assert any(line.startswith("plugin 'evil' (") for line in zoo.problems())


def test_a_model_uses_our_plugin_beside_a_strangers_of_its_name(site: Site) -> None:
    site.install("baselines", {"__init__.py": TAKING})
    assert interpzoo.load("ae-mnist").latent_shape


@pytest.mark.parametrize(
    "text",
    [
        "[models.a]\nmethod = 'still'\ndataset = 'lines'\nlicense = 'mit'\npackage = 3\n",
        "[models.a]\nmethod = 'still'\ndataset = 'lines'\nlicense = 'mit'\npackage = '..x'\n",
        "[models.a]\nmethod = 'still'\ndataset = ['lines']\nlicense = 'mit'\n",
        "[models]\na = 'words'\n",
        "models = [1]\n",
        "renamed = 3\n",
        "[methods.a]\ntitle = 3\nrecipe = 'x'\n",
        "methods = 'still'\n",
        "x = " + "9" * 5000,
        "x = " + "[" * 5000,
    ],
)
def test_odd_values_in_zoo_toml_are_blamed(site: Site, text: str) -> None:
    site.install("still", {**STILL, "zoo.toml": text})
    assert len(failure(discover(), "still")) < 1100


def test_a_model_of_an_absent_package_is_listed_as_not_installed(site: Site) -> None:
    site.install("still", {**STILL, "zoo.toml": ZOO.replace('"{package}"', '"interpzoo_absent.part"')})
    row = discover().registry.models.find("still-lines")
    assert bundled_folder(row) is None


@pytest.mark.parametrize("fails", ["raise SystemExit", "raise KeyError('x')", "self.nothing", "super().__init__()"])
def test_a_component_that_cannot_be_built_is_blamed(site: Site, fails: str) -> None:
    code = f"{PATH}\n    def __init__(self, config): {fails}\n"
    name = site.install("still", {**STILL, "path.py": code, "recipes/still-lines.toml": RECIPE})
    with pytest.raises(PluginError, match=rf"^plugin 'still' \({name} 1.0\): interpolator 'still' cannot be built: "):
        interpzoo.create("still-lines")


def test_a_plugin_that_fails_half_way_leaves_nothing(site: Site) -> None:
    source = GOOD.replace("registry.add_package(__name__)", "registry.add('encoder', 'still', 'no target')")
    site.install("still", {**STILL, "__init__.py": source})
    zoo = discover()
    assert "'no target'" in failure(zoo, "still")
    assert "still" not in zoo.registry.components["interpolator"].names()


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (
            "(registry)",
            "(registrar)",
            "its hook is of another form: expected 'def register(registry)' after",
        ),
        ("def register(", "def registers(", "its hook is of another form: expected 'def register(registry)' after"),
        ("registry.add_package(__name__)", "registry.add('encoder', 'e', dict)", "it registers 'e' at <class "),
        (
            "registry.add_package(__name__)",
            "registry.add('encoder', None, 'a:B')",
            "it registers the encoder None: names",
        ),
    ],
)
def test_a_wrong_hook_or_name_is_explained_and_its_plugin_named_once(
    site: Site, old: str, new: str, reason: str
) -> None:
    name = site.install("still", {**STILL, "__init__.py": GOOD.replace(old, new)})
    (problem,) = discover().problems()
    assert problem.startswith(f"plugin 'still' ({name} 1.0) is not loaded: {reason}")
    assert problem.count(name) == 1


def test_an_error_in_zoo_toml_undoes_the_whole_registration(site: Site) -> None:
    site.install("still", {**STILL, "zoo.toml": "[models.a]\nmethod = 3\n"})
    zoo = discover()
    assert "zoo.toml, 'a'" in failure(zoo, "still")
    assert "still" not in zoo.registry.components["interpolator"].names()


def test_a_taken_name_is_blamed_on_both_and_everything_else_of_both_works(site: Site) -> None:
    name = site.install("taking", {"__init__.py": TAKING})
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
    name = site.install("acai", {"__init__.py": TAKING})
    zoo = discover()
    (line,) = zoo.problems()
    assert line.startswith(f"plugin 'acai' ({name} 1.0) is not loaded: ")
    assert "another distribution has a plugin of this name" in line
    assert zoo.registry.components["regularizer"].find("acai").owner.distribution == "interpzoo"
    assert "own" not in zoo.registry.components["regularizer"].names()


@pytest.mark.parametrize("source", [RAISING, TAKING, LATER], ids=["raising", "taking", "later"])
def test_strict_mode_raises_the_first_error(site: Site, source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name = site.install("broken", {"__init__.py": source})
    monkeypatch.setenv("INTERPZOO_STRICT_PLUGINS", "1")
    with pytest.raises(PluginError, match=f"{name} 1.0"):
        discover()


@pytest.mark.parametrize("value", ["", "0"])
def test_strict_can_be_switched_off(site: Site, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    site.install("broken", {"__init__.py": RAISING})
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
    site.install("still", STILL)
    broken = site.install("broken", {"__init__.py": RAISING})
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


def test_strict_mode_ignores_disabled_plugins(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.install("broken", {"__init__.py": RAISING})
    monkeypatch.setenv("INTERPZOO_STRICT_PLUGINS", "1")
    monkeypatch.setenv("INTERPZOO_DISABLE_PLUGINS", "broken")
    assert discover().problems() == []


def fill(site: Site) -> None:
    """Install three bad plugins and a good one."""
    for plugin, source in {"raising": RAISING, "taking": TAKING, "later": LATER}.items():
        site.install(plugin, {"__init__.py": source})
    site.install("still", {**STILL, "zoo.toml": ZOO, "recipes/still-lines.toml": RECIPE})


def test_each_is_blamed_once_on_stderr_and_listing_works(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    fill(site)
    listed = [(interpzoo.list_models(), interpzoo.list_recipes("*-lines")) for _ in range(3)]
    assert listed[1:] == [listed[0]] * 2
    assert "still-lines" in listed[0][0]
    assert {"still-lines", "acai-lines"} <= {*listed[0][1]}
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert all(line.startswith("interpzoo: ") for line in lines)
    for blamed in ("interpzoo-raising-", "interpzoo-taking-", "interpzoo-later-"):
        assert sum(blamed in line for line in lines) == 1


@pytest.mark.slow
def test_strict_is_fatal_to_the_command_line_but_not_to_the_import(site: Site) -> None:
    fill(site)
    code = "import sys; from interpzoo.cli import main; sys.argv = ['interpzoo', 'list']; sys.exit(main())"
    assert run_python(code, site=site.path).returncode == 0
    done = run_python(code, site=site.path, INTERPZOO_STRICT_PLUGINS="1")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert any(name in line for name in ("interpzoo-later-", "interpzoo-raising-", "interpzoo-taking-"))
    assert run_python("import interpzoo", site=site.path, INTERPZOO_STRICT_PLUGINS="1").returncode == 0


def test_among_bad_ones_a_good_one_is_built_saved_and_loaded_by_name(site: Site) -> None:
    fill(site)
    (package,) = site.path.glob("interpzoo_still_*/zoo.toml")
    assert interpzoo.create("ae-mnist").latent_shape == (2, 4, 4)
    made = interpzoo.create("still").eval()
    made.save_pretrained(package.parent / "model_cards" / "still-lines")
    model = interpzoo.load("still-lines")
    assert all(torch.equal(a, b) for a, b in zip(made.state_dict().values(), model.state_dict().values(), strict=True))
    z0, z1 = torch.randn(2, 1, *model.latent_shape)
    path = model.interpolate_codes(z0, z1, [0, 0.4, 0.6, 1])[0]
    assert [bool(torch.equal(z, z0[0])) for z in path] == [True, True, False, False]
    assert interpzoo.list_models(method="still") == ["still-lines"]
    assert load_recipe("still").name == "still-lines"
