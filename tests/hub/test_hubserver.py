"""The Hub for tests, held against the unmodified client: what it holds, what it refuses, and how it fails."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import huggingface_hub
import numpy as np
import pytest
from huggingface_hub import (
    CommitOperationAdd,
    CommitOperationDelete,
    HfApi,
    get_hf_file_metadata,
    hf_hub_download,
    hf_hub_url,
    snapshot_download,
)
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

from tests.hubserver import Hub, environment

# The client's own HTTP library, which is another one from its version 2 on; both may be installed.
httpx: Any = import_module("httpx" if huggingface_hub.__version__.startswith("1.") else "httpx2")

ROOT = Path(__file__).parents[2]
WEIGHTS = save({"encoder.weight": np.arange(1000, dtype=np.float32)})
CARD = b"---\nlicense: apache-2.0\nlibrary_name: interpzoo\n---\n# A model\n"
FILES = {"config.json": b'{"kind": "interpolator"}', "model.safetensors": WEIGHTS, "README.md": CARD}


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


def asked(hub: Hub, method: str) -> list[str]:
    return [request.path for request in hub.requests if request.method == method]


# Pushing and loading


def test_what_is_pushed_is_loaded_from_an_empty_cache(hub: Hub, tmp_path: Path) -> None:
    folder = write(tmp_path / "model", {**FILES, "extra/notes.txt": b"a small text", "preview.png": b"\x89PNG\0\0"})
    url = api(hub).create_repo("repo")
    assert (url.repo_id, url.endpoint) == ("user/repo", hub.endpoint)
    commit = push(hub, folder)
    assert commit == hub.head("user/repo")

    snapshot = Path(snapshot_download("user/repo", endpoint=hub.endpoint, cache_dir=tmp_path / "cache"))
    assert snapshot.name == commit
    loaded = {path.relative_to(snapshot).as_posix(): path.read_bytes() for path in snapshot.rglob("*.*")}
    assert loaded == {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.*")} | {
        ".gitattributes": hub.files("user/repo")[".gitattributes"]
    }
    assert (load((snapshot / "model.safetensors").read_bytes())["encoder.weight"] == np.arange(1000)).all()
    assert hub.transfers("model.safetensors") == 1


@pytest.mark.parametrize("name", ["a b/ü #%?.bin", "a b/ü #%?.txt"])
def test_any_name_comes_back(hub: Hub, tmp_path: Path, name: str) -> None:
    hub.add_repo("user/repo")
    push(hub, write(tmp_path / "model", {name: b"content"}))
    assert download(hub, tmp_path / "cache", name).read_bytes() == b"content"
    with pytest.raises(EntryNotFoundError):
        download(hub, tmp_path / "cache", f"{name}.missing")
    with pytest.raises(EntryNotFoundError, match="does not exist"):
        list(api(hub).list_repo_tree("user/repo", name))


def test_a_spoilt_card_does_not_hide_the_model(hub: Hub) -> None:
    hub.add_repo("user/repo", {"README.md": b"---\nlicense: [\n---\n\xff"})
    assert api(hub).model_info("user/repo").card_data is None


def test_files_are_kept_and_described_as_the_hub_does(hub: Hub) -> None:
    commit = hub.add_repo("user/repo", FILES)
    info = api(hub).model_info("user/repo", files_metadata=True)
    assert (info.sha, info.private, info.gated) == (commit, False, False)
    assert info.card_data is not None
    assert info.card_data.library_name == "interpzoo"
    large = {file.rfilename: file.lfs.size for file in info.siblings or [] if file.lfs}
    assert large == {"model.safetensors": len(WEIGHTS)}

    def described(name: str):
        return get_hf_file_metadata(hf_hub_url("user/repo", name, endpoint=hub.endpoint), token=hub.token)

    blobs = {file.rfilename: file for file in info.siblings or []}
    assert described("config.json").etag == blobs["config.json"].blob_id
    assert described("model.safetensors").etag == blobs["model.safetensors"].lfs["sha256"]
    assert {described(name).commit_hash for name in FILES} == {commit}
    assert [described(name).size for name in FILES] == [len(content) for content in FILES.values()]


def test_a_second_push_of_the_same_folder_sends_nothing(hub: Hub, tmp_path: Path) -> None:
    api(hub).create_repo("user/repo")
    first = push(hub, write(tmp_path, FILES))
    hub.requests.clear()
    assert push(hub, tmp_path) == first
    assert asked(hub, "PUT") == []
    assert not any("/commit/" in path for path in asked(hub, "POST"))


def test_a_second_load_asks_for_the_head_only_and_by_commit_for_nothing(hub: Hub, tmp_path: Path) -> None:
    commit = hub.add_repo("user/repo", FILES)
    where = {"endpoint": hub.endpoint, "cache_dir": tmp_path}
    first = snapshot_download("user/repo", **where)
    hub.requests.clear()
    assert snapshot_download("user/repo", **where) == first
    assert [request.path for request in hub.requests] == ["/api/models/user/repo/revision/main"]
    hub.requests.clear()
    assert snapshot_download("user/repo", revision=commit, **where) == first
    assert hub.requests == []


def test_the_token_is_never_sent_to_the_storage(hub: Hub, tmp_path: Path) -> None:
    api(hub).create_repo("user/repo", private=True)
    push(hub, write(tmp_path / "model", FILES))
    download(hub, tmp_path / "cache")
    to_storage = [request for request in hub.requests if request.path.startswith("/storage/")]
    assert [request.method for request in to_storage] == ["PUT", "GET"]
    assert {request.token for request in to_storage} == {None}
    assert {request.token for request in hub.requests if request not in to_storage} == {hub.token}


def test_branches_and_tags_are_revisions(hub: Hub, tmp_path: Path) -> None:
    old = hub.add_repo("user/repo", FILES)
    api(hub).create_branch("user/repo", branch="next/one")
    new = push(hub, write(tmp_path / "model", {"config.json": b"{}"}), revision="next/one")
    api(hub).create_tag("user/repo", tag="v1", revision=old)
    assert (hub.head("user/repo"), hub.head("user/repo", "next/one"), hub.head("user/repo", "v1")) == (old, new, old)
    for revision, content in {"next/one": b"{}", new: b"{}", "v1": FILES["config.json"]}.items():
        assert download(hub, tmp_path / "cache", "config.json", revision=revision).read_bytes() == content

    refs = api(hub).list_repo_refs("user/repo")
    assert {ref.name: ref.target_commit for ref in refs.branches + refs.tags} == {
        "main": old,
        "next/one": new,
        "v1": old,
    }
    with pytest.raises(HfHubHTTPError, match="409"):
        api(hub).create_tag("user/repo", tag="v1")
    api(hub).create_branch("user/repo", branch="next/one", exist_ok=True)
    api(hub).delete_branch("user/repo", branch="next/one")
    api(hub).delete_tag("user/repo", tag="v1")
    with pytest.raises(RevisionNotFoundError):
        api(hub).delete_tag("user/repo", tag="v1")
    with pytest.raises(BadRequestError):
        api(hub).delete_branch("user/repo", branch="main")
    assert [ref.name for ref in api(hub).list_repo_refs("user/repo").branches] == ["main"]


def test_a_pull_request_leaves_main_alone_and_can_be_loaded_and_amended(hub: Hub, tmp_path: Path) -> None:
    head = hub.add_repo("user/repo", FILES)
    hub.add_user("guest")
    folder = write(tmp_path / "model", {"config.json": b"{}", "model.safetensors": WEIGHTS[:-1] + b"\1"})
    commit = api(hub, "guest").upload_folder(repo_id="user/repo", folder_path=folder, create_pr=True)
    assert (commit.pr_num, commit.pr_revision, hub.head("user/repo")) == (1, "refs/pr/1", head)
    push(hub, write(folder, {"config.json": b"[]"}), revision="refs/pr/1")
    assert download(hub, tmp_path / "cache", "config.json", revision="refs/pr/1").read_bytes() == b"[]"
    assert hub.files("user/repo")["config.json"] == FILES["config.json"]
    requests = api(hub).list_repo_refs("user/repo", include_pull_requests=True).pull_requests or []
    assert [one.ref for one in requests] == ["refs/pr/1"]


def test_files_and_folders_are_listed_and_deleted_and_the_history_is_kept(hub: Hub) -> None:
    hub.add_repo("user/repo", {"a/b/c.txt": b"c", "a/d.txt": b"d", "e.txt": b"e"})
    listed = {entry.path for entry in api(hub).list_repo_tree("user/repo")}
    assert listed == {".gitattributes", "a", "e.txt"}
    assert {entry.path for entry in api(hub).list_repo_tree("user/repo", "a")} == {"a/b", "a/d.txt"}
    deep = {entry.path for entry in api(hub).list_repo_tree("user/repo", "a", recursive=True)}
    assert deep == {"a/b", "a/b/c.txt", "a/d.txt"}
    with pytest.raises(EntryNotFoundError):
        list(api(hub).list_repo_tree("user/repo", "nowhere"))
    paths = api(hub).get_paths_info("user/repo", ["a", "e.txt", "nowhere"])
    assert [path.path for path in paths] == ["a", "e.txt"]

    api(hub).delete_folder("a/b", "user/repo")
    api(hub).delete_file("e.txt", "user/repo")
    assert set(hub.files("user/repo")) == {".gitattributes", "a/d.txt"}
    with pytest.raises(EntryNotFoundError):
        api(hub).create_commit("user/repo", [CommitOperationDelete("e.txt")], commit_message="again")
    titles = [commit.title for commit in api(hub).list_repo_commits("user/repo")]
    assert titles[1:] == ["Delete folder a/b with huggingface_hub", "Update files", "initial commit"]
    assert len(titles) == 4


def test_safetensors_headers_are_read_by_range(hub: Hub) -> None:
    hub.add_repo("user/repo", {"model.safetensors": save({"w": np.zeros((100, 10_000), np.float32)})})
    metadata = api(hub).get_safetensors_metadata("user/repo")
    assert metadata.files_metadata["model.safetensors"].tensors["w"].shape == [100, 10_000]
    assert {request.status for request in hub.requests if request.path.startswith("/storage/")} == {206}
    assert hub.transfers("model.safetensors") == 0


@pytest.mark.parametrize(
    ("asked", "status", "content", "described"),
    [
        ("bytes=2-4", 206, b"234", "bytes 2-4/10"),
        ("bytes=7-", 206, b"789", "bytes 7-9/10"),
        ("bytes=7-99", 206, b"789", "bytes 7-9/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=-99", 206, b"0123456789", "bytes 0-9/10"),
        ("bytes=-", 200, b"0123456789", None),
        ("lines=1-2", 200, b"0123456789", None),
        ("bytes=10-", 416, None, "bytes */10"),
        ("bytes=-0", 416, None, "bytes */10"),
    ],
)
def test_ranges(hub: Hub, asked: str, status: int, content: bytes | None, described: str | None) -> None:
    hub.add_repo("user/repo", {"digits.txt": b"0123456789"})
    url = hf_hub_url("user/repo", "digits.txt", endpoint=hub.endpoint)
    response = get_session().get(url, headers={"Range": asked})
    assert (response.status_code, response.headers.get("Content-Range")) == (status, described)
    assert content is None or response.content == content


# Who may do what


def test_whoami_and_what_a_user_may_create(hub: Hub) -> None:
    me = api(hub).whoami()
    assert (me["name"], [organization["name"] for organization in me["orgs"]]) == ("user", ["org"])
    assert api(hub).create_repo("org/repo").repo_id == "org/repo"
    with pytest.raises(HfHubHTTPError, match="403"):
        api(hub).create_repo("other/repo")
    with pytest.raises(HfHubHTTPError, match="409"):
        api(hub).create_repo("org/repo")
    assert api(hub).create_repo("org/repo", exist_ok=True) == f"{hub.endpoint}/org/repo"
    with pytest.raises(HfHubHTTPError, match="Invalid user token"):
        HfApi(endpoint=hub.endpoint, token="hf_invalid").whoami()


def test_only_the_owner_writes_to_a_repository(hub: Hub, tmp_path: Path) -> None:
    head = hub.add_repo("user/repo", FILES)
    hub.add_user("guest")
    hub.add_user("colleague", "user")
    content = CommitOperationAdd("config.json", b"{}")
    with pytest.raises(HfHubHTTPError, match="403"):
        api(hub, "guest").create_commit("user/repo", [content], commit_message="mine now")
    with pytest.raises(HfHubHTTPError, match="401"):
        HfApi(endpoint=hub.endpoint, token=False).create_commit("user/repo", [content], commit_message="mine now")
    with pytest.raises(HfHubHTTPError, match="403"):
        api(hub, "guest").auth_check("user/repo", write=True)
    assert hub.head("user/repo") == head
    api(hub, "colleague").create_commit("user/repo", [content], commit_message="ours")
    assert hub.files("user/repo")["config.json"] == b"{}"


def test_a_private_repository_is_there_for_its_owner_only(hub: Hub, tmp_path: Path) -> None:
    api(hub).create_repo("user/repo", private=True)
    push(hub, write(tmp_path / "model", FILES))
    guest = hub.add_user("guest")
    for token, status in ((False, "401"), (guest, "404")):
        with pytest.raises(RepositoryNotFoundError, match=status):
            download(hub, tmp_path / "cache", token=token)
        assert not HfApi(endpoint=hub.endpoint, token=token).repo_exists("user/repo")
    assert download(hub, tmp_path / "cache").read_bytes() == WEIGHTS
    api(hub).update_repo_settings("user/repo", private=False)
    assert download(hub, tmp_path / "another", token=False).read_bytes() == WEIGHTS


def test_the_files_of_a_gated_repository_are_for_its_owner_only(hub: Hub, tmp_path: Path) -> None:
    hub.add_repo("user/repo", FILES, gated=True)
    guest = hub.add_user("guest")
    for token, status in ((False, "401"), (guest, "403")):
        with pytest.raises(GatedRepoError, match=status):
            download(hub, tmp_path, token=token)
        with pytest.raises(GatedRepoError, match=status):
            HfApi(endpoint=hub.endpoint, token=token).auth_check("user/repo")
    assert api(hub, "guest").model_info("user/repo").gated == "manual"
    assert download(hub, tmp_path).read_bytes() == WEIGHTS
    api(hub).update_repo_settings("user/repo", gated=False)
    api(hub, "guest").auth_check("user/repo")


def test_what_is_missing_raises_the_clients_own_errors(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(RepositoryNotFoundError, match="404"):
        download(hub, tmp_path)
    with pytest.raises(RepositoryNotFoundError, match="401"):
        download(hub, tmp_path, token=False)
    hub.add_repo("user/repo", FILES)
    with pytest.raises(RevisionNotFoundError):
        download(hub, tmp_path, revision="v9")
    with pytest.raises(EntryNotFoundError):
        download(hub, tmp_path, "codes.safetensors")
    with pytest.raises(HfHubHTTPError, match="Invalid credentials") as refused:
        download(hub, tmp_path, token="hf_invalid")
    assert not isinstance(refused.value, RepositoryNotFoundError)
    api(hub).delete_repo("user/repo")
    with pytest.raises(RepositoryNotFoundError):
        api(hub).delete_repo("user/repo")
    with pytest.raises(BadRequestError, match="models only"):
        api(hub).create_repo("user/repo", repo_type="dataset")


@pytest.mark.parametrize(
    ("card", "complaint"),
    [(b"---\nlicense: [mit\n---\n", "not YAML"), (b"---\n- mit\n---\n", "not a mapping")],
)
def test_a_card_that_is_not_valid_is_refused(hub: Hub, tmp_path: Path, card: bytes, complaint: str) -> None:
    head = hub.add_repo("user/repo")
    with pytest.raises(ValueError, match=complaint):
        push(hub, write(tmp_path, {"README.md": card}))
    with pytest.warns(UserWarning, match="empty or missing yaml metadata"):
        assert push(hub, write(tmp_path, {"README.md": b"# No metadata\n"})) != head


# Commits happen whole or not at all


@pytest.mark.parametrize(
    ("pattern", "fault"),
    [
        ("/storage/*/lfs/*", {"status": 403}),
        ("*/lfs/objects/verify", {"status": 404}),
        ("*/commit/main", {"status": 500}),
        ("*/commit/main", {"transfer": "reset", "method": "POST"}),
    ],
)
def test_a_push_that_fails_half_way_leaves_the_old_head(
    hub: Hub, tmp_path: Path, pattern: str, fault: dict[str, Any]
) -> None:
    head = hub.add_repo("user/repo", FILES)
    struck = hub.fail(pattern, **fault)
    changed = {**FILES, "config.json": b"{}", "model.safetensors": save({"w": np.ones(3)})}
    with pytest.raises((HfHubHTTPError, httpx.TransportError, RuntimeError)):
        push(hub, write(tmp_path, changed))
    assert struck.hits == 1
    assert hub.head("user/repo") == head
    assert hub.files("user/repo").items() >= FILES.items()
    push(hub, tmp_path)
    assert hub.files("user/repo").items() >= changed.items()


def test_a_commit_of_an_object_that_never_came_is_refused(hub: Hub) -> None:
    head = hub.add_repo("user/repo", FILES)
    lines = [
        {"key": "header", "value": {"summary": "half a push"}},
        {"key": "file", "value": {"path": "config.json", "content": ""}},
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


def test_content_that_is_not_what_it_says_is_not_stored(hub: Hub) -> None:
    hub.add_repo("user/repo")
    response = get_session().put(f"{hub.endpoint}/storage/user/repo/lfs/{'0' * 64}", content=WEIGHTS)
    assert response.status_code == 400


def test_a_commit_on_an_outdated_parent_is_refused(hub: Hub, tmp_path: Path) -> None:
    old = hub.add_repo("user/repo", FILES)
    new = hub.commit("user/repo", {"config.json": b"{}"})
    folder = write(tmp_path, {"config.json": b"[]"})
    with pytest.raises(HfHubHTTPError, match="412"):
        push(hub, folder, parent_commit=old)
    api(hub).create_tag("user/repo", tag="v1", revision=old)
    for fixed in (old, "v1"):
        with pytest.raises(BadRequestError, match="only a branch"):
            push(hub, folder, revision=fixed)
    assert hub.head("user/repo") == new
    push(hub, folder, parent_commit=new)


# Faults


@pytest.fixture
def large(hub: Hub) -> bytes:
    """The weights of ``user/repo``: the client writes, and so resumes, in pieces of 10 MiB."""
    weights = save({"w": np.arange(6_000_000, dtype=np.float32)})
    hub.add_repo("user/repo", {**FILES, "model.safetensors": weights})
    return weights


def test_a_truncated_body_is_resumed_by_range(hub: Hub, tmp_path: Path, large: bytes) -> None:
    fault = hub.fail("*/resolve/*/model.safetensors", transfer="truncate")
    assert download(hub, tmp_path).read_bytes() == large
    assert fault.hits == 1
    gets = [request for request in hub.requests if request.method == "GET"]
    assert [(request.status, request.headers.get("range")) for request in gets] == [
        (200, None),
        (206, f"bytes={10 * 2**20}-"),
    ]
    assert gets[0].sent == len(large) // 2
    assert hub.transfers("model.safetensors") == 0


def test_a_reset_in_mid_file_is_an_error_that_leaves_nothing_behind(hub: Hub, tmp_path: Path, large: bytes) -> None:
    """The client resumes only after an orderly end; a reset it hands on as its HTTP library's error."""
    hub.fail("*/resolve/*/model.safetensors", transfer="reset")
    with pytest.raises(httpx.ReadError):
        download(hub, tmp_path)
    assert not [path for path in tmp_path.rglob("blobs/*") if path.is_file()]
    assert download(hub, tmp_path).read_bytes() == large
    assert hub.transfers("model.safetensors") == 1


