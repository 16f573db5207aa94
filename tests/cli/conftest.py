"""The command line as a user has it: real processes, with an installed plugin package that brings a small model."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch

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

    def __call__(self, *arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
        """The finished process."""
        return self.python("-m", "interpzoo", *arguments, **options)

    def python(self, *arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
        """Any Python, finished."""
        command = [sys.executable, *map(str, arguments)]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=300, cwd=self.folder, env=self.environment, **options
        )

    def start(self, *arguments: str | Path, **options: Any) -> subprocess.Popen[str]:
        """The running process, its output and errors in pipes unless `options` say otherwise."""
        command = [sys.executable, "-m", "interpzoo", *map(str, arguments)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "preexec_fn": _hear_ctrl_c, **options}
        return subprocess.Popen(command, text=True, cwd=self.folder, env=self.environment, **pipes)

    def refuses(self, *arguments: str | Path, **options: Any) -> str:
        """The message of a command that ends with one line on stderr, nothing on stdout and exit code 2."""
        done = self(*arguments, **options)
        return message_of(done.returncode, done.stdout, done.stderr)


def _hear_ctrl_c() -> None:
    """Also where the tests are a shell's job in the background, which ignores it and leaves that to what it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def message_of(code: int, out: str, err: str) -> str:
    """What the user is told, where a command ended as one that the user can mend."""
    assert err.startswith("Error: "), err
    assert err.count("\n") == 1, err
    assert (code, out) == (2, "")
    return err.removeprefix("Error: ").rstrip("\n")


def untrained() -> InterpolationModel:
    """A small model with eight random codes as its examples."""
    model = tiny_model()
    model.config = model.config.model_copy(
        update={"summary": "A small autoencoder.", "limitations": "It was never trained.", "license": "cc0-1.0"}
    )
    model.examples = torch.randn(8, *model.latent_shape, generator=torch.Generator().manual_seed(0))
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
def refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """`Cli.refuses` in this process, which has imported torch already: for the many ways to be wrong."""
    monkeypatch.chdir(tmp_path)
    for library in ("HF_HUB", "HF_DATASETS"):
        monkeypatch.setenv(f"{library}_DISABLE_PROGRESS_BARS", "1")

    def message(*arguments: str | Path) -> str:
        capsys.readouterr()
        return message_of(run([*map(str, arguments)]), *capsys.readouterr())

    return message


@pytest.fixture(scope="session")
def trained(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``interpzoo train`` leaves of the plugin's recipe."""
    folder = tmp_path_factory.mktemp("trained")
    done = Cli(site, folder)("train", "tiny")
    assert done.returncode == 0, done.stderr
    return folder / "runs" / "tiny"
