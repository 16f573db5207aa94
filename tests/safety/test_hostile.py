"""Hostile folders and repositories: each is refused with a clear error, runs no code and uses little memory."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from interpzoo import load
from interpzoo.cli.app import group
from interpzoo.errors import ConfigError, InterpzooError, WeightsError
from interpzoo.pretrained.card import read_results
from interpzoo.pretrained.folder import read_hashes
from tests.hub.warm import RefusedError, Warm
from tests.hubserver import Hub
from tests.safety.hostile import LISTS, REPOSITORIES, WEIGHTS, Files, good, pickled, sealed

MOST_GROWTH = 200e6
"""Bytes by which the resident memory may grow while a hostile repository is refused."""

MEASURED_LOAD = """
import interpzoo

def memory(field):
    lines = open("/proc/self/status").read().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(field))

open("/proc/self/clear_refs", "w").write("5")  # the peak is counted from here
before = memory("VmRSS")
try:
    interpzoo.load(name, cache_dir=cache)
except interpzoo.InterpzooError as error:
    message = f"{type(error).__name__}: {error}"
else:
    message = "loaded"
result = [message, memory("VmHWM") - before]
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """The files of a valid folder."""
    return good(tmp_path_factory.mktemp("good") / "model")


def write(folder: Path, files: Files) -> Path:
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def test_the_folder_is_valid_before_it_is_changed(files: Files, process: Warm, tmp_path: Path) -> None:
    folder = write(tmp_path / "model", sealed(files))
    message, growth = process(MEASURED_LOAD, name=str(folder), cache=None)
    assert message == "loaded"
    assert 0 < growth < MOST_GROWTH


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the peak of a process's memory is read there")
@pytest.mark.parametrize("where", ["folder", "hub"])
@pytest.mark.parametrize("kind", REPOSITORIES)
def test_a_hostile_repository_is_refused_in_bounded_memory(
    hub: Hub, process: Warm, files: Files, tmp_path: Path, kind: str, where: str
) -> None:
    hostile = REPOSITORIES[kind]
    changed = sealed(hostile.change(files))
    if where == "folder":
        name = str(write(tmp_path / "model", changed))
    else:
        name = "user/repo"
        hub.add_repo(name, changed)
    message, growth = process(MEASURED_LOAD, name=name, cache=str(tmp_path / "cache"))
    assert hostile.expected in message
    assert message.startswith(("ConfigError", "WeightsError", "UnknownNameError", "PluginError", "HubError"))
    assert len(message) < 2000
    assert growth < MOST_GROWTH


@pytest.mark.parametrize("where", ["folder", "hub"])
def test_a_pickle_named_as_weights_is_not_unpickled(
    hub: Hub, process: Warm, files: Files, tmp_path: Path, where: str
) -> None:
    witness = tmp_path / "boom"
    changed = sealed({**files, WEIGHTS: pickled(witness)})
    name = str(write(tmp_path / "model", changed)) if where == "folder" else "user/repo"
    hub.add_repo("user/repo", changed)
    with pytest.raises(RefusedError, match="is not a whole safetensors file"):
        process.load(name, cache_dir=str(tmp_path / "cache"))
    assert not witness.exists()


@pytest.mark.parametrize("kind", LISTS)
def test_an_invalid_list_of_hashes_is_refused(hub: Hub, process: Warm, files: Files, tmp_path: Path, kind: str) -> None:
    changed = {**files, "SHA256SUMS": LISTS[kind]}
    with pytest.raises(WeightsError, match="SHA256SUMS"):
        read_hashes(write(tmp_path / "model", changed))
    hub.add_repo("user/repo", changed)
    with pytest.raises(RefusedError, match="SHA256SUMS"):
        process.load("user/repo", cache_dir=str(tmp_path / "cache"))


def test_paths_outside_the_folder_are_never_downloaded(hub: Hub, process: Warm, files: Files, tmp_path: Path) -> None:
    strangers = ["../../evil.txt", "/etc/evil", "..\\..\\evil.txt", "a/../../../evil", "model.safetensors/evil"]
    hub.add_repo("user/repo", {**files, **dict.fromkeys(strangers, b"evil")})
    hub.requests.clear()
    process.load("user/repo", cache_dir=str(tmp_path / "a" / "cache"))
    assert not [request.path for request in hub.requests if "evil" in request.path]
    assert not [path for path in tmp_path.rglob("*") if "evil" in path.name]