def test_a_reset_upload_is_sent_again(hub: Hub, tmp_path: Path) -> None:
    hub.add_repo("user/repo")
    fault = hub.fail("/storage/*/lfs/*", transfer="reset", method="PUT")
    push(hub, write(tmp_path, FILES))
    assert fault.hits == 1
    assert [request.status for request in hub.requests if request.method == "PUT"] == [0, 200]
    assert hub.files("user/repo")["model.safetensors"] == WEIGHTS


def test_wrong_content_has_the_right_length_and_passes_the_client(hub: Hub, tmp_path: Path) -> None:
    hub.add_repo("user/repo", FILES)
    hub.fail("*/model.safetensors", transfer="corrupt")
    loaded = download(hub, tmp_path).read_bytes()
    assert loaded != WEIGHTS
    assert loaded[:-1] == WEIGHTS[:-1]
    assert load(loaded).keys() == load(WEIGHTS).keys()


def test_a_slow_trickle_takes_its_time_and_arrives(hub: Hub, tmp_path: Path) -> None:
    hub.add_repo("user/repo", FILES)
    hub.fail("*/model.safetensors", transfer="trickle", seconds=0.5)
    start = time.monotonic()
    assert download(hub, tmp_path).read_bytes() == WEIGHTS
    assert time.monotonic() - start >= 0.5


