"""The folder of the page: whole, replaced, and never in place of something else."""

from __future__ import annotations

import base64
import errno
import gzip
import json
import os
import re
import socket
import struct
import threading
import time
import urllib.request
from collections.abc import Callable
from http.client import HTTPConnection
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import interpzoo
import interpzoo.demo.folder
import interpzoo.demo.groups
import interpzoo.demo.serve
import interpzoo.files
from interpzoo.cli.app import run
from interpzoo.config import Component
from interpzoo.demo import write_demo
from interpzoo.demo.folder import SITE, demo_files, site_file
from interpzoo.demo.serve import address, server
from interpzoo.errors import InputError, OutputError
from interpzoo.interfaces import Interpolator, LatentModel
from interpzoo.model import InterpolationModel
from interpzoo.registry import Kind
from tests.browsing import serving
from tests.tiny import random_images, tiny_model


@pytest.fixture(autouse=True)
def quick_export(monkeypatch: pytest.MonkeyPatch) -> None:
    """An export that writes no networks, as torch takes seconds to."""

    def export(self: InterpolationModel, target: str | Path) -> Path:
        if self.config.image.channels == 1 and self.config.image.width == 20:
            raise InputError(f"{self.name!r} cannot be exported")
        folder = Path(target)
        folder.mkdir()
        for kind in ("encoder", "decoder"):
            (folder / f"{kind}.onnx").write_text(f"{kind} of {self.name}")
        return folder

    monkeypatch.setattr(InterpolationModel, "export", export)


def named(name: str, **options: Any) -> InterpolationModel:
    model = tiny_model(**options)
    model.config = model.config.model_copy(update={"name": name})
    model.examples = model.encode(random_images(5, model.config.image)).detach()
    return model


def parts(script: Path) -> dict[str, bytes]:
    """The content that a script brings."""
    found = re.findall(r'^interpzoo\.part\("([^"]+)", "([^"]+)"\);$', script.read_text(), re.MULTILINE)
    return {name: gzip.decompress(base64.b64decode(content)) for name, content in found}


def test_the_folder_holds_the_page_the_models_and_an_index(tmp_path: Path) -> None:
    first, second, other = named("first"), named("second", seed=1), named("other", channels=3)
    folder = write_demo([first, second, other], tmp_path / "page")
    index = json.loads(parts(folder / "index.js")["index"])
    assert [[card["name"] for card in group["models"]] for group in index["groups"]] == [["first", "second"], ["other"]]
    assert first.examples is not None
    pictures = [np.frombuffer(base64.b64decode(p), np.uint8) for p in index["groups"][0]["pictures"]]
    shown = torch.from_numpy(np.stack(pictures).reshape(5, 1, 16, 16).copy())
    assert torch.allclose(shown / 255, first.decode(first.examples).clamp(0, 1), atol=0.51 / 255)
    assert parts(folder / "models/second.js")["second/decoder"] == b"decoder of second"
    assert parts(folder / "models/second.encoder.js") == {"second/encoder": b"encoder of second"}
    codes = np.frombuffer(parts(folder / "models/second.js")["second/codes"], "<f4").reshape(-1, 2 * 4 * 4)
    assert np.allclose(codes[:5], second.encode(shown).detach().flatten(1).numpy(), atol=1e-6)
    assert np.allclose(codes[5], codes[:5].mean(0), atol=1e-6)
    assert all((folder / name).read_bytes() == site_file(name) for name in SITE)


