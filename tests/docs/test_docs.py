"""What the documentation shows is true: code runs, commands parse, links lead somewhere, tables are fresh.

A block of the README that needs a pretrained model which is not here is skipped with that reason; trainings are made
short. The plugin that docs/plugins.md writes has tests of its own, in test_plugin_tutorial.py.
"""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
from importlib.metadata import metadata
from pathlib import Path
from typing import Any

import click
import pytest
import torch
from click.testing import CliRunner

import interpzoo
from interpzoo.cli.app import group
from interpzoo.pictures import save_image
from tests.hubserver import Hub, environment

ROOT = Path(__file__).parents[2]
README, CONTRIBUTING, TUTORIAL = ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "docs" / "plugins.md"

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\[[^]\n]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def blocks(page: Path, language: str) -> list[str]:
    return [text for found, text in BLOCK.findall(page.read_text("utf-8")) if found == language]


# Python of the README


PYTHON = blocks(README, "python")
LONG = ["training.samples=200000"]
SHORT = ["training.samples=32", "training.batch_size=8"]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> list[Exception | str | None]:
    """What became of each block, run in order in one namespace: an error, the reason to skip it, or nothing."""
    folder = tmp_path_factory.mktemp("readme")
    generator = torch.Generator().manual_seed(0)
    (folder / "photos").mkdir()
    for name in ("one", "three", "five", "eight"):
        save_image(folder / f"{name}.png", torch.rand(1, 28, 28, generator=generator))
    for name in ("anna", "ben", "carl"):
        save_image(folder / f"{name}.png", torch.rand(3, 40, 32, generator=generator))
    for number in range(40):
        save_image(folder / "photos" / f"{number}.png", torch.rand(3, 24, 30, generator=generator))
    namespace: dict[str, Any] = {}
    lost: dict[str, str] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))
        return [run(block, namespace, lost) for block in PYTHON]


def run(block: str, namespace: dict[str, Any], lost: dict[str, str]) -> Exception | str | None:
    """Run a block, unless it needs a model that is not here or a name that is `lost` because of one."""
    tree = ast.parse(block)
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    made = {node.id for node in names if isinstance(node.ctx, ast.Store)}
    used = {node.id for node in names} - made - {*namespace}
    reason = missing_model(tree) or next((lost[name] for name in sorted(used & {*lost})), None)
    if reason is not None:
        lost |= dict.fromkeys(made - {*namespace}, reason)
        tree.body = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "changes" and ast.literal_eval(node.value) == LONG:
            node.value = ast.parse(repr(SHORT), mode="eval").body
    try:
        exec(compile(ast.fix_missing_locations(tree), README.name, "exec"), namespace)
    except Exception as error:
        return error
    return reason


def missing_model(tree: ast.Module) -> str | None:
    calls = [
        node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "interpzoo.load"
    ]
    names = [str(ast.literal_eval(call.args[0])) for call in calls]
    absent = [name for name in names if not name.startswith("./") and name not in interpzoo.list_models()]
    return f"there is no model {absent[0]!r}" if absent else None


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(PYTHON)))
def test_python_of_the_readme_runs(outcomes: list[Exception | str | None], number: int) -> None:
    outcome = outcomes[number]
    if isinstance(outcome, str):
        pytest.skip(outcome)
    if outcome is not None:
        raise outcome


# The Hub


PLACEHOLDER = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.slow
def test_the_readme_pushes_and_loads(tmp_path: Path) -> None:
    load, push = blocks(README, "py")
    assert PLACEHOLDER in load
    with Hub() as hub:
        run_beside(hub, f'import interpzoo\nmodel = interpzoo.load("acai-mnist")\n{push}', tmp_path)
        run_beside(hub, f"import interpzoo\n{load.replace(PLACEHOLDER, hub.head('user/repo'))}", tmp_path)


def run_beside(hub: Hub, script: str, folder: Path) -> None:
    """Run a script in a process whose client knows `hub` alone, and has nothing in its cache yet."""
    command = [sys.executable, "-c", script]
    variables = environment(hub, folder / "cache")
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


# Shell commands


COMMANDS = sorted(
    {
        command
        for page in (README, CONTRIBUTING, TUTORIAL)
        for block in blocks(page, "sh")
        for line in block.splitlines()
        for command in line.split(" && ")
    }
)


def test_the_two_commands_of_the_readme_are_there() -> None:
    found = blocks(README, "sh")
    assert "pip install -c constraints.txt . && interpzoo interpolate acai-mnist -o strip.png\n" in found
    assert "pip install -c constraints.txt -e '.[train,test]' && pytest\n" in found


@pytest.mark.parametrize("command", [c for c in COMMANDS if "interpzoo" in c.split()])
def test_commands_parse(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = shlex.split(command)
    name, *arguments = words[words.index("interpzoo") + 1 :]
    found = group.get_command(click.Context(group), name)
    assert found is not None, f"there is no command {name!r}"
    found.make_context(name, arguments)  # raises where an option is unknown or an argument is missing


def test_every_command_of_the_readme_has_help() -> None:
    for name in group.list_commands(click.Context(group)):
        assert f"interpzoo {name}" in README.read_text("utf-8")
        assert CliRunner().invoke(group, [name, "--help"]).exit_code == 0


def test_extras_that_commands_install_exist() -> None:
    extras = {extra for c in COMMANDS for found in re.findall(r"\.\[([\w,]+)\]", c) for extra in found.split(",")}
    assert extras
    assert extras <= {*(metadata("interpzoo").get_all("Provides-Extra") or ())}


# Links and names


@pytest.mark.parametrize("page", [README, CONTRIBUTING, TUTORIAL, ROOT / "CHANGELOG.md"], ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    absent = [target for target in LINK.findall(page.read_text("utf-8")) if not leads_somewhere(page, target)]
    assert not absent


def leads_somewhere(page: Path, target: str) -> bool:
    if target.startswith("https://"):
        return True
    path, _, anchor = target.partition("#")
    file = page.parent / path if path else page
    if not anchor:
        return file.is_file()
    # As GitHub makes them of headings.
    anchors = [
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in HEADING.findall(file.read_text())
    ]
    return anchor in anchors


def test_environment_variables_are_documented() -> None:
    used = {
        name
        for folder in (ROOT / "interpzoo", ROOT / "plugins")
        for path in folder.rglob("*.py")
        for name in re.findall(r"\bINTERPZOO_[A-Z_]+\b", path.read_text("utf-8"))
    }
    assert used - {"INTERPZOO_API"} == {*re.findall(r"\bINTERPZOO_(?!API)[A-Z_]+\b", README.read_text("utf-8"))}