def test_503_then_success(hub: Hub, tmp_path: Path) -> None:
    hub.add_repo("user/repo", FILES)
    hub.fail("*/resolve/*/model.safetensors", status=503, times=2)
    assert download(hub, tmp_path).read_bytes() == WEIGHTS
    assert [(request.method, request.status) for request in hub.requests] == [
        ("HEAD", 503),
        ("HEAD", 503),
        ("HEAD", 302),
        ("GET", 200),
    ]


def test_503_of_the_download_itself_is_an_error(hub: Hub, tmp_path: Path) -> None:
    """The client tries only the look-up again."""
    hub.add_repo("user/repo", FILES)
    hub.fail("*/resolve/*/model.safetensors", status=503, method="GET")
    with pytest.raises(HfHubHTTPError, match="503"):
        download(hub, tmp_path)
    assert download(hub, tmp_path).read_bytes() == WEIGHTS


def test_a_rate_limit_is_waited_out(hub: Hub, tmp_path: Path) -> None:
    hub.add_repo("user/repo", FILES)
    hub.fail("*/resolve/*/model.safetensors", status=429, retry_after=1, method="GET")
    start = time.monotonic()
    assert download(hub, tmp_path).read_bytes() == WEIGHTS
    assert time.monotonic() - start >= 1
    assert [request.status for request in hub.requests if request.method == "GET"] == [429, 200]


