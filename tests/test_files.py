"""Files are written whole or not at all, whatever goes wrong."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import Any

import pytest

from interpzoo.decoding import open_image
from interpzoo.errors import InputError, InterpzooError, OutputError
from interpzoo.files import atomic_write, exchange, expanded, filled, folder_bytes, locked, made
from interpzoo.images import files_in
from interpzoo.onnx.files import read_description, read_file
from interpzoo.packs.pairs import pairs_of
from interpzoo.recipes import load_recipe
from interpzoo.scoring.reading import read_paths


def run(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=60)


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "result.json"
    path.write_text("old")
    return path


def test_the_old_file_is_replaced_only_at_the_end(old: Path) -> None:
    with atomic_write(old) as temporary:
        temporary.write_text("new")
        assert temporary.parent == old.parent
        assert temporary.suffix == ".tmp"
        assert old.read_text() == "old"
    assert old.read_text() == "new"
    assert os.listdir(old.parent) == [old.name]


@pytest.mark.parametrize("name", ["{}/x.bin", "~/x.bin"])
def test_a_new_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with atomic_write(name.format(tmp_path)) as temporary:
        temporary.write_bytes(b"\0" * 10)
    assert (tmp_path / "x.bin").read_bytes() == b"\0" * 10


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt(), InputError("mine")])
def test_errors_of_the_body_leave_the_old_file(old: Path, error: BaseException) -> None:
    def fail() -> None:
        with atomic_write(old) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(type(error)):
        fail()
    assert old.read_text() == "old"
    assert os.listdir(old.parent) == [old.name]


def test_a_full_disk(old: Path) -> None:
    done = run(
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))\n"
        "from interpzoo.errors import OutputError\n"
        "from interpzoo.files import atomic_write\n"
        "try:\n"
        "    with atomic_write('result.json') as temporary:\n"
        "        temporary.write_bytes(bytes(1 << 20))\n"
        "except OutputError as error:\n"
        "    print(error)\n",
        old.parent,
    )
    assert "cannot write 'result.json': File too large; the old file is unchanged" in done.stdout, done.stderr
    assert old.read_text() == "old"
    assert os.listdir(old.parent) == [old.name]


def test_a_killed_process_leaves_the_old_file(old: Path) -> None:
    done = run(
        "import os, signal\n"
        "from interpzoo.files import atomic_write\n"
        "with atomic_write('result.json') as temporary:\n"
        "    temporary.write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n",
        old.parent,
    )
    assert done.returncode == -signal.SIGKILL
    assert old.read_text() == "old"
    assert [name for name in os.listdir(old.parent) if not name.endswith(".tmp")] == [old.name]


def test_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"no folder .*absent"), atomic_write(tmp_path / "absent" / "x"):
        pass


@pytest.mark.parametrize("path", [os.devnull, "."])
def test_only_regular_files_are_replaced(path: str) -> None:
    with pytest.raises(OutputError, match="not a regular file"), atomic_write(path):
        pass
    assert not Path(path).is_file()


@pytest.mark.parametrize("name", ["/dev/stdout", "out.txt", "link"])
def test_standard_output_is_not_replaced(tmp_path: Path, name: str) -> None:
    """Also where it has another number than 1, as in the command line."""
    (tmp_path / "link").symlink_to("out.txt")
    code = """
import os, sys
from interpzoo.errors import OutputError
from interpzoo.files import atomic_write
sys.stdout = open(os.dup(1), "w")
os.dup2(2, 1)
try:
    with atomic_write(sys.argv[1]) as temporary:
        temporary.write_text("new")
except OutputError as error:
    print(error)
