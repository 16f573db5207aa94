"""What a revision holds: its description and its files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import cast
from urllib.parse import quote

import yaml

from .protocol import Answer, Context, RefusalError, Request, Routes, commit_at, json_answer
from .store import Blob, Commit

routes = Routes()


@routes("GET", "/api/models/{repo}")
def head_info(context: Context, repo: str) -> Answer:
    return model_info(context, repo, "main")


@routes("GET", "/api/models/{repo}/revision/{revision}")
def model_info(context: Context, repo: str, revision: str) -> Answer:
    repository = context.repository(repo)
    commit = commit_at(repository, revision)
    with_blobs = context.request.query.get("blobs", "").lower() == "true"
    return json_answer(
        {
            "id": repo,
            "modelId": repo,
            "author": repository.owner,
            "sha": commit.id,
            "lastModified": commit.date,
            "private": repository.private,
            "gated": "manual" if repository.gated else False,
            "disabled": False,
            "cardData": _card_data(commit),
            "siblings": [
                {"rfilename": path} | (_sibling(blob) if with_blobs else {}) for path, blob in commit.files.items()
            ],
        }
    )


def _card_data(commit: Commit) -> dict[str, object] | None:
    """The card's metadata; a card without valid metadata does not hide the model."""
    try:
        return metadata(commit.files["README.md"].content.decode())
    except (KeyError, ValueError):
        return None


def _sibling(blob: Blob) -> dict[str, object]:
    described: dict[str, object] = {"size": len(blob.content), "blobId": blob.oid}
    if blob.lfs:
        described["lfs"] = {"sha256": blob.sha256, "size": len(blob.content), "pointerSize": len(blob.pointer)}
    return described


@routes("GET HEAD", "/{repo}/resolve/{revision}/{path}")
def resolve(context: Context, repo: str, revision: str, path: str) -> Answer:
    """A small file itself; for a large one the way to the storage, which is another host and wants no token."""
    repository = context.repository(repo)
    context.check_gate(repository)
    commit = commit_at(repository, revision)
    headers = {"X-Repo-Commit": commit.id}
    blob = commit.files.get(path)
    if blob is None:
        raise RefusalError(404, "Entry not found", code="EntryNotFound", headers=headers)
    if not blob.lfs:
        return _ranged(context.request, blob, headers)
    headers |= {
        "X-Linked-Etag": f'"{blob.etag}"',
        "X-Linked-Size": str(len(blob.content)),
        "Location": f"{context.storage}/{repo}/resolve/{commit.id}/{quote(path)}",
    }
    return Answer(302, headers=headers)


@routes("GET HEAD", "/storage/{repo}/resolve/{commit}/{path}")
def stored(context: Context, repo: str, commit: str, path: str) -> Answer:
    return _ranged(context.request, context.store.repositories[repo].commits[commit].files[path], {})


def _ranged(request: Request, blob: Blob, headers: Mapping[str, str]) -> Answer:
    """The content, or the one range of it that the request asks for (RFC 9110, section 14)."""
    size = len(blob.content)
    headers = {
        "Content-Type": "application/octet-stream" if blob.lfs else "text/plain; charset=utf-8",
        "ETag": f'"{blob.etag}"',
        "Accept-Ranges": "bytes",
        **headers,
    }
    asked = re.fullmatch(r"bytes=(\d*)-(\d*)", request.headers.get("range", ""))
    if asked is None or asked[0] == "bytes=-":
        return Answer(200, blob.content, headers)
    first, last = asked[1], asked[2]
    start = int(first) if first else max(0, size - int(last))
    stop = min(size, int(last) + 1) if first and last else size
    if start >= stop:
        raise RefusalError(416, "Range not satisfiable", headers={"Content-Range": f"bytes */{size}"})
    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    return Answer(206, blob.content[start:stop], headers)


def metadata(card: str) -> dict[str, object]:
    """The block of YAML that a card begins with."""
    block = re.match(r"---[ \t]*\r?\n(.*?)\r?\n---[ \t]*(\r?\n|$)", card, re.DOTALL)
    try:
        parsed: object = yaml.safe_load(block[1]) if block else None
    except yaml.YAMLError as error:
        raise ValueError(f"the card's metadata is not YAML: {error}") from error
    if not isinstance(parsed, dict | None):
        raise ValueError(f"the card's metadata is not a mapping but {parsed!r}")
    return cast(dict[str, object], parsed or {})