def test_a_token_that_is_lost_on_the_way(hub: Hub, tmp_path: Path) -> None:
    hub.add_repo("user/repo", FILES, private=True)
    hub.fail("*/config.json", anonymous=True)
    with pytest.raises(RepositoryNotFoundError, match="401"):
        download(hub, tmp_path, "config.json")
    assert hub.requests[-1].token is None
    assert download(hub, tmp_path, "config.json").read_bytes() == FILES["config.json"]


def test_a_stopped_hub_refuses_connections_until_it_is_started_again(hub: Hub) -> None:
    hub.add_repo("user/repo", FILES)
    assert api(hub).repo_exists("user/repo")
    hub.stop()
    for _ in range(2):  # the second time without the connection that was open
        with pytest.raises(httpx.ConnectError):
            api(hub).repo_exists("user/repo")
    hub.start()
    assert api(hub).repo_exists("user/repo")


def test_stopping_breaks_off_what_is_under_way(hub: Hub) -> None:
    hub.add_repo("user/repo", FILES)
    hub.fail("*/model.safetensors", transfer="trickle", seconds=60)
    connection = http.client.HTTPConnection(hub.endpoint.removeprefix("http://"))
    connection.request("GET", f"/storage/user/repo/resolve/{hub.head('user/repo')}/model.safetensors")
    response = connection.getresponse()
    start = time.monotonic()
    hub.stop()
    with pytest.raises(http.client.IncompleteRead):
        response.read()
    connection.close()
    assert time.monotonic() - start < 30
    assert hub.transfers("model.safetensors") == 0


