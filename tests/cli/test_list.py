"""``interpzoo list``."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from dataclasses import replace

from tests.cli.conftest import Cli

HERE, FAR = "ae-tiny", "vae-far"


def listed(cli: Cli, *arguments: str) -> list[str]:
    """Names of the models of the demo plugin that are listed."""
    rows = json.loads(cli("list", "--json", *arguments).stdout)
    return [row["name"] for row in rows if row["plugin"] == "demo"]


def test_columns_are_aligned_and_say_where_a_model_is(cli: Cli) -> None:
    done = cli("list")
    assert (done.returncode, done.stderr) == (0, "")
    header, *rows = done.stdout.splitlines()
    assert header.split() == ["NAME", "METHOD", "DATA", "LICENSE", "WHERE", "SUMMARY"]
    here = next(row for row in rows if row.startswith(HERE))
    far = next(row for row in rows if row.startswith(FAR))
    for column, own, other in (
        ("METHOD", "ae ", "vae "),
        ("DATA", "lines", "celeba"),
        ("LICENSE", "apache-2.0", "other"),
        ("WHERE", "bundled, ", "Hub "),
        ("SUMMARY", "A small autoencoder of lines that was never", "A model that is on the Hub only."),
    ):
        at = header.index(column)
        assert here[at:].startswith(own)
        assert far[at:].startswith(other)
    # In a pipe nothing is cut.
    assert here.endswith("for tests of the command line.")


def test_json_holds_everything_that_is_registered(cli: Cli) -> None:
    rows = {row["name"]: row for row in json.loads(cli("list", "--json").stdout)}
    folder = cli.site / "interpzoo_demo" / "model_cards" / HERE
    assert rows[HERE] == {
        "name": HERE,
        "method": "ae",
        "dataset": "lines",
        "license": "apache-2.0",
        "summary": "A small autoencoder of lines that was never trained, for tests of the command line.",
        "plugin": "demo",
        "bundled": True,
        "bytes": sum(file.stat().st_size for file in folder.iterdir()),
        "repository": None,
        "revision": None,
    }
    assert (rows[FAR]["bundled"], rows[FAR]["bytes"], rows[FAR]["repository"]) == (False, None, "someone/vae-far")


def test_pattern_and_filters(cli: Cli) -> None:
    for arguments, expected in (
        ((), [HERE, FAR]),
        (("ae-t*",), [HERE]),
        (("*-???",), [FAR]),
        (("--method", "ae"), [HERE]),
        (("--dataset", "celeba"), [FAR]),
        (("--license", "other", "--method", "ae"), []),
    ):
        assert listed(cli, *arguments) == expected


def test_no_match_is_reported_on_stderr_and_is_not_an_error(cli: Cli) -> None:
    done = cli("list", "no-such-*")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "No pretrained model matches.\n")
    assert json.loads(cli("list", "no-such-*", "--json").stdout) == []


def test_on_a_terminal_every_line_fits(cli: Cli) -> None:
    ours, theirs = pty.openpty()
    process = replace(cli, variables={"COLUMNS": "90"}).start("list", "*-tiny", stdout=theirs, stderr=subprocess.STDOUT)
    os.close(theirs)
    text = b""
    while chunk := _read(ours):
        text += chunk
    os.close(ours)
    assert process.wait(60) == 0
    rows = text.decode().splitlines()
    assert len(rows) == 2
    assert all(len(row) <= 90 for row in rows)
    assert rows[1].endswith("...")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 1 << 16)
    except OSError:  # Linux says so where the other end has closed
        return b""
