"""New virtual environments, made without a network: wheels are installed, dependencies come from this one."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path


class Venv:
    """An environment of its own, with scripts and installed distributions, and this one's packages behind them."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder, with_pip=False)
        self.folder = folder
        (site,) = folder.glob("lib/python*/site-packages")
        # A path in a .pth file comes after the environment's own, and its editable installs are not followed.
        (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"))

    def pip(self, *arguments: str | Path) -> None:
        """Run pip on it, offline."""
        command = [sys.executable, "-m", "pip", "--python", str(self.folder / "bin" / "python"), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr

    def install(self, *wheels: Path) -> None:
        """Install wheels and nothing that they need."""
        self.pip("install", "--quiet", "--no-deps", "--no-index", "--force-reinstall", *wheels)

    def __call__(self, program: str, *arguments: str | Path, folder: Path, **variables: str) -> str:
        """What a program of the environment prints, which works in `folder` and must end well."""
        done = self.run(program, *arguments, folder=folder, **variables)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def run(
        self, program: str, *arguments: str | Path, folder: Path, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """The finished process."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("INTERPZOO_", "HF_", "PYTHONPATH"))}
        return subprocess.run(
            [str(self.folder / "bin" / program), *map(str, arguments)],
            cwd=folder,
            env={**kept, "OMP_NUM_THREADS": "1", **variables},
            capture_output=True,
            text=True,
            timeout=600,
        )