def test_a_client_that_goes_away_has_no_full_transfer(hub: Hub) -> None:
    hub.add_repo("user/repo", FILES)
    hub.fail("*/model.safetensors", transfer="trickle", seconds=5)
    connection = http.client.HTTPConnection(hub.endpoint.removeprefix("http://"))
    connection.request("GET", f"/storage/user/repo/resolve/{hub.head('user/repo')}/model.safetensors")
    response = connection.getresponse()
    response.read(10)
    response.close()
    connection.close()
    time.sleep(0.6)  # until the server has noticed
    sent = hub.requests[-1].sent
    time.sleep(0.4)
    assert 0 < sent == hub.requests[-1].sent < len(WEIGHTS)
    assert hub.transfers("model.safetensors") == 0


def test_a_fault_strikes_where_and_as_often_as_it_was_asked_to(hub: Hub) -> None:
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


@pytest.mark.parametrize(
    "fault",
    [{}, {"status": 500, "transfer": "reset"}, {"transfer": "corrupt", "method": "PUT"}],
)
def test_a_fault_that_makes_no_sense_is_refused(hub: Hub, fault: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="got Fault"):
        hub.fail("*", **fault)


def test_a_failure_of_the_hub_itself_is_no_fault() -> None:
    with pytest.raises(RuntimeError, match="failed itself: JSONDecodeError"), Hub() as hub:  # noqa: PT012
        headers = {"Authorization": f"Bearer {hub.token}"}
        response = get_session().post(f"{hub.endpoint}/api/repos/create", content=b"{", headers=headers)
        assert response.status_code == 500


