"""Servers and caches of strangers: what they do ends in an error of this package or the right model, within limits."""

from __future__ import annotations

import gzip
import os
import re
import stat
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import torch

import interpzoo
from interpzoo.errors import InterpzooError, WeightsError
from interpzoo.pretrained import client, remote
from interpzoo.pretrained.download import fetch
from interpzoo.pretrained.folder import CODES, FILES, SUMS
from interpzoo.pretrained.locate import locate
from interpzoo.pretrained.reading import sha256
from interpzoo.pretrained.remote import MOST_LISTING_BYTES
from tests.hub.misbehaving import COMMIT, ENDLESS, LISTING, Handler, Server, Trick, answer, endless, listing
from tests.tiny import files_of, tiny_model

pytestmark = pytest.mark.timeout(20)

CHECKED = ("config.json", SUMS, "model.safetensors")
TOKEN = "hf_secret_of_the_test"
SECRET = "the text of a secret file"
UNDER_WAY = 8 << 20
"""Bytes that may be on their way in the buffers of a connection, at most."""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A pretrained folder without training codes."""
    return files_of(tiny_model(examples=4).save_pretrained(tmp_path_factory.mktemp("made") / "model"))


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def victim(tmp_path: Path) -> Iterator[Path]:
    """A file beside the cache; it must stay as it is, and nothing may come to lie beside it."""
    path = tmp_path / "victim.txt"
    path.write_text(SECRET)
    yield path
    assert path.read_text() == SECRET
    assert {entry.name for entry in tmp_path.iterdir()} <= {"victim.txt", "cache"}


@pytest.fixture
def server(files: dict[str, bytes], cache: Path, victim: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """The server, which this process takes for the Hub."""
    with Server(files, cache) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        template = server.endpoint + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", server.endpoint)
        monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(client, "_WAITS", (0.01, 0.01))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
        yield server
        server.shutdown()


def access(cache: Path) -> client.Access:
    return client.Access(cache, token=TOKEN)


def outcome(server: Server, name: str = "user/repo") -> str:
    """The message of the error that a download ends in, or ``""`` for the right files."""
    try:
        folder = locate(name, access=access(server.cache)).path
    except InterpzooError as error:
        message = str(error)
    else:
        assert files_of(folder) == server.files
        return ""
    assert message.isprintable()
    assert SECRET not in message
    assert TOKEN not in message
    return message


# Answers without an end


BODIES: dict[str, Trick] = {
    "the content, then more, without a length": answer(then=endless()),
    "zeros without a length": answer(b"", then=endless()),
    "the content, then more, of 3 GiB": answer(then=endless(), length=3 << 30),
    "zeros of 3 GiB": answer(b"", then=endless(), length=3 << 30),
    "chunks": answer(b"", then=endless(b"40000\r\n" + bytes(1 << 18) + b"\r\n"), Transfer_Encoding="chunked"),
    "a gzip bomb": answer(gzip.compress(bytes(1 << 20)), then=endless(), Content_Encoding="gzip"),
}


@pytest.mark.parametrize("kind", BODIES)
@pytest.mark.parametrize("name", CHECKED)
def test_a_body_without_an_end_is_cut_at_its_listed_size(
    server: Server, files: dict[str, bytes], name: str, kind: str
) -> None:
    server.tricks[name] = BODIES[kind]
    message = outcome(server)
    assert bool(message) is (kind != "the content, then more, without a length"), message
    assert server.largest <= max(map(len, files.values())) + (1 << 16)
    assert server.sent[name] <= 2 * UNDER_WAY < ENDLESS  # one that is damaged is fetched twice


@pytest.mark.parametrize("kind", BODIES)
def test_a_body_without_a_listed_size_is_cut_at_the_limit_of_its_kind(server: Server, kind: str) -> None:
    server.tricks[LISTING] = listing(lambda value: [one.pop("size") for one in value["siblings"]])
    server.tricks["config.json"] = BODIES[kind]
    assert outcome(server)
    assert server.largest <= (1 << 20) + (1 << 16)
    assert server.sent["config.json"] <= UNDER_WAY


def test_weights_without_a_listed_size_are_cut_at_what_the_config_says(server: Server) -> None:
    """A server could otherwise fill the disk with the 8 GiB that any model may have."""
    server.tricks[LISTING] = listing(lambda value: [one.pop("size") for one in value["siblings"]])
    server.tricks["model.safetensors"] = answer(b"", then=endless())
    assert "the Hub sends more than 1," in outcome(server)
    assert server.largest <= 2 << 20
    assert server.sent["model.safetensors"] <= UNDER_WAY


def test_weights_without_a_listed_size_arrive(server: Server) -> None:
    server.tricks[LISTING] = listing(lambda value: [one.pop("size") for one in value["siblings"]])
    assert outcome(server) == ""


def drip(handler: Handler) -> None:
    """One byte of the headers now and then, forever."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    for number in range(1000):
        handler.wfile.write(b"x" if number % 50 else b"X-Slow: ")
        time.sleep(0.05)