# Files that are no files


@pytest.mark.parametrize("name", ["config.json", WEIGHTS, "examples.safetensors", "codes.safetensors", "SHA256SUMS"])
@pytest.mark.parametrize("kind", ["link", "link to a device", "pipe", "folder"])
def test_only_regular_files_are_read(files: Files, tmp_path: Path, name: str, kind: str) -> None:
    """A link may lead anywhere, a pipe blocks, and a device never ends."""
    folder = write(tmp_path / "model", sealed(files))
    (folder / name).unlink()
    if kind == "pipe":
        os.mkfifo(folder / name)
    elif kind == "folder":
        (folder / name).mkdir()
    else:
        (folder / name).symlink_to("/dev/zero" if kind == "link to a device" else "/etc/hostname")
    reasons = "is a link|cannot be read: (it is not a regular file|Is a directory)"
    with pytest.raises(InterpzooError, match=f"{re.escape(str(folder / name))} ({reasons})|has no "):
        load(folder)


def test_a_link_within_the_folder_is_refused(files: Files, tmp_path: Path) -> None:
    folder = write(tmp_path / "model", files)
    (folder / WEIGHTS).rename(folder / "weights")
    (folder / WEIGHTS).symlink_to("weights")
    with pytest.raises(WeightsError, match=r"model\.safetensors is a link: put the file itself there"):
        load(folder)


def test_the_links_of_the_clients_cache_are_followed(hub: Hub, process: Warm, files: Files, tmp_path: Path) -> None:
    hub.add_repo("user/repo", files)
    process.load("user/repo", cache_dir=str(tmp_path / "cache"))
    (snapshot,) = (tmp_path / "cache").rglob("snapshots/*")
    assert any(path.is_symlink() for path in snapshot.iterdir())
    assert load(snapshot).config.name == "ae-tiny"


# Cards, which `show` reads


def _laughs(depth: int) -> str:
    """Each line names the one before ten times: 10^depth words in a few hundred bytes."""
    lines = ["a0: &a0 [ha, ha, ha, ha, ha, ha, ha, ha, ha, ha]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, depth)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    "metadata",
    [
        "license: !!python/object/apply:os.system ['touch boom']",
        "license: [mit",
        "- a\n- list",
        f"model-index: {'[' * 5000}",
        "model-index: 5",
        f"{_laughs(12)}\nmodel-index: *a11",
        "model-index:\n- name: x\n  results: 7",
    ],
    ids=[
        "an object",
        "invalid YAML",
        "a list",
        "deep nesting",
        "a number",
        "a billion laughs",
        "results of another type",
    ],
)
def test_invalid_metadata_is_refused(
    tmp_path: Path, files: Files, metadata: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = write(tmp_path / "model", {**files, "README.md": f"---\n{metadata}\n---\n# A model\n".encode()})
    with pytest.raises(ConfigError, match=r"README\.md has ") as refused:
        read_results(folder)
    assert len(str(refused.value)) < 2000
    assert not (tmp_path / "boom").exists()


def test_a_card_of_two_megabytes_is_not_read(tmp_path: Path, files: Files) -> None:
    folder = write(tmp_path / "model", {**files, "README.md": b"x" * (2 << 20)})
    with pytest.raises(ConfigError, match=r"README\.md has 2,097,152 bytes, expected at most 1,048,576"):
        read_results(folder)


def test_terminal_control_sequences_are_escaped(tmp_path: Path, files: Files) -> None:
    summary = "\x1b[2J\x1b]0;owned\x07 \u009b31m A model"
    config = json.loads(files["config.json"]) | {"summary": summary, "limitations": summary, "license": "\x1b[31m"}
    folder = write(tmp_path / "model", {**files, "config.json": json.dumps(config).encode()})
    shown = CliRunner().invoke(group, ["show", str(folder)])
    assert shown.exit_code == 0
    assert "\\x1b[2J\\x1b]0;owned\\x07 \\x9b31m A model" in shown.output
    assert not {"\x1b", "\x07", "\u009b"} & set(shown.output)
