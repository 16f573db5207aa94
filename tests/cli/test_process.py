"""What the process owes its shell: exit codes, quiet ends, and tracebacks for faults of its own only."""

from __future__ import annotations

import os
import subprocess
from importlib.metadata import version

import pytest

from interpzoo.cli.app import COMMANDS
from tests.cli.conftest import Cli


def test_version(cli: Cli) -> None:
    done = cli("--version")
    assert (done.returncode, done.stdout) == (0, f"interpzoo {version('interpzoo')}\n")


@pytest.mark.parametrize("arguments", [(), ("--help",), ("-h",)])
def test_help_names_every_command(cli: Cli, arguments: tuple[str, ...]) -> None:
    done = cli(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    for command in COMMANDS:
        assert f"\n  {command} " in done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_every_command_has_usage(cli: Cli, command: str) -> None:
    done = cli(command, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith(f"Usage: interpzoo {command} [OPTIONS]")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("lst",), "unknown command 'lst'. Did you mean 'list'? See 'interpzoo --help'."),
        (("--bogus",), "No such option '--bogus'. See 'interpzoo --help'."),
        (("show",), "Missing argument 'NAME'. See 'interpzoo show --help'."),
        (("list", "a", "b"), "Got unexpected extra argument (b). See 'interpzoo list --help'."),
    ],
)
def test_usage_errors_are_one_line(cli: Cli, arguments: tuple[str, ...], expected: str) -> None:
    assert cli.refuses(*arguments) == expected


def test_the_installed_command_is_the_same(cli: Cli) -> None:
    code = "import sys; from importlib.metadata import entry_points\n"
    code += "(script,) = entry_points(group='console_scripts', name='interpzoo')\n"
    done = cli.python("-c", code + "sys.argv = ['interpzoo', 'show', 'no-such-model']; script.load()()")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)


def test_a_fault_of_the_program_shows_where_it_is(cli: Cli) -> None:
    done = cli("interpolate", "ae-tiny", "--interpolator", "faulty", "-o", "strip.png")
    assert done.returncode == 1
    assert "Traceback (most recent call last)" in done.stderr
    assert "KeyError: 'a fault of the program'" in done.stderr


@pytest.mark.parametrize("arguments", [("plugins",), ("show", "ae-tiny")])
def test_a_reader_that_went_away_is_no_error(cli: Cli, arguments: tuple[str, ...]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    process = cli.start(*arguments, stdout=writer)
    os.close(writer)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (1, "")


def test_a_file_that_cannot_be_read_is_one_line(cli: Cli) -> None:
    limit = "import resource, sys; from interpzoo.cli.app import run\n"
    limit += (
        "resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3)); sys.exit(run(['interpolate', 'ae-tiny', '-o', 'x.png']))"
    )
    done = cli.python("-c", limit)
    assert isinstance(done, subprocess.CompletedProcess)
    assert done.returncode == 2
    assert done.stderr.startswith("Error: ")
