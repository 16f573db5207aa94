"""Listing is instant: it imports nothing heavy, and takes a fraction of the time of importing torch."""

from __future__ import annotations

import json
import statistics
import time

import pytest

from tests.cli.conftest import Cli

HEAVY = {"torch", "numpy", "timm", "torchvision"}
UNNEEDED = HEAVY | {"pydantic", "rich", "huggingface_hub", "safetensors", "PIL"}
ROUNDS = 5


def imported(cli: Cli, *arguments: str) -> set[str]:
    """Every module that a command imports."""
    done = cli.python("-X", "importtime", "-m", "interpzoo", *arguments)
    assert done.returncode == 0, done.stderr
    found = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "click" in found
    return found


def test_importing_the_package_and_listing_import_nothing_heavy(cli: Cli) -> None:
    """Listing is the last: what the first line leaves unimported is looked at in between."""
    code = "import json, sys, interpzoo; first = [*sys.modules]; interpzoo.list_models()\n"
    done = cli.python("-c", code + "print(json.dumps([first, [*sys.modules]]))")
    assert done.returncode == 0, done.stderr
    for modules in json.loads(done.stdout):
        assert "interpzoo" in modules
        assert not UNNEEDED & {*modules}


def test_commands_that_need_no_model_import_nothing_heavy(cli: Cli) -> None:
    for line in ("list", "list --json", "plugins", "--help", "--version", "train --help"):
        assert not imported(cli, *line.split()) & UNNEEDED, line


def test_showing_a_model_imports_no_torch(cli: Cli) -> None:
    assert not imported(cli, "show", "ae-tiny") & HEAVY


@pytest.mark.slow
def test_a_first_geodesic_does_not_import_the_compiler_of_torch(cli: Cli) -> None:
    code = "import sys, torch; from interpzoo_riemannian import geodesic\n"
    code += "print(bool(geodesic(torch.sin, *torch.rand(2, 1, 2)).converged.all()), 'torch._dynamo' in sys.modules)"
    done = cli.python("-c", code)
    assert done.stdout == "True False\n", done.stderr


@pytest.mark.slow
def test_listing_takes_a_quarter_of_importing_torch_at_most(cli: Cli) -> None:
    def seconds(*arguments: str) -> float:
        start = time.perf_counter()
        assert cli.python(*arguments).returncode == 0
        return time.perf_counter() - start

    listing, torch = ("-m", "interpzoo", "list"), ("-c", "import torch")
    seconds(*listing), seconds(*torch)  # into the page cache
    pairs = [(seconds(*listing), seconds(*torch)) for _ in range(ROUNDS)]
    assert statistics.median(a / b for a, b in pairs) <= 0.25, pairs