def test_what_the_hub_does_not_speak_is_not_found(hub: Hub) -> None:
    with pytest.raises(HfHubHTTPError, match="Not part of this Hub: GET /api/models-tags-by-type"):
        api(hub).get_model_tags()
    hub.add_repo("user/repo")
    with pytest.raises(KeyError, match="no revision v9"):
        hub.head("user/repo", "v9")


# Other processes


@pytest.mark.parametrize("user", ["user", None])
def test_another_process_needs_only_the_environment(hub: Hub, tmp_path: Path, user: str | None) -> None:
    hub.add_repo("user/repo", FILES, private=True)
    script = "from huggingface_hub import hf_hub_download; print(hf_hub_download('user/repo', 'model.safetensors'))"
    ran = subprocess.run(
        [sys.executable, "-c", script], env=environment(hub, tmp_path, user=user), capture_output=True, text=True
    )
    if user is None:
        assert "RepositoryNotFoundError: 401" in ran.stderr
    else:
        assert Path(ran.stdout.strip()).read_bytes() == WEIGHTS
        assert Path(ran.stdout.strip()).is_relative_to(tmp_path)


def test_served_from_the_command_line(tmp_path: Path) -> None:
    folder = write(tmp_path / "model", FILES)
    command = [sys.executable, "-m", "tests.hubserver", f"user/repo={folder}"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            settings = dict(word.split("=") for word in server.stdout.readline().split()[1:])
            where = {
                "endpoint": settings["HF_ENDPOINT"],
                "token": settings["HF_TOKEN"],
                "cache_dir": tmp_path / "cache",
            }
            assert Path(hf_hub_download("user/repo", "model.safetensors", **where)).read_bytes() == WEIGHTS
            server.send_signal(signal.SIGINT)
            assert server.wait(10) == 0
        finally:
            server.kill()  # or leaving the block waits for it forever