@pytest.mark.parametrize(("most", "places"), [(2**20, 201), (50 * 256, 41), (256, None)])
def test_the_first_walk_is_written_as_far_as_its_size_allows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int, places: int | None
) -> None:
    monkeypatch.setattr(interpzoo.demo.groups, "_MOST_VALUES", most)
    model = named("first")
    model.config = model.config.model_copy(update={"interpolator": Component(name="slerp")})
    folder = write_demo([model], tmp_path / "page")
    (group,) = json.loads(parts(folder / "index.js")["index"])["groups"]
    assert group["line"] == "slerp"
    assert group["models"][0]["written"] == (None if places is None else [9, places])
    assert (folder / "models/first.frames.js").exists() == (places is not None)
    if places is None:
        return
    a, b = (
        torch.from_numpy(np.frombuffer(base64.b64decode(p), np.uint8).reshape(1, 16, 16) / np.float32(255))
        for p in group["pictures"][:2]
    )
    differences = np.frombuffer(parts(folder / "models/first.frames.js")["first/frames"], np.uint8)
    frames = torch.from_numpy(differences.reshape(9 + places, 1, 16, 16).cumsum(0, dtype=np.uint8) / np.float32(255))
    t = [*np.linspace(0, 1, 9), *np.linspace(-0.5, 1.5, places)]
    assert torch.allclose(frames, model.interpolate(a, b, t=t, interpolator="slerp").clamp(0, 1), atol=0.51 / 255)


class Bent(Interpolator):
    def __call__(self, z0: Tensor, z1: Tensor, t: Tensor, *, model: LatentModel) -> Tensor:
        return torch.stack([z0 + z1 for _ in t], 1)


@pytest.mark.parametrize("name", ["linear", "slerp", "bent"])
def test_a_plugins_path_is_not_taken_for_ours_of_the_same_name(
    tmp_path: Path, register_mine: Callable[[Kind, str, type], None], name: str
) -> None:
    model = named("first")
    register_mine("interpolator", name, Bent)
    model.config = model.config.model_copy(update={"interpolator": Component(name=f"mine:{name}")})
    with pytest.warns(UserWarning, match="needs Python"):
        folder = write_demo([model], tmp_path / "page")
    (group,) = json.loads(parts(folder / "index.js")["index"])["groups"]
    assert group["line"] == "linear"
    assert group["models"][0]["path"] == ("bent" if name == "bent" else f"mine:{name}")


def test_a_path_that_needs_python_is_warned_of(tmp_path: Path) -> None:
    bent = named("bent")
    bent.config = bent.config.model_copy(update={"interpolator": Component(name="mixup")})
    with pytest.warns(UserWarning, match="the page shows") as raised:
        folder = write_demo(["metamorphosis", bent, named("plain")], tmp_path / "page")
    assert [str(warning.message) for warning in raised] == [
        "the page shows a plain cross-fade for 'metamorphosis': the model's own path, metamorphosis, needs Python",
        "the page shows a straight line or a great circle for 'bent': the model's own path, mixup, needs Python",
    ]
    groups = json.loads(parts(folder / "index.js")["index"])["groups"]
    assert [card["fades"] for group in groups for card in group["models"]] == [True, False, False]


def test_figures_of_the_models_own_images_come_with_its_encoder(tmp_path: Path) -> None:
    model = interpzoo.load("acai-mnist")
    assert model.fitness is not None
    folder = write_demo([model, named("plain")], tmp_path / "page")
    values = np.frombuffer(parts(folder / "models/acai-mnist.encoder.js")["acai-mnist/fitness"], "<f4")
    count = model.fitness.whitening.shape[0]
    assert np.array_equal(values[32 * count : -1].reshape(count, count), model.fitness.whitening.numpy())
    assert values[-1] == float(model.fitness.limit)
    groups = json.loads(parts(folder / "index.js")["index"])["groups"]
    assert [card["fitness"] for group in groups for card in group["models"]] == [True, False]


def test_it_tells_how_many_models_are_done(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    models = [named("first"), named("odd", size=(20, 20)), named("second", seed=1)]
    write_demo(models, tmp_path, skipped=lambda *_: None, progress=lambda *call: calls.append(call))
    assert calls == [(0, 3), (1, 3), (2, 3), (3, 3)]


def test_a_page_is_replaced_by_another(tmp_path: Path) -> None:
    write_demo([named("first")], tmp_path)
    write_demo([named("second")], tmp_path)
    assert {path.name for path in demo_files(tmp_path)} == {
        *SITE,
        "index.js",
        "second.js",
        "second.encoder.js",
        "second.frames.js",
    }
    assert {path.name for path in tmp_path.iterdir()} == {*SITE, "index.js", "models"}


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"already holds 'models/notes\.txt'"):
        write_demo([named("first")], tmp_path)
    assert [path.name for path in tmp_path.rglob("*")] == ["models", "notes.txt"]
    with pytest.raises(OutputError, match=r"cannot write '.*notes\.txt': Not a directory"):
        write_demo([named("first")], tmp_path / "models" / "notes.txt")


