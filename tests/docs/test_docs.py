"""What the documentation shows is true: code runs, commands parse, links lead somewhere.

The blocks of a page run in order, in one folder with made images. Trainings are made short, and scores are of one
metric. A block that cannot run here says why in a comment before it. The plugin that docs/plugins.md writes has tests
of its own, in test_plugin_tutorial.py.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from importlib.metadata import metadata
from io import StringIO
from pathlib import Path
from typing import Any

import click
import pytest
import torch
from click.testing import CliRunner

from interpzoo.cli.app import group, run
from interpzoo.pictures import save_image
from tests.docs.pages import GUIDES, PAGES, README, ROOT, blocks, commands, name_of
from tests.hubserver import Hub, environment

TUTORIAL, PUBLISH, COMMANDS_PAGE = (ROOT / "docs" / name for name in ("plugins.md", "guides/publish.md", "commands.md"))
LINK = re.compile(r"\[[^]\n]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


# Code


SAMPLES = re.compile(r"training\.samples=(\d+)(\"?)")
SHORTER = {
    "train": ["--set=training.samples=32", "--set=training.batch_size=8"],
    "evaluate": ["--metrics=reconstruction-mse"],
    "benchmark": ["--metrics=reconstruction-mse"],
}


def shortened(code: str) -> str:
    """The code or command with a few samples for each training, and more where it has more."""
    batches = ', "training.batch_size=8"'  # commands get them from SHORTER
    return SAMPLES.sub(
        lambda match: f"training.samples={max(32, int(match[1]) // 6250)}{match[2]}{match[2] and batches}", code
    )


@pytest.fixture
def folder(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the images that the pages name, which is the working directory."""
    generator = torch.Generator().manual_seed(0)
    for name in ("photos", "first", "second"):
        (tmp_path / name).mkdir()
    for name in ("one", "three", "five", "eight"):
        for kind in ("png", "jpg"):
            save_image(tmp_path / f"{name}.{kind}", torch.rand(1, 28, 28, generator=generator))
    for name in ("anna", "ben", "carl"):
        for kind in ("png", "jpg"):
            save_image(tmp_path / f"{name}.{kind}", torch.rand(3, 40, 32, generator=generator))
    for number in range(40):
        save_image(tmp_path / "photos" / f"{number}.png", torch.rand(3, 24, 30, generator=generator))
    for name in ("first/1", "first/2", "second/1", "second/2"):
        save_image(tmp_path / f"{name}.png", torch.rand(3, 24, 30, generator=generator))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))
    return tmp_path


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.* unlike the images that")  # as the pictures of the tests are
@pytest.mark.parametrize("page", [page for page in GUIDES if page != TUTORIAL], ids=name_of)
def test_the_code_of_a_page_runs(page: Path, folder: Path) -> None:
    namespace: dict[str, Any] = {}
    for block in blocks(page):
        if block.why:
            continue
        if block.language == "python":
            exec(compile(shortened(block.text), page.name, "exec"), namespace)
        for command in commands(block) if block.language == "sh" else ():
            run_command(command)


def run_command(line: str) -> None:
    """Run a command of interpzoo, shortened; others, such as pip, are not run."""
    command, _, file = line.partition(" > ")
    name, *words = shlex.split(shortened(command))
    if name != "interpzoo":
        return
    output, errors = StringIO(), StringIO()
    with redirect_stdout(output), redirect_stderr(errors):
        code = run([words[0], *SHORTER.get(words[0], []), *words[1:]])  # what the page sets itself comes last
    assert code == 0, f"{line}: {errors.getvalue()}"
    if file:
        Path(file).write_text(output.getvalue(), "utf-8")


def test_every_block_is_of_a_kind_that_runs_or_is_data() -> None:
    kinds = {block.language for page in GUIDES for block in blocks(page)}
    assert kinds <= {"python", "py", "sh", "toml", "text", "json", "yaml", "bibtex"}
    assert not [name_of(p) for p in GUIDES if p not in (PUBLISH, TUTORIAL) and any(blocks(p, "py"))]


# The Hub


PLACEHOLDER = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.slow
def test_the_guide_pushes_and_loads(tmp_path: Path) -> None:
    load, push = (block.text for block in blocks(PUBLISH, "py"))
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


COMMANDS = sorted({command for page in PAGES for block in blocks(page, "sh") for command in commands(block)})


def test_the_two_commands_of_the_readme_are_there() -> None:
    found = [block.text for block in blocks(README, "sh")]
    assert "pip install -c constraints.txt . && interpzoo interpolate acai-mnist -o strip.png\n" in found
    assert "pip install -c constraints.txt -e '.[train,test]' && pytest\n" in found


@pytest.mark.parametrize("command", [c for c in COMMANDS if "interpzoo" in c.split()])
def test_commands_parse(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = shlex.split(command.partition(" > ")[0])
    name, *arguments = words[words.index("interpzoo") + 1 :]
    found = group.get_command(click.Context(group), name)
    assert found is not None, f"there is no command {name!r}"
    found.make_context(name, arguments)  # raises where an option is unknown or an argument is missing


def test_the_tour_shows_every_command_and_each_has_help() -> None:
    for name in group.list_commands(click.Context(group)):
        assert f"interpzoo {name}" in COMMANDS_PAGE.read_text("utf-8")
        assert CliRunner().invoke(group, [name, "--help"]).exit_code == 0


def test_extras_that_commands_install_exist() -> None:
    extras = {extra for c in COMMANDS for found in re.findall(r"\.\[([\w,]+)\]", c) for extra in found.split(",")}
    assert extras
    assert extras <= {*(metadata("interpzoo").get_all("Provides-Extra") or ())}


# Links and names


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    absent = [target for target in LINK.findall(page.read_text("utf-8")) if not leads_somewhere(page, target)]
    assert not absent


def leads_somewhere(page: Path, target: str) -> bool:
    if target.startswith("https://"):
        return True
    path, _, anchor = target.partition("#")
    file = page.parent / path if path else page
    if not anchor:
        return file.exists()
    # As GitHub makes them of headings.
    anchors = [
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in HEADING.findall(file.read_text())
    ]
    return anchor in anchors


def test_no_line_begins_with_a_comment_in_a_text() -> None:
    # A line that begins with a comment ends the paragraph before it.
    text = re.compile(r"^\s*<!-- (score|interval):", re.MULTILINE)
    assert not [name_of(page) for page in GUIDES if text.search(page.read_text("utf-8"))]


def test_environment_variables_are_documented() -> None:
    sources = [path for name in ("interpzoo", "plugins") for path in (ROOT / name).rglob("*.py")]
    used, documented = (
        {name for path in paths for name in re.findall(r"\bINTERPZOO_(?!API\b)[A-Z_]+\b", path.read_text("utf-8"))}
        for paths in (sources, GUIDES)
    )
    assert used == documented
