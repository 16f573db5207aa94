"""Every command with every combination of standard streams closed, and what a plugin does to them."""

from __future__ import annotations

import itertools
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from interpzoo.cli.app import COMMANDS
from tests.cli.conftest import Cli, message_of
from tests.tiny import write_distribution

CLOSED = [set(closed) for n in (1, 2, 3) for closed in itertools.combinations(range(3), n)]
QUICK = {
    "list": 0,
    "list --json": 0,
    "list nothing-of-this-name": 0,
    "show ae-tiny": 0,
    "show ae-tiny --json": 0,
    "show tiny --recipe": 0,
    "show no-such-model": 2,
    "interpolate ./model -o {n}.png": 0,
    "interpolate ./model -o {n}.xyz": 2,
    "morph -o {n}.png ./model no.jpg": 2,
    "grid -o {n}.png ./model no.jpg": 2,
    "mix -o {n}.png ./model no.jpg": 2,
    "sample -o {n}.png no-such-model": 2,
    "encode -o {n}.npy ./model no.jpg": 2,
    "edit -o {n}.png --direction smiling ./model no.jpg": 2,
    "traverse ./model --count 2 -o {n}.png": 0,
    "demo no-such-model -o {n}": 2,
    "score no.gif": 2,
    "stimuli ./model no.csv -o {n}": 2,
    "verify ./model": 0,
    "verify ./model --json": 0,
    "push ./model user/repo": 2,
    "plugins": 0,
    "plugins --json": 0,
    "new-plugin stream{n}": 0,
    "no-such-command": 2,
    "--help": 0,
    "train --help": 0,
    "--version": 0,
    "": 0,
}
"""Exit code by command; ``{n}`` is a number of its own."""
LONG = {
    "export ./trained --format pt2 -o {n}": 0,
    "train tiny --output {n}": 0,
    "evaluate ./trained --metrics in-between-mse --json {n}.json": 0,
    "benchmark ./trained --metrics in-between-mse --output {n}": 0,
}
FORKED = """
import json, os, sys
import interpzoo.cli.app, interpzoo.evaluation, interpzoo.training.run, interpzoo.pretrained.verify
from interpzoo.cli import main

codes = []
for arguments, closed in json.loads(sys.argv[1]):
    child = os.fork()
    if child == 0:  # with what a new process would find: the numbers free, and None in place of the streams
        code = 70
        try:
            for number in closed:
                os.close(number)
                name = ("stdin", "stdout", "stderr")[number]
                setattr(sys, name, None)
                setattr(sys, f"__{name}__", None)
            sys.argv = ["interpzoo", *arguments]
            main()
        except SystemExit as stop:
            code = stop.code or 0
            sys.stdout.flush()
        finally:
            os._exit(code)
    codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
open("codes.json", "w").write(json.dumps(codes))
"""
"""One interpreter for all commands, because importing torch takes longer than they do."""


def run_all(cli: Cli, lines: list[tuple[str, set[int]]]) -> None:
    """Run commands with the streams of these numbers closed, and check their exit codes and files."""
    cases = [(line.format(n=n).split(), sorted(closed)) for n, (line, closed) in enumerate(lines)]
    done = cli.python("-c", FORKED, json.dumps(cases))
    codes = json.loads((cli.folder / "codes.json").read_text())
    expected = [{**QUICK, **LONG}[line] for line, _ in lines]
    wrong = [f"{case}: {code}" for case, code, wanted in zip(cases, codes, expected, strict=True) if code != wanted]
    assert not wrong, done.stderr
    assert "Traceback" not in done.stderr
    for n, (line, _) in enumerate(lines):
        if line.endswith(".png"):
            Image.open(cli.folder / f"{n}.png").load()
        elif line.endswith(".json"):
            assert json.loads((cli.folder / f"{n}.json").read_text())["results"]
        elif line.startswith("new-plugin"):
            assert (cli.folder / f"interpzoo-stream{n}" / "pyproject.toml").is_file()
        elif line.startswith("benchmark"):
            assert (cli.folder / str(n) / "README.md").is_file()
        elif line.startswith("train tiny"):
            assert (cli.folder / str(n) / "model.safetensors").is_file()


def test_names_on_standard_input_are_read_in_any_encoding(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "names").write_bytes(b"\xff.png\nb.png\n")
    told = replace(cli, variables={"PYTHONIOENCODING": "utf-8"})
    with (tmp_path / "names").open() as names:
        done = told.process("morph", "ae-tiny", "-", "-o", "x.png", stdin=names)
    assert message_of(done).startswith(r"'\udcff.png': the image cannot be read: No such file")


@pytest.mark.usefixtures("model")
def test_every_quick_command_does_its_work_with_any_streams_closed(cli: Cli) -> None:
    assert {line.split()[0] for line in (*QUICK, *LONG) if line} >= {*COMMANDS}
    every = [(line, closed) for line in ("list", "interpolate ./model -o {n}.png") for closed in CLOSED]
    run_all(cli, every + [(line, closed) for line in QUICK for closed in ({1}, {2}, {0, 1, 2})])


@pytest.mark.slow
def test_every_long_command_does_its_work_with_all_streams_closed(cli: Cli, trained: Path) -> None:
    os.symlink(trained, cli.folder / "trained")
    run_all(cli, [(line, {0, 1, 2}) for line in LONG])


def test_a_full_disk_behind_the_output_is_one_line(cli: Cli) -> None:
    with Path("/dev/full").open("w") as full:
        process = cli.start("list", stdout=full)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (2, "Error: [Errno 28] No space left on device\n")


PLUGIN = """
import atexit, os, sys
from interpzoo.plugins import hookimpl

INTERPZOO_API = 1
{code}

@hookimpl
def register(registry):
    {code}
"""


@pytest.mark.parametrize(
    "code",
    [
        "print('hello')",
        "os.write(1, b'hello')",
        "os.system('echo hello')",
        "sys.stdout.close()",
        "sys.stdout = None",
        "sys.stdout = sys.stderr = open(os.devnull, 'w')",
        "atexit.register(lambda: 1 / 0)",
    ],
)
def test_a_plugin_does_not_disturb_the_output(cli: Cli, tmp_path: Path, code: str) -> None:
    """In a real process, because it may change what it likes there."""
    write_distribution(tmp_path / "site", "interpzoo-loud", {"__init__.py": PLUGIN.format(code=code)}, plugin="loud")
    done = replace(cli, site=tmp_path / "site").process("plugins", "--json")
    assert done.returncode == 0, done.stderr
    listed: dict[str, Any] = json.loads(done.stdout)
    assert {plugin["status"] for plugin in listed["plugins"]} == {"loaded"}
    assert "Traceback" not in done.stderr
    if "1 / 0" in code:
        assert done.stderr.startswith("Warning: ZeroDivisionError: division by zero (ignored, in ")