def test_only_what_is_surely_a_page_is_replaced(tmp_path: Path) -> None:
    """Its names are those of many pages."""
    (tmp_path / "site" / "models").mkdir(parents=True)
    for name in ("index.html", "style.css", "models/app.js"):
        (tmp_path / "site" / name).write_text(f"my {name}")
    for gone, named_in_message in (("", "models/app.js"), ("models/app.js", "index.html"), ("index.html", "style.css")):
        (tmp_path / "site" / gone).unlink() if gone else None
        before = sorted(tmp_path.rglob("*"))
        with pytest.raises(OutputError, match=f"already holds '{named_in_message}': choose an empty or a new folder"):
            write_demo([named("first")], tmp_path / "site")
        assert sorted(tmp_path.rglob("*")) == before
    (tmp_path / "library").mkdir()
    (tmp_path / "library" / "a.js").write_text("mine")
    (tmp_path / "page").mkdir()
    (tmp_path / "page" / "models").symlink_to(tmp_path / "library")
    with pytest.raises(OutputError, match="holds the link 'models', which may lead anywhere"):
        write_demo([named("first")], tmp_path / "page")
    assert (tmp_path / "library" / "a.js").read_text() == "mine"


@pytest.mark.parametrize("is_new", [True, False])
def test_a_full_disk_leaves_the_old_page_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_new: bool) -> None:
    page = tmp_path / "page"
    if not is_new:
        write_demo([named("first")], page)
    before = {path: path.is_file() and path.read_bytes() for path in tmp_path.rglob("*")}

    def full(path: Path, content: bytes) -> None:
        if path.name == "runtime.js":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        path.write_bytes(content)

    monkeypatch.setattr(interpzoo.files, "write_flushed", full)
    kept = "$" if is_new else "; the old files are unchanged$"
    with pytest.raises(OutputError, match=rf"cannot write '{page}/runtime\.js': No space left on device{kept}"):
        write_demo([named("second")], page)
    assert {path: path.is_file() and path.read_bytes() for path in tmp_path.rglob("*")} == before


def test_what_cannot_be_shown_says_why_and_writes_nothing(tmp_path: Path) -> None:
    target, odd = tmp_path / "page", named("odd", size=(20, 20))
    for models, message in (
        ([], "there are no models"),
        ([odd], "'odd' cannot be exported"),
        ([named("two", channels=2)], "2 channels"),
        ([named("same"), named("same", seed=1)], "two models are named 'same'"),
        (3, "models = 3: expected"),
    ):
        with pytest.raises(InputError, match=message):
            write_demo(models, target)  # pyright: ignore[reportArgumentType]
    assert not target.exists()
    skipped: list[str] = []
    write_demo([odd, named("first")], target, skipped=lambda name, error: skipped.append(f"{name}: {error}"))
    assert skipped == ["odd: 'odd' cannot be exported"]


def test_a_folder_without_an_index_is_not_a_page(tmp_path: Path) -> None:
    write_demo([named("first")], tmp_path)
    (tmp_path / "index.js").unlink()
    with pytest.raises(InputError, match=r"has no index\.js: expected a folder that interpzoo demo wrote"):
        demo_files(tmp_path)


