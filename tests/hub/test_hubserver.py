"""The Hub for tests, checked with the unmodified client: what it stores, what it refuses, and how it fails."""

from __future__ import annotations

import http.client
import json
import time
import warnings
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import huggingface_hub
import numpy as np
import pytest
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, constants, hf_hub_download, hf_hub_url
from huggingface_hub.errors import (
    BadRequestError,
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import get_session
from safetensors.numpy import load, save

from tests.hubserver import Hub

# The client's HTTP library differs between its versions 1 and 2; both may be installed.
httpx: Any = import_module("httpx" if huggingface_hub.__version__.startswith("1.") else "httpx2")

WEIGHTS = save({"encoder.weight": np.arange(1000, dtype=np.float32)})
CARD = b"---\nlicense: apache-2.0\nlibrary_name: interpzoo\n---\n# A model\n"
FILES = {"config.json": b'{"kind": "interpolator"}', "model.safetensors": WEIGHTS, "README.md": CARD}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """A new Hub, to be named to this process's client (``endpoint=hub.endpoint``) in each call."""
    # With Xet the client uploads by another protocol, and telemetry asks the real Hub, whatever the endpoint.
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", True)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    # The client uploads large files in a way that its HTTP library has deprecated.
    warnings.filterwarnings("ignore", "Use 'content=", DeprecationWarning)
    with Hub() as hub:
        yield hub


def api(hub: Hub, user: str = "user") -> HfApi:
    return HfApi(endpoint=hub.endpoint, token=hub.users[user].token)


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def push(hub: Hub, folder: Path, **options: Any) -> str:
    return api(hub).upload_folder(repo_id="user/repo", folder_path=folder, **options).oid


def download(hub: Hub, cache: Path, file: str = "model.safetensors", **options: Any) -> Path:
    options = {"token": hub.token, **options}
    return Path(hf_hub_download("user/repo", file, endpoint=hub.endpoint, cache_dir=cache, **options))


def test_pushed_files_are_described_and_downloaded(hub: Hub, tmp_path: Path) -> None:
    assert api(hub).create_repo("user/repo", private=True).repo_id == "user/repo"
    files = {**FILES, "a b/ü #%?.bin": b"content", "preview.png": b"\x89PNG\0\0"}
    commit = push(hub, write(tmp_path / "model", files))
    assert commit == hub.head("user/repo")
    for name, content in files.items():
        assert download(hub, tmp_path / "cache", name).read_bytes() == content
    info = api(hub).model_info("user/repo", files_metadata=True)
    assert (info.sha, info.private, info.gated) == (commit, True, False)
    assert info.card_data is not None
    assert info.card_data.library_name == "interpzoo"
    assert "model.safetensors" in {file.rfilename for file in info.siblings or [] if file.lfs}
    assert hub.transfers("model.safetensors") == 1
    to_storage = [request for request in hub.requests if request.path.startswith("/storage/")]
    assert {request.token for request in to_storage} == {None}  # the storage is another host
    assert {request.token for request in hub.requests if request not in to_storage} == {hub.token}


def test_branches_and_pull_requests_leave_main_alone(hub: Hub, tmp_path: Path) -> None:
    head = hub.add_repo("user/repo", FILES)
    api(hub).create_branch("user/repo", branch="next/one")
    with pytest.raises(HfHubHTTPError, match="409"):
        api(hub).create_branch("user/repo", branch="next/one")
    new = push(hub, write(tmp_path / "model", {"config.json": b"{}"}), revision="next/one")
    assert (hub.head("user/repo"), hub.head("user/repo", "next/one")) == (head, new)
    hub.add_user("guest")
    proposed = api(hub, "guest").upload_folder(repo_id="user/repo", folder_path=tmp_path / "model", create_pr=True)
    assert (proposed.pr_num, proposed.pr_revision, hub.head("user/repo")) == (1, "refs/pr/1", head)
    for revision in ("next/one", new, "refs/pr/1"):
        assert download(hub, tmp_path / "cache", "config.json", revision=revision).read_bytes() == b"{}"
    with pytest.raises(BadRequestError, match="only a branch"):
        push(hub, tmp_path / "model", revision=head)
    with pytest.raises(KeyError, match="no revision v9"):
        hub.head("user/repo", "v9")


def test_byte_ranges(hub: Hub) -> None:
    hub.add_repo("user/repo", {"digits.txt": b"0123456789"})
    url = hf_hub_url("user/repo", "digits.txt", endpoint=hub.endpoint)
    for asked, status, content, described in (
        ("bytes=2-4", 206, b"234", "bytes 2-4/10"),
        ("bytes=7-99", 206, b"789", "bytes 7-9/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=-", 200, b"0123456789", None),
        ("lines=1-2", 200, b"0123456789", None),
        ("bytes=10-", 416, None, "bytes */10"),
        ("bytes=-0", 416, None, "bytes */10"),
    ):
        response = get_session().get(url, headers={"Range": asked})
        assert (response.status_code, response.headers.get("Content-Range")) == (status, described), asked
        assert content is None or response.content == content, asked


def test_only_owners_write_and_read_what_is_private_or_gated(hub: Hub, tmp_path: Path) -> None:
    head = hub.add_repo("user/repo", FILES)
    guest = hub.add_user("guest")
    hub.add_user("colleague", "user")
    content = CommitOperationAdd("config.json", b"{}")
    for token, status in ((guest, "403"), (False, "401")):
        with pytest.raises(HfHubHTTPError, match=status):
            HfApi(endpoint=hub.endpoint, token=token).create_commit("user/repo", [content], commit_message="mine")
    assert hub.head("user/repo") == head
    api(hub, "colleague").create_commit("user/repo", [content], commit_message="ours")
    assert hub.files("user/repo")["config.json"] == b"{}"
    with pytest.raises(HfHubHTTPError, match="403"):
        api(hub).create_repo("other/repo")

    for options, error, statuses in (
        ({"private": True}, RepositoryNotFoundError, ("401", "404")),
        ({"gated": True}, GatedRepoError, ("401", "403")),
    ):
        hub.add_repo("user/repo", FILES, **options)
        for token, status in zip((False, guest), statuses, strict=True):
            with pytest.raises(error, match=status):
                download(hub, tmp_path / "empty", token=token)
        assert download(hub, tmp_path / str(options)).read_bytes() == WEIGHTS


def test_missing_things_raise_the_clients_own_errors(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(RepositoryNotFoundError, match="404"):
        download(hub, tmp_path)
    hub.add_repo("user/repo", {**FILES, "README.md": b"---\nlicense: [\n---\n\xff"})
    assert api(hub).model_info("user/repo").card_data is None  # a damaged card does not hide the model
    with pytest.raises(RevisionNotFoundError):
        download(hub, tmp_path, revision="v9")
    with pytest.raises(EntryNotFoundError):
        download(hub, tmp_path, "codes.safetensors")
    with pytest.raises(EntryNotFoundError):
        api(hub).create_commit("user/repo", [CommitOperationDelete("e.txt")], commit_message="again")
    with pytest.raises(HfHubHTTPError, match="Invalid credentials"):
        download(hub, tmp_path, token="hf_invalid")
    with pytest.raises(HfHubHTTPError, match="Not part of this Hub: GET /api/models-tags-by-type"):
        api(hub).get_model_tags()


def test_invalid_cards_are_refused(hub: Hub, tmp_path: Path) -> None:
    hub.add_repo("user/repo")
    for card, complaint in ((b"---\nlicense: [mit\n---\n", "not YAML"), (b"---\n- mit\n---\n", "not a mapping")):
        with pytest.raises(ValueError, match=complaint):
            push(hub, write(tmp_path, {"README.md": card}))
    with pytest.warns(UserWarning, match="empty or missing yaml metadata"):
        push(hub, write(tmp_path, {"README.md": b"# No metadata\n"}))


def test_a_failed_push_leaves_the_old_commit(hub: Hub, tmp_path: Path) -> None:
    head = hub.add_repo("user/repo", FILES)
    changed = {**FILES, "config.json": b"{}", "model.safetensors": save({"w": np.ones(3)})}
    folder = write(tmp_path, changed)
    for pattern, fault in (
        ("/storage/*/lfs/*", {"status": 403}),
        ("*/lfs/objects/verify", {"status": 404}),
        ("*/commit/main", {"status": 500}),
        ("*/commit/main", {"transfer": "reset", "method": "POST"}),
    ):
        struck = hub.fail(pattern, **fault)
        with pytest.raises((HfHubHTTPError, httpx.TransportError, RuntimeError)):
            push(hub, folder)
        assert struck.hits == 1
        assert hub.head("user/repo") == head
        hub.heal()
    new = push(hub, folder)
    assert hub.files("user/repo").items() >= changed.items()
    with pytest.raises(HfHubHTTPError, match="412"):
        push(hub, write(folder, {"config.json": b"[]"}), parent_commit=head)
    push(hub, folder, parent_commit=new)


def test_a_large_file_must_be_stored_with_its_hash_before_it_is_committed(hub: Hub) -> None:
    head = hub.add_repo("user/repo", FILES)
    response = get_session().put(f"{hub.endpoint}/storage/user/repo/lfs/{'0' * 64}", content=WEIGHTS)
    assert response.status_code == 400
    lines = [
        {"key": "header", "value": {"summary": "half a push"}},
        {"key": "lfsFile", "value": {"path": "model.safetensors", "algo": "sha256", "oid": "0" * 64, "size": 1}},
    ]
    response = get_session().post(
        f"{hub.endpoint}/api/models/user/repo/commit/main",
        content="\n".join(map(json.dumps, lines)).encode(),
        headers={"Authorization": f"Bearer {hub.token}"},
    )
    assert response.status_code == 400
    assert "does not exist: model.safetensors" in response.json()["error"]
    assert hub.head("user/repo") == head


def test_broken_transfers(hub: Hub, tmp_path: Path) -> None:
    weights = save({"w": np.arange(6_000_000, dtype=np.float32)})  # the client writes, and resumes, in 10 MiB pieces
    hub.add_repo("user/repo", {**FILES, "model.safetensors": weights})
    hub.fail("*/resolve/*/model.safetensors", transfer="truncate")
    assert download(hub, tmp_path / "truncated").read_bytes() == weights
    gets = [request for request in hub.requests if request.method == "GET"]
    assert [(request.status, request.headers.get("range")) for request in gets] == [
        (200, None),
        (206, f"bytes={10 * 2**20}-"),
    ]
    assert gets[0].sent == len(weights) // 2
    assert hub.transfers("model.safetensors") == 0
    hub.fail("*/resolve/*/model.safetensors", transfer="reset")
    with pytest.raises(httpx.ReadError):
        download(hub, tmp_path / "reset")
    assert not [path for path in (tmp_path / "reset").rglob("blobs/*") if path.is_file()]


def test_slow_wrong_and_refused_downloads(hub: Hub, tmp_path: Path) -> None:
    hub.add_repo("user/repo", FILES)
    hub.fail("*/model.safetensors", transfer="corrupt")
    loaded = download(hub, tmp_path / "corrupt").read_bytes()
    assert loaded != WEIGHTS
    assert loaded[:-1] == WEIGHTS[:-1]
    assert load(loaded).keys() == load(WEIGHTS).keys()
    for fault, seconds in (({"transfer": "trickle", "seconds": 0.5}, 0.5), ({"status": 429, "retry_after": 1}, 1)):
        hub.fail("*/resolve/*/model.safetensors", method="GET", **fault)
        start = time.monotonic()
        assert download(hub, tmp_path / str(seconds)).read_bytes() == WEIGHTS
        assert time.monotonic() - start >= seconds
    hub.fail("*/resolve/*/model.safetensors", status=503, method="GET")
    with pytest.raises(HfHubHTTPError, match="503"):  # the client retries only the request before it
        download(hub, tmp_path / "503")
    hub.add_repo("user/repo", FILES, private=True)
    hub.fail("*/config.json", anonymous=True)
    with pytest.raises(RepositoryNotFoundError, match="401"):
        download(hub, tmp_path / "anonymous", "config.json")
    assert hub.requests[-1].token is None


def test_stopping_breaks_open_connections_and_refuses_new_ones(hub: Hub) -> None:
    hub.add_repo("user/repo", FILES)
    hub.fail("*/model.safetensors", transfer="trickle", seconds=60)
    connection = http.client.HTTPConnection(hub.endpoint.removeprefix("http://"))
    connection.request("GET", f"/storage/user/repo/resolve/{hub.head('user/repo')}/model.safetensors")
    response = connection.getresponse()
    hub.stop()
    with pytest.raises(http.client.IncompleteRead):
        response.read()
    connection.close()
    assert hub.transfers("model.safetensors") == 0
    with pytest.raises(httpx.ConnectError):
        api(hub).repo_exists("user/repo")
    hub.start()
    assert api(hub).repo_exists("user/repo")


def test_faults_strike_where_and_as_often_as_requested(hub: Hub) -> None:
    hub.add_repo("user/repo", FILES)
    forever = hub.fail("*/revision/main", status=418, times=None)
    for _ in range(3):
        assert api(hub).model_info("user/repo").sha  # another path
        with pytest.raises(HfHubHTTPError, match="418"):
            api(hub).model_info("user/repo", revision="main")
    assert forever.hits == 3
    assert [request.fault for request in hub.requests] == [None, "418"] * 3
    hub.heal()
    assert api(hub).model_info("user/repo", revision="main").sha
    for fault in ({}, {"status": 500, "transfer": "reset"}, {"transfer": "corrupt", "method": "PUT"}):
        with pytest.raises(ValueError, match="got Fault"):
            hub.fail("*", **fault)


def test_an_error_inside_the_hub_fails_the_test() -> None:
    with pytest.raises(RuntimeError, match="failed itself: JSONDecodeError"), Hub() as hub:  # noqa: PT012
        headers = {"Authorization": f"Bearer {hub.token}"}
        response = get_session().post(f"{hub.endpoint}/api/repos/create", content=b"{", headers=headers)
        assert response.status_code == 500
