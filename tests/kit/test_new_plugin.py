"""A generated plugin: built, installed beside the wheel in a fresh environment, tested, trained, pushed and loaded."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from interpzoo.config import ComponentConfig
from interpzoo.errors import InputError, OutputError
from interpzoo.interfaces import Regularizer
from interpzoo.scaffold import new_plugin
from tests.conftest import build_wheel
from tests.hubserver import Hub, environment
from tests.venv import Venv

TINY = [f"--set={change}" for change in ("training.samples=32", "encoder.width=2", "decoder.width=2")]
LOAD = """
import sys
import interpzoo

try:
    print(interpzoo.load(sys.argv[1]).example_strip(2, 3).sum().item())
except interpzoo.InterpzooError as error:
    print(f"{type(error).__name__}: {error}")
"""


@pytest.fixture(scope="module")
def hub() -> Iterator[Hub]:
    with Hub() as hub:
        yield hub


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return new_plugin("my-method", tmp_path_factory.mktemp("projects"))


@pytest.fixture(scope="module")
def installed(wheel: Path, project: Path, tmp_path_factory: pytest.TempPathFactory) -> Venv:
    """An environment with this package and the plugin."""
    environment = Venv(tmp_path_factory.mktemp("with"))
    environment.install(wheel, build_wheel(project, tmp_path_factory.mktemp("plugin")))
    return environment


@pytest.mark.slow
def test_it_is_listed(installed: Venv, tmp_path: Path) -> None:
    assert "my-method-lines" in installed("interpzoo", "list", folder=tmp_path)
    plugins = json.loads(installed("interpzoo", "plugins", "--json", folder=tmp_path))["plugins"]
    plugin = next(plugin for plugin in plugins if plugin["name"] == "my-method")
    assert (plugin["distribution"], plugin["version"], plugin["status"]) == ("interpzoo-my-method", "0.1.0", "loaded")
    assert plugin["milliseconds"] > 0
    assert plugin["registers"] == {
        "regularizer": ["my-method"],
        "method": ["my-method"],
        "recipe": ["my-method-lines"],
        "model": ["my-method-lines"],
    }


@pytest.mark.slow
def test_its_own_tests_pass(installed: Venv, project: Path) -> None:
    printed = installed("python", "-m", "pytest", "-q", "-p", "no:cacheprovider", folder=project)
    assert " passed" in printed


@pytest.mark.slow
def test_it_trains_pushes_and_loads_and_is_named_where_it_is_missing(
    installed: Venv, wheel: Path, project: Path, hub: Hub, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = project / "interpzoo_my_method" / "model_cards" / "my-method-lines"
    online = environment(hub, tmp_path / "home")
    installed("interpzoo", "train", "my-method", "--output", folder, *TINY, folder=tmp_path)
    installed("interpzoo", "push", folder, "user/mine", folder=tmp_path, **online)
    trained = build_wheel(project, tmp_path_factory.mktemp("trained"))  # with the model in it
    packed = {Path(name).name for name in ZipFile(trained).namelist() if "model_cards" in name}
    assert packed == {path.name for path in folder.iterdir()} - {"checkpoint.former.safetensors", "history.jsonl"}
    installed.install(trained)
    value = installed("python", "-c", LOAD, "my-method-lines", folder=tmp_path)
    assert float(value)
    assert installed("python", "-c", LOAD, "user/mine", folder=tmp_path, **online) == value
    assert "ok" in installed("interpzoo", "verify", "my-method-lines", folder=tmp_path)

    without = Venv(tmp_path / "without")
    without.install(wheel)
    refused = without("python", "-c", LOAD, "user/mine", folder=tmp_path, **online)
    assert refused.startswith(
        "PluginError: 'my-method-lines' (method 'my-method') was made with plugin 'my-method' of "
    )
    assert "interpzoo-my-method 0.1.0, which is not installed: if you trust it, 'pip install interpzoo-my" in refused


@pytest.mark.slow
def test_removing_the_package_removes_its_names(
    wheel: Path, project: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    environment = Venv(tmp_path / "venv")
    environment.install(wheel, build_wheel(project, tmp_path_factory.mktemp("plugin")))
    assert "my-method" in environment("interpzoo", "list", folder=tmp_path)
    environment.pip("uninstall", "--quiet", "--yes", "interpzoo-my-method")
    assert "my-method" not in environment("interpzoo", "list", folder=tmp_path)
    assert "my-method" not in environment("interpzoo", "plugins", folder=tmp_path)


@pytest.mark.slow
def test_the_wheel_alone_loads_and_verifies_every_bundled_model(wheel: Path, tmp_path: Path) -> None:
    alone = Venv(tmp_path / "venv")
    alone.install(wheel)
    script = """
import json
import interpzoo
from interpzoo.plugins import registry

found = {row.name: [f.name for f in interpzoo.verify(row.name) if f.problem] for row in registry().models}
print(json.dumps([interpzoo.__file__, found, [interpzoo.load(name).config.name for name in interpzoo.list_models()]]))
"""
    file, found, loaded = json.loads(alone("python", "-c", script, folder=tmp_path, HF_HUB_OFFLINE="1"))
    assert Path(file).is_relative_to(alone.folder)
    assert set(loaded) <= set(found)
    assert "acai-mnist" in loaded
    assert found == {name: [] for name in found}


@pytest.mark.parametrize("name", ["", "My-Method", "my_method", "-x", "x-", "a b", "1x", "../x", "x" * 65])
def test_invalid_names(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a name for a plugin: expected lower-case words"):
        new_plugin(name, tmp_path)
    assert [*tmp_path.iterdir()] == []


def test_taken_names_and_existing_folders(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'acai' is taken by plugin 'acai'"):
        new_plugin("acai", tmp_path)
    # A second method, path or recipe of a name would make it ambiguous.
    for name, plugin in (("vae", "baselines"), ("linear", "baselines"), ("bernoulli", "amr")):
        with pytest.raises(InputError, match=f"'{name}' is taken by plugin '{plugin}'"):
            new_plugin(name, tmp_path)
    new_plugin("mine", tmp_path)
    with pytest.raises(OutputError, match="interpzoo-mine already exists"):
        new_plugin("mine", tmp_path)


@pytest.mark.parametrize("name", ["none", "true", "tensor", "component", "regularizer", "field"])
def test_a_name_that_python_or_the_template_has_gives_another_class(name: str, tmp_path: Path) -> None:
    folder = new_plugin(name, tmp_path) / f"interpzoo_{name}"
    module: dict[str, Any] = {}
    exec((folder / "method.py").read_text(), module)
    method = module[f"{name.capitalize()}Method"]
    assert issubclass(method, Regularizer)
    assert issubclass(module[f"{method.__name__}Config"], ComponentConfig)
    assert f'method:{method.__name__}")' in (folder / "__init__.py").read_text()


def test_a_project_is_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = Path.write_text

    def full(path: Path, text: str, *arguments: Any, **options: Any) -> int:
        if path.name == "method.py":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(path, text, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", full)
        with pytest.raises(OutputError, match=r"cannot write '.*/interpzoo-mine': No space left on device"):
            new_plugin("mine", tmp_path)
    assert not [*tmp_path.iterdir()]
    assert (new_plugin("mine", tmp_path) / "interpzoo_mine" / "method.py").is_file()
