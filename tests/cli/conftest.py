"""The command line with an installed plugin package that brings a small model, in this process and in real ones."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any
from unittest import mock

import pytest
from huggingface_hub import constants

from interpzoo import plugins
from interpzoo.cli.app import run
from interpzoo.model import InterpolationModel
from tests.tiny import tiny_model, write_distribution

PLUGIN = """
from interpzoo.plugins import Registrar, hookimpl

INTERPZOO_API = 1


@hookimpl
def register(registry: Registrar) -> None:
    registry.add("interpolator", "faulty", "interpzoo_demo.faulty:Faulty")
    registry.add_package("interpzoo_demo")
"""

FAULTY = """
from interpzoo.interfaces import Interpolator


class Faulty(Interpolator):
    def __call__(self, z0, z1, t, *, model):
        return {}["a fault of the program"]
"""

ZOO = """
[models.ae-tiny]
method = "ae"
dataset = "lines"
license = "apache-2.0"
summary = "A small autoencoder of lines that was never trained, for tests of the command line."
package = "interpzoo_demo"

[models.vae-far]
method = "vae"
dataset = "celeba"
license = "other"
summary = "A model that is on the Hub only."
repository = "someone/vae-far"
revision = "0123456789abcdef0123456789abcdef01234567"
sha256 = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

[renamed]
ae-small = "ae-tiny"
"""

RECIPE = """
method = "ae"
summary = "A small autoencoder of lines."

[image]
channels = 1
height = 16
width = 16

[encoder]
name = "conv"
width = 4
scales = 2
latent_channels = 2

[decoder]
name = "conv"
width = 4

[regularizer]
name = "ae"

[data]
name = "lines"

[training]
samples = 32
batch_size = 8
precision = "float32"
"""


@dataclass(frozen=True)
class Cli:
    """Runs ``interpzoo`` in `folder`, with the distributions of `site` installed."""

    site: Path
    folder: Path
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """A user's, on one thread."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("INTERPZOO_", "HF_"))}
        own = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(self.site), "HF_HUB_OFFLINE": "1", "COLUMNS": "80"}
        return {**kept, **own, "HF_HOME": str(self.site / "cache"), **self.variables}

    def __call__(self, *arguments: str | Path) -> CompletedProcess[str]:
        """Run the command in this process, which has imported torch already, and give what a real one would give."""
        out, err = StringIO(), StringIO()
        with self._installed(), redirect_stdout(out), redirect_stderr(err):
            code = run([*map(str, arguments)])
        return CompletedProcess(["interpzoo", *map(str, arguments)], code, out.getvalue(), err.getvalue())

    def refuses(self, *arguments: str | Path) -> str:
        """The message of a command that ends with one line on stderr, nothing on stdout and exit code 2."""
        return message_of(self(*arguments))

    def process(self, *arguments: str | Path, **options: Any) -> CompletedProcess[str]:
        """The command in a process of its own, finished."""
        return self.python("-m", "interpzoo", *arguments, **options)

    def python(self, *arguments: str | Path, **options: Any) -> CompletedProcess[str]:
        """Any Python in a process of its own, finished."""
        command = [sys.executable, *map(str, arguments)]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=300, cwd=self.folder, env=self.environment, **options
        )

    def start(self, *arguments: str | Path, **options: Any) -> subprocess.Popen[str]:
        """The command in a process that runs; its output and errors are in pipes unless `options` say otherwise."""
        command = [sys.executable, "-m", "interpzoo", *map(str, arguments)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "preexec_fn": _hear_ctrl_c, **options}
        return subprocess.Popen(command, text=True, cwd=self.folder, env=self.environment, **pipes)

    @contextmanager
    def _installed(self) -> Iterator[None]:
        """The folder, environment, import path and plugins that a new process would have."""
        with ExitStack() as stack:
            stack.callback(os.chdir, Path.cwd())
            os.chdir(self.folder)
            stack.enter_context(mock.patch.dict(os.environ, self.environment, clear=True))
            stack.enter_context(mock.patch.object(constants, "HF_HUB_OFFLINE", True))
            stack.enter_context(mock.patch.object(sys, "path", [str(self.site), *sys.path]))
            stack.callback(_forget_plugins, self.site)
            _forget_plugins(self.site)
            yield


def _forget_plugins(site: Path) -> None:
    """Let the next command find its plugins anew."""
    plugins.zoo.cache_clear()
    plugins.registry.cache_clear()
    importlib.invalidate_caches()
    for name, module in [*sys.modules.items()]:
        if str(getattr(module, "__file__", "")).startswith(f"{site}{os.sep}"):
            del sys.modules[name]


def _hear_ctrl_c() -> None:
    """Also where the tests are a shell's job in the background, which ignores it and leaves that to what it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def message_of(done: CompletedProcess[str]) -> str:
    """The message of a command that ended with an error that the user can fix."""
    assert done.stderr.startswith("Error: "), done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert (done.returncode, done.stdout) == (2, "")
    return done.stderr.removeprefix("Error: ").rstrip("\n")


def untrained() -> InterpolationModel:
    """A small model with eight random codes as its examples."""
    model = tiny_model(examples=8)
    model.config = model.config.model_copy(
        update={"summary": "A small autoencoder.", "limitations": "It was never trained.", "license": "cc0-1.0"}
    )
    return model


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of installed distributions: one plugin with a recipe, a bundled model and one of the Hub."""
    site = tmp_path_factory.mktemp("site")
    files = {"__init__.py": PLUGIN, "faulty.py": FAULTY, "zoo.toml": ZOO, "recipes/tiny.toml": RECIPE}
    package = write_distribution(site, "interpzoo-demo", files, plugin="demo", version="1.2")
    untrained().save_pretrained(site / package / "model_cards" / "ae-tiny")
    return site


@pytest.fixture
def cli(site: Path, tmp_path: Path) -> Cli:
    """The command line in a fresh folder."""
    return Cli(site, tmp_path)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A folder ``model`` in the command's own folder, to be damaged."""
    return untrained().save_pretrained(tmp_path / "model")


@pytest.fixture
def refuses(cli: Cli) -> Callable[..., str]:
    """`Cli.refuses` of the command line in a fresh folder."""
    return cli.refuses


@pytest.fixture(scope="session")
def trained(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``interpzoo train`` leaves of the plugin's recipe."""
    folder = tmp_path_factory.mktemp("trained")
    done = Cli(site, folder)("train", "tiny")
    assert done.returncode == 0, done.stderr
    return folder / "runs" / "tiny"
