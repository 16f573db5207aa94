"""The process and its shell: exit codes, quiet ends, and tracebacks only for faults of the program."""

from __future__ import annotations

import os
import signal
import sys
import time
from functools import partial
from importlib.metadata import version
from pathlib import Path
from resource import RLIMIT_FSIZE, setrlimit
from tempfile import gettempdir

import pytest

import interpzoo
from interpzoo.cli.app import COMMANDS
from tests.cli.conftest import Cli, message_of, untrained
from tests.tiny import random_images


def test_version(cli: Cli) -> None:
    done = cli("--version")
    assert (done.returncode, done.stdout) == (0, f"interpzoo {version('interpzoo')}\n")


def test_help_names_every_command(cli: Cli) -> None:
    for arguments in ((), ("--help",), ("-h",)):
        done = cli(*arguments)
        assert (done.returncode, done.stderr) == (0, "")
        for command in COMMANDS:
            assert f"\n  {command} " in done.stdout


def test_help_of_every_command_has_usage(cli: Cli) -> None:
    for command in COMMANDS:
        done = cli(command, "--help")
        assert done.returncode == 0
        assert done.stdout.startswith(f"Usage: interpzoo {command} [OPTIONS]")


def test_usage_errors_are_one_line(cli: Cli) -> None:
    for arguments, expected in (
        (("lst",), "unknown command 'lst'. Did you mean 'list'? See 'interpzoo --help'."),
        (("--bogus",), "No such option '--bogus'. See 'interpzoo --help'."),
        (("show",), "Missing argument 'NAME'. See 'interpzoo show --help'."),
        (("list", "a", "b"), "Got unexpected extra argument (b): expected [PATTERN]. See 'interpzoo list --help'."),
        (("show", "a", "b"), "Got unexpected extra argument (b): expected NAME. See 'interpzoo show --help'."),
    ):
        assert cli.refuses(*arguments) == expected


def test_the_installed_command_is_the_same(cli: Cli) -> None:
    code = "import sys; from importlib.metadata import entry_points\n"
    code += "(script,) = entry_points(group='console_scripts', name='interpzoo')\n"
    done = cli.python("-c", code + "sys.argv = ['interpzoo', 'show', 'no-such-model']; script.load()()")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)


def test_a_fault_of_the_program_has_a_traceback(cli: Cli) -> None:
    done = cli.process("interpolate", "ae-tiny", "--interpolator", "faulty", "-o", "strip.png")
    assert done.returncode == 1
    assert "Traceback (most recent call last)" in done.stderr
    assert "KeyError: 'a fault of the program'" in done.stderr


@pytest.mark.parametrize("arguments", [("plugins",), ("show", "ae-tiny")])
def test_a_closed_pipe_ends_the_command_quietly(cli: Cli, arguments: tuple[str, ...]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    process = cli.start(*arguments, stdout=writer)
    os.close(writer)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (1, "")


def test_an_error_of_the_users_ends_the_process_with_one_line(cli: Cli, model: Path) -> None:
    os.truncate(model / "model.safetensors", 900)
    done = cli.process("interpolate", "./model", "-o", "x.png")
    assert "model.safetensors is not a whole safetensors file" in message_of(done)
    assert not (cli.folder / "x.png").exists()


@pytest.mark.usefixtures("model")
@pytest.mark.parametrize("name", ["x.png", "x.npy"])
def test_a_full_disk_keeps_the_old_file(cli: Cli, name: str) -> None:
    (cli.folder / name).write_text("the old one")
    done = cli.process("interpolate", "./model", "-o", name, preexec_fn=partial(setrlimit, RLIMIT_FSIZE, (512, 512)))
    assert message_of(done) == f"cannot write '{name}': File too large; the old file is unchanged"
    assert (cli.folder / name).read_text() == "the old one"
    assert not [*cli.folder.glob(".*")]


@pytest.mark.usefixtures("model")
def test_a_full_disk_for_temporary_files_is_named(cli: Cli) -> None:
    done = cli.process("demo", "./model", "-o", "page", preexec_fn=partial(setrlimit, RLIMIT_FSIZE, (4096, 4096)))
    assert message_of(done) == f"cannot write temporary files to {gettempdir()}: File too large"
    assert not (cli.folder / "page").exists()


def test_an_error_of_the_operating_system_is_one_line(cli: Cli) -> None:
    limit = "import resource, sys; from interpzoo.cli.app import run\n"
    limit += (
        "resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3)); sys.exit(run(['interpolate', 'ae-tiny', '-o', 'x.png']))"
    )
    done = cli.python("-c", limit)
    assert done.returncode == 2
    assert done.stderr.startswith("Error: ")


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc can be told so")
@pytest.mark.parametrize(("chosen", "kept"), [({}, True), ({"MALLOC_TRIM_THRESHOLD_": "131072"}, False)], ids=str)
def test_freed_memory_is_used_again_unless_the_user_chose(cli: Cli, chosen: dict[str, str], kept: bool) -> None:
    code = f"import os, resource; from interpzoo.cli.allocator import keep_freed_memory; os.environ.update({chosen})\n"
    code += "keep_freed_memory()\n"
    code += "def faults():\n    b'.' * 2**26\n    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
    code += "faults(); before = faults(); print(faults() - before)"
    done = cli.python("-c", code)
    assert (int(done.stdout) < 2**26 // 4096 // 10) is kept, done.stderr


def test_what_asks_a_command_to_end_leaves_nothing_half_written(cli: Cli, tmp_path: Path) -> None:
    for number, picture in enumerate(random_images(2, untrained().config.image)):
        interpzoo.save_image(tmp_path / f"{number}.png", picture)
    (tmp_path / "pairs.txt").write_text("0.png\n1.png\n" * 20_000)
    before = {*tmp_path.iterdir()}
    with (tmp_path / "pairs.txt").open() as pairs:
        process = cli.start("interpolate", "ae-tiny", "-", "-o", "walks", "--steps", "50", stdin=pairs)
    deadline = time.monotonic() + 60
    while {*tmp_path.iterdir()} == before and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert {*tmp_path.iterdir()} == before


def test_an_interruption_inside_text_that_is_run_has_the_same_exit_code(cli: Cli) -> None:
    """Dataclasses, for one, are made by running text."""
    code = "from interpzoo.cli import app, main\n"
    code += "app.run = lambda arguments: exec('raise KeyboardInterrupt')\n"
    (cli.folder / "interrupted.py").write_text(f"{code}main()\n")
    assert cli.python("-m", "interrupted").returncode == 130