@pytest.mark.parametrize("name", [LISTING, *CHECKED])
def test_headers_that_never_end_are_given_up(server: Server, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No read waits long, so only a limit on the whole ends it."""
    monkeypatch.setattr(remote, "LOOK_UP_SECONDS", 0.3)
    monkeypatch.setattr(remote, "LEAST_RATE", 1e9)
    server.tricks[name] = drip
    start = time.monotonic()
    assert "the Hub is too slow: " in outcome(server)
    assert time.monotonic() - start < 5


LISTINGS: dict[str, Trick] = {
    "zeros": answer(b"", then=endless()),
    "spaces": answer(then=endless(b" " * (1 << 16))),
    "files": answer(b'{"siblings": [', then=endless(b'{"rfilename": "x"},' * 4096)),
    "of 3 GiB": answer(then=endless(), length=3 << 30),
    "a gzip bomb": answer(gzip.compress(bytes(1 << 24)), Content_Encoding="gzip"),
    "a gzip bomb of unknown name": answer(gzip.compress(bytes(1 << 24)), Content_Encoding="x-gzip"),
    "brackets": answer(b"[" * (1 << 20)),
}


@pytest.mark.parametrize("kind", LISTINGS)
def test_a_listing_without_an_end_is_refused(server: Server, kind: str) -> None:
    server.tricks[LISTING] = LISTINGS[kind]
    assert outcome(server)
    assert server.sent[LISTING] <= MOST_LISTING_BYTES + UNDER_WAY


# Errors


ERRORS: dict[str, Callable[..., Trick]] = {
    "text without an end": partial(answer, b"", then=endless(b"text " * 10000), Content_Type="text/plain"),
    "zeros of 3 GiB": partial(answer, b"", then=endless(), length=3 << 30),
    "a gzip bomb": partial(answer, gzip.compress(bytes(1 << 24)), Content_Encoding="gzip"),
    "escapes": partial(
        answer, b"\x1b[2J\x1b]0;title\x07 \xe2\x80\xae\xc2\x9b31m", Content_Type="text/plain; charset=utf-8"
    ),
    "escapes in JSON": partial(answer, b'{"error": "\\u001b[2J\\u202e\\nfake"}', Content_Type="application/json"),
    "escapes in the headers": partial(answer, b"", X_Error_Message="\x9b31m\xadhidden", X_Request_Id="\x85\x9b"),
    "escapes in the status line": partial(answer, b"", reason="Gone\x1b[2J\x9b31m"),
    "a list": partial(answer, b"[1, 2]", Content_Type="application/json"),
    "odd errors": partial(answer, b'{"errors": [1]}', Content_Type="application/json"),
    "brackets": partial(answer, b"[" * 60000, Content_Type="application/json"),
    "an unknown charset": partial(answer, b"\xff\xfe", Content_Type="text/plain; charset=none"),
}


@pytest.mark.parametrize("kind", ERRORS)
@pytest.mark.parametrize(("name", "status"), [(LISTING, 304), (LISTING, 400), (LISTING, 500), ("config.json", 418)])
def test_an_error_of_any_text_is_told_in_one_line(server: Server, name: str, kind: str, status: int) -> None:
    server.tricks[name] = ERRORS[kind](status=status)
    message = outcome(server)
    if kind != "escapes in the status line":
        assert re.search(f"{status}|Bad request", message)
    assert server.sent[name] <= 3 * UNDER_WAY


# Names and hashes that the server chooses


ODD_NAMES = ("", ".", "..", "../../../victim.txt", "/etc/passwd", "\\..\\victim.txt", "a" * 5000, "%2e%2e%2fvictim.txt")


@pytest.mark.parametrize("odd", ODD_NAMES)
def test_an_etag_never_names_a_file(server: Server, odd: str) -> None:
    for name in CHECKED:
        server.tricks[name] = answer(ETag=f'"{odd}"', X_Linked_Etag=f'"{odd}"', X_Repo_Commit=odd or "-")
    assert outcome(server) == ""


FIELDS: dict[str, Callable[[dict[str, Any], Any], object]] = {
    "sha": lambda value, odd: value.update(sha=odd),
    "blobId": lambda value, odd: [one.update(blobId=odd, lfs=None) for one in value["siblings"]],
    "sha256": lambda value, odd: [one.update(lfs={"sha256": odd}) for one in value["siblings"]],
}


@pytest.mark.parametrize("odd", [*ODD_NAMES, 5, True, ["0" * 40], {}, "0" * 39, "G" * 64, f"{'0' * 64}\n"])
@pytest.mark.parametrize("field", FIELDS)
def test_a_listing_with_an_odd_hash_is_refused(server: Server, cache: Path, field: str, odd: object) -> None:
    server.tricks[LISTING] = listing(lambda value: FIELDS[field](value, odd))
    assert "the Hub describes 'user/repo' wrongly" in outcome(server)
    assert not list(cache.rglob("blobs/*"))


WRONG: dict[str, Callable[[dict[str, Any]], object]] = {
    "no commit": lambda value: value.pop("sha"),
    "a commit that is null": lambda value: value.update(sha=None),
    "no files": lambda value: value.update(siblings=None),
    "files as words": lambda value: value.update(siblings="config.json"),
    "files by name": lambda value: value.update(siblings={name: {} for name in FILES}),
    "files without names": lambda value: [one.pop("rfilename") for one in value["siblings"]],
    "large files as words": lambda value: [one.update(lfs="yes") for one in value["siblings"]],
    **{
        f"size {size!r}": lambda value, size=size: [one.update(size=size) for one in value["siblings"]]
        for size in ("many", "12", -1, 1.5, True, float("nan"), 1 << 61, 1 << 40, [], {})
    },
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_listing_is_refused(server: Server, cache: Path, kind: str) -> None:
    server.tricks[LISTING] = listing(WRONG[kind])
    assert "user/repo" in outcome(server)
    assert not list(cache.rglob("blobs/*"))


RIGHT: dict[str, Callable[[dict[str, Any]], object]] = {
    "names only": lambda value: value.update(siblings=[{"rfilename": one["rfilename"]} for one in value["siblings"]]),
    "nulls": lambda value: [one.update(size=None, blobId=None, lfs=None) for one in value["siblings"]],
    "large files without a hash": lambda value: [one.update(lfs={}) for one in value["siblings"]],
    "strange files": lambda value: value["siblings"].extend({"rfilename": odd, "size": "x"} for odd in ODD_NAMES),
}


@pytest.mark.parametrize("kind", RIGHT)
def test_a_listing_without_hashes_is_checked_by_the_sums(server: Server, cache: Path, kind: str) -> None:
    server.tricks[LISTING] = listing(RIGHT[kind])
    assert outcome(server) == ""
    server.files = {**server.files, "model.safetensors": bytes(len(server.files["model.safetensors"]))}
    (snapshot,) = cache.rglob(f"snapshots/{COMMIT}")
    (snapshot / "model.safetensors").unlink()
    for blob in cache.rglob("blobs/*"):
        blob.unlink()
    assert re.search("model.safetensors (was downloaded twice with another|does not have the) hash", outcome(server))


# Redirects


REDIRECTS = (
    "http://user@{other}",
    "http://user:word@{other}",
    "http://127.0.0.1:{port}@{other}",
    "//user@{other}",
    "http://@{other}",
    "file:///etc/passwd",
    "ftp://{other}",
    "http:///{name}",
    "http://[::1",
    "http://{other}:port",
    "\x9b31m",
    "/" + "a" * 5000,
    "{name}",
)


@pytest.mark.parametrize("to", REDIRECTS)
@pytest.mark.parametrize("name", [LISTING, "config.json"])
def test_a_redirect_that_leads_nowhere_good_is_refused(server: Server, name: str, to: str) -> None:
    other = f"localhost:{server.server_port}"
    server.tricks[name] = answer(b"", 302, Location=to.format(other=other, port=server.server_port, name="x"))
    server.tricks.setdefault("x", server.tricks[name])
    server.tricks["a" * 5000] = answer(b"", 404)
    assert outcome(server)
    assert not any(host.startswith("localhost") for host, _, _ in server.seen)


@pytest.mark.parametrize("to", ["http://localhost:{port}/{name}", "//localhost:{port}/{name}"])
@pytest.mark.parametrize("name", CHECKED)
def test_the_token_stays_with_the_first_host(server: Server, name: str, to: str) -> None:
    location = to.format(port=server.server_port, name=name)

    def trick(handler: Any) -> None:
        here = handler.headers["Host"].startswith("127.0.0.1")
        (answer(b"", 307, Location=location) if here else answer())(handler)

    server.tricks[name] = trick
    assert outcome(server) == ""
    tokens = {host.partition(":")[0]: set[str | None]() for host, _, _ in server.seen}
    for host, _, token in server.seen:
        tokens[host.partition(":")[0]].add(token)
    assert tokens == {"127.0.0.1": {f"Bearer {TOKEN}"}, "localhost": {None}}


# Caches that others have written


def places(cache: Path) -> dict[str, list[Path]]:
    """The entries of a filled cache that a stranger may replace."""
    root = cache / "models--user--repo"
    return {
        "snapshot": [root / "snapshots" / COMMIT / name for name in CHECKED],
        "blobs": sorted((root / "blobs").iterdir()),
        "incomplete": [path.with_name(f"{path.name}.incomplete") for path in (root / "blobs").iterdir()],
        "locks": sorted((cache / ".locks" / root.name).iterdir()),
        "refs": [root / "refs" / "main"],
    }


PLACES = ("snapshot", "blobs", "incomplete", "locks", "refs")


def replace(path: Path, kind: str, victim: Path) -> None:
    """Put something else in place of a file of the cache."""
    path.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
        (path / "file").write_text("x")
    elif kind == "relative link":
        path.symlink_to(os.path.relpath(victim, path.parent))
    else:
        path.symlink_to({"link": victim, "zeros": Path("/dev/zero"), "itself": path, "dangling": victim / "x"}[kind])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes and links of POSIX")
@pytest.mark.parametrize("kind", ["link", "relative link", "dangling", "itself", "zeros", "pipe", "folder"])
@pytest.mark.parametrize(
    ("name", "place"), [(f"user/repo@{COMMIT}", "snapshot"), *(("user/repo", place) for place in PLACES)]
)
def test_something_else_in_the_cache_is_replaced_or_refused(
    server: Server, cache: Path, victim: Path, name: str, place: str, kind: str
) -> None:
    fetch("user/repo", access=access(cache))
    found = places(cache)
    if place in ("incomplete", "locks"):  # a download uses them, and only a missing file is downloaded
        for path in [*found["snapshot"], *found["blobs"]]:
            path.unlink()
    for path in found[place]:
        replace(path, kind, victim)
    if place in ("snapshot", "blobs"):
        with pytest.raises(InterpzooError) as caught:
            interpzoo.load(found["snapshot"][0].parent)
        assert SECRET not in str(caught.value)
    message = outcome(server, name)
    assert not message or kind == "folder" or place == "locks", message
    for path in found[place] if not message and place not in ("locks", "refs") else ():
        assert not os.path.lexists(path) or stat.S_ISREG(path.stat().st_mode)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="links of POSIX")
@pytest.mark.parametrize(
    "folder",
    [
        ".locks",
        ".locks/models--user--repo",
        "models--user--repo",
        "models--user--repo/blobs",
        "models--user--repo/snapshots",
        f"models--user--repo/snapshots/{COMMIT}",
        "models--user--repo/refs",
    ],
)
def test_a_folder_of_the_cache_that_is_a_link_is_not_written_through(
    server: Server, cache: Path, victim: Path, folder: str
) -> None:
    target = victim.with_name("cache") / "elsewhere"
    target.mkdir(parents=True)
    path = cache / folder
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target, target_is_directory=True)
    assert "is a link" in outcome(server)
    assert not list(target.iterdir())


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="links of POSIX")
def test_the_cache_itself_may_be_a_link(server: Server) -> None:
    (server.cache / "elsewhere").mkdir(parents=True)
    (server.cache / "link").symlink_to("elsewhere", target_is_directory=True)
    server.cache = server.cache / "link"
    assert outcome(server) == ""
    assert outcome(server, f"user/repo@{COMMIT}") == ""


def test_codes_beside_a_pinned_snapshot_are_not_loaded(
    server: Server, files: dict[str, bytes], cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert CODES not in files
    folder = fetch("user/repo", COMMIT, access=access(cache))
    other = tiny_model(seed=1)
    other.codes = torch.randn(9, *other.latent_shape)
    made = other.save_pretrained(tmp_path_factory.mktemp("other") / "model")
    (folder / CODES).write_bytes((made / CODES).read_bytes())
    assert interpzoo.load(f"user/repo@{COMMIT}", cache_dir=cache).codes is None
    pinned = fetch("user/repo", COMMIT, pin=sha256(folder / SUMS), access=access(cache))
    assert pinned == folder
    with pytest.raises(WeightsError, match=SUMS):
        fetch("user/repo", COMMIT, pin="0" * 64, access=access(cache))
