"""What the tests of several folders share."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.site import Site, installed

# The workers share the cores, and so do the processes that tests start.
torch.set_num_threads(1)
os.environ.setdefault("OMP_NUM_THREADS", "1")

ROOT = Path(__file__).parents[1]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")


def shim_torchvision() -> torch.library.Library | None:
    """Let timm be imported beside a torchvision that is built for another torch (CUDA's beside the CPU's, say).

    Returns:
        What keeps the operators' schemas alive, which is all that an import looks up; ``None`` where nothing is amiss.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import_module("torchvision")
        except RuntimeError:
            library = torch.library.Library("torchvision", "DEF")
            for name in ("nms", "qnms"):
                library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
            import_module("torchvision")
            return library
    return None


@pytest.fixture(scope="session")
def torchvision_shim() -> torch.library.Library | None:
    """Call `shim_torchvision` once."""
    return shim_torchvision()


def build_wheel(project: Path, folder: Path) -> Path:
    """The wheel of a project, built into `folder` without a network."""
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(project)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This repository's wheel."""
    return build_wheel(ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium, for the tests of one file: while it runs, so does an event loop, which nothing else can start again."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("there is no Chromium: apt-get install chromium")
    flags = [*FLAGS, "--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else [*FLAGS]
    with sync_api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield found
        found.close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """An empty folder of installed plugins."""
    with installed(tmp_path / "site") as site:
        yield site


@pytest.fixture(autouse=True)
def seed() -> None:
    """Every test finds the same global random state, which components draw their weights from."""
    torch.manual_seed(0)