def asked(port: int, path: str, host: str = "localhost") -> tuple[int, bytes]:
    """What the server answers to a path: a status and its content."""
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path, headers={"Host": host})
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_the_server_gives_only_its_files_and_only_to_this_machine(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "page"
    (folder / "models").mkdir(parents=True)
    for file in (folder / "index.html", folder / "models" / "a.js", tmp_path / "secret"):
        file.write_text("x")
    (folder / "out").symlink_to(tmp_path / "secret")
    (folder / "up").symlink_to(tmp_path)
    (folder / "loop").symlink_to("loop")
    with serving(folder) as served:
        port = served.server_address[1]
        for path in ("/", "/index.html", "/models/a.js"):
            assert asked(port, path) == (200, b"x")
        for path in ("/models/", "/models", "/out", "/up/secret", "/loop", "/%00", "/" + "x" * 300, "/../secret"):
            status, content = asked(port, path)
            assert status in (301, 404), path
            assert b"a.js" not in content
            assert content != b"x"
        for host in ("localhost:80", f"127.0.0.1:{port}", "[::1]", "LOCALHOST"):
            assert asked(port, "/", host)[0] == 200
        for host in ("evil.example", "localhost.evil.example:8000", "[::1"):
            status, content = asked(port, "/", host)
            assert (status, f"at http://127.0.0.1:{port}/ only".encode() in content) == (421, True)
    assert capsys.readouterr().err == ""


def test_clients_that_leave_or_say_nothing_do_not_matter(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "index.html").write_bytes(bytes(1 << 24))
    monkeypatch.setattr("interpzoo.demo.serve._Handler.timeout", 0.1)
    before = threading.active_count()
    with serving(tmp_path) as served:
        port = served.server_address[1]
        silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]
        with socket.create_connection(("127.0.0.1", port)) as gone:
            gone.sendall(b"GET / HTTP/1.0\r\n\r\n")
            gone.recv(1)
            gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # closed with a reset
        ended = time.monotonic() + 10
        while threading.active_count() > before + 1 and time.monotonic() < ended:
            time.sleep(0.05)
        assert threading.active_count() <= before + 1
        for connection in silent:
            connection.close()
    assert capsys.readouterr().err == ""


def test_a_browser_that_waits_for_the_page_gets_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "index.html").write_text("x")
    served, seen = server(tmp_path), list[bytes]()

    def browser(url: str) -> bool:
        with urllib.request.urlopen(url, timeout=5) as answer:
            seen.append(answer.read())
        served.shutdown()
        return True

    monkeypatch.setattr("webbrowser.open", browser)
    interpzoo.demo.serve.show(served)
    assert seen == [b"x"]


def test_the_server_isolates_the_page(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("the page")
    with serving(tmp_path) as served:
        with urllib.request.urlopen(address(served), timeout=10) as answer:
            assert answer.read() == b"the page"
            assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
            assert answer.headers["Cross-Origin-Embedder-Policy"] == "require-corp"
        with pytest.raises(OutputError, match="cannot serve at"):
            server(tmp_path, served.server_address[1])


def test_the_command_writes_and_opens_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    named("first").save_pretrained(tmp_path / "model")
    opened: list[str] = []

    def show(of: ThreadingHTTPServer) -> None:
        opened.append(address(of))
        of.server_close()

    monkeypatch.setattr(interpzoo.demo.serve, "show", show)
    assert run(["demo", "./model", "--open"]) == 0
    said = capsys.readouterr().out
    assert re.match(r"interpzoo-demo/index\.html: \d\.\d MB with first\n", said)
    assert [f"{opened[0]}: press Ctrl+C to stop"] == said.splitlines()[1:]
    assert (tmp_path / "interpzoo-demo" / "models" / "first.js").is_file()


def test_the_command_skips_what_a_wildcard_finds_and_refuses_what_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def load(name: str) -> InterpolationModel:
        return named(name, size=(20, 20) if name == "aeai-lines" else (16, 16))

    monkeypatch.setattr(interpzoo.demo.folder, "load", load)
    assert run(["demo", "a?ai-lines", "ae*-lines", "-o", str(tmp_path / "page")]) == 0
    out, err = capsys.readouterr()
    assert "with acai-lines, ae-lines\n" in out
    assert err == "aeai-lines is skipped: 'aeai-lines' cannot be exported\n"
    assert run(["demo", "aeai-lines", "acai-lines", "-o", str(tmp_path / "other")]) == 2
    assert not (tmp_path / "other").exists()