"""
    with (tmp_path / "out.txt").open("w") as out, (tmp_path / "err.txt").open("w") as err:
        subprocess.run([sys.executable, "-c", code, name], cwd=tmp_path, stdout=out, stderr=err, timeout=60, check=True)
    told = f"cannot write {name!r}: it is standard input, output or error: name another file\n"
    assert ((tmp_path / "out.txt").read_text(), (tmp_path / "err.txt").read_text()) == (told, "")


def test_link_is_followed_and_mode_kept(old: Path) -> None:
    old.chmod(0o640)
    link = old.with_name("link")
    link.symlink_to(old)
    with atomic_write(link) as temporary:
        temporary.write_text("new")
    assert link.is_symlink()
    assert old.read_text() == "new"
    assert stat.S_IMODE(old.stat().st_mode) == 0o640


def test_new_file_has_the_mode_that_open_gives(tmp_path: Path) -> None:
    (tmp_path / "usual").touch()
    with atomic_write(tmp_path / "atomic"):
        pass
    assert (tmp_path / "atomic").stat().st_mode == (tmp_path / "usual").stat().st_mode


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes of POSIX")
@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    ("read", "name"),
    [
        (open_image, "x.png"),
        (pairs_of, "x.csv"),
        (load_recipe, "x.toml"),
        (lambda name: read_description(Path(name).parent), "model.json"),
        (lambda name: read_file(Path(name).parent, "x.onnx", ""), "x.onnx"),
        *((lambda name: read_paths("x", name), f"x.{suffix}") for suffix in ("npy", "gif", "mp4")),
    ],
)
def test_a_pipe_without_a_writer_is_not_waited_for(read: Callable[[str], Any], name: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(InterpzooError, match=f"{name}.*it is not a regular file"):
        read(os.fspath(tmp_path / name))


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("a\0b", "is not a path: it holds a null character"),
        ("\ud800", "is not a path: "),
        (Path("a", "b" * 300), "a name in it has 300 bytes, expected at most 255"),
        (3, "3 is not a path"),
    ],
)
def test_what_no_file_system_can_name_is_not_a_path(path: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        expanded(path)


@pytest.mark.parametrize("n", range(3))
@pytest.mark.parametrize(
    "work",
    [filled, made, lambda path: nullcontext(exchange(path.parent, {"name": b""}, ()))],
    ids=["filled", "made", "exchange"],
)
def test_an_interruption_as_a_folder_is_made_leaves_none(
    work: Callable[[Path], AbstractContextManager[Any]], n: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process is interrupted when the n-th folder has just been made."""
    mkdir, left = os.mkdir, [None] * n

    def interrupted(*args: Any, **kwargs: Any) -> None:
        mkdir(*args, **kwargs)
        if not left:
            raise KeyboardInterrupt
        left.pop()

    monkeypatch.setattr(os, "mkdir", interrupted)
    with suppress(KeyboardInterrupt), work(tmp_path / "new"):
        raise KeyboardInterrupt
    assert not any(path.is_dir() for path in tmp_path.iterdir())


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="links of POSIX")
def test_links_that_lead_nowhere_are_no_images_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    (tmp_path / "loop.png").symlink_to("loop.png")
    (tmp_path / "gone.png").symlink_to("not-there.png")
    assert files_in(tmp_path) == [os.fspath(tmp_path / "a.png")]
    (tmp_path / "a.png").write_bytes(b"123")
    assert folder_bytes(tmp_path) == 3


def test_a_folder_is_locked_for_one_at_a_time(tmp_path: Path) -> None:
    with locked(tmp_path), locked(tmp_path, wait=True):
        code = "from pathlib import Path; from interpzoo.files import locked\nwith locked(Path()): pass"
        assert "OutputError: another process is writing to '.': wait until it has ended" in run(code, tmp_path).stderr
    assert not os.listdir(tmp_path)


def test_a_killed_process_keeps_nobody_out(tmp_path: Path) -> None:
    code = """
import os, signal
from pathlib import Path
from interpzoo.files import locked
with locked(Path()), locked(Path(), wait=True):
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert run(code, tmp_path).returncode == -signal.SIGKILL
    assert len(os.listdir(tmp_path)) == 2
    with locked(tmp_path), locked(tmp_path, wait=True):
        pass
    assert not os.listdir(tmp_path)
