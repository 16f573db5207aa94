"""A push: ask how each file should come, send the large ones to the storage, then commit all of them at once."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from .contents import metadata
from .protocol import Answer, Context, RefusalError, Routes, commit_at, json_answer
from .store import Blob, Store, is_large

routes = Routes()


@routes("POST", "/api/validate-yaml")
def validate_card(context: Context) -> Answer:
    try:
        found = metadata(context.request.json()["content"])
    except ValueError as error:
        return json_answer({"errors": [{"message": str(error)}], "warnings": []}, 400)
    missing = [] if found else [{"message": "empty or missing yaml metadata in repo card"}]
    return json_answer({"errors": [], "warnings": missing})


@routes("POST", "/api/models/{repo}/preupload/{revision}")
def preupload(context: Context, repo: str, revision: str) -> Answer:
    context.member()
    present = commit_at(context.repository(repo), revision).files
    files: list[dict[str, object]] = []
    for asked in context.request.json()["files"]:
        path, sample = asked["path"], base64.b64decode(asked["sample"])
        mode = "lfs" if is_large(path, asked["size"], sample) else "regular"
        oid = present[path].etag if path in present else None
        files.append({"path": path, "uploadMode": mode, "shouldIgnore": False, "oid": oid})
    return json_answer({"files": files})


@routes("POST", "/{repo}.git/info/lfs/objects/batch")
def lfs_batch(context: Context, repo: str) -> Answer:
    context.member()
    context.repository(repo)
    objects: list[dict[str, object]] = []
    for asked in context.request.json()["objects"]:
        one: dict[str, object] = {"oid": asked["oid"], "size": asked["size"]}
        if asked["oid"] not in context.store.objects:
            one["actions"] = {
                "upload": {"href": f"{context.storage}/{repo}/lfs/{asked['oid']}"},
                "verify": {"href": f"{context.endpoint}/{repo}.git/info/lfs/objects/verify"},
            }
        objects.append(one)
    return json_answer({"transfer": "basic", "objects": objects})


@routes("PUT", "/storage/{repo}/lfs/{oid}")
def store_object(context: Context, repo: str, oid: str) -> Answer:
    body = context.request.body
    if hashlib.sha256(body).hexdigest() != oid:
        raise RefusalError(400, f"The content is not that of {oid}")
    context.store.objects[oid] = body
    return Answer()


@routes("POST", "/{repo}.git/info/lfs/objects/verify")
def verify_object(context: Context, repo: str) -> Answer:
    context.member()
    asked = context.request.json()
    if len(context.store.objects.get(asked["oid"], b"")) != asked["size"]:
        raise RefusalError(404, f"No such object: {asked['oid']}")
    return json_answer({})


@routes("POST", "/api/models/{repo}/commit/{revision}")
def commit(context: Context, repo: str, revision: str) -> Answer:
    to_pull_request = context.request.query.get("create_pr") == "1"
    context.member()
    repository = context.repository(repo) if to_pull_request else context.writable(repo)
    base = commit_at(repository, revision)
    operations = [json.loads(line) for line in context.request.body.splitlines()]
    header = operations[0]["value"]
    if header.get("parentCommit") not in (None, base.id):
        raise RefusalError(412, "A commit has happened since. Please refresh and try again.")
    files = dict(base.files)
    for operation in operations[1:]:
        _apply(operation["key"], operation["value"], files, context.store)

    pull_request = 1 + sum(ref.startswith("refs/pr/") for ref in repository.refs)
    ref = f"refs/pr/{pull_request}" if to_pull_request else repository.ref(revision)
    if ref is None or ref.startswith("refs/tags/"):
        raise RefusalError(400, f"{revision} is fixed; only a branch or pull request can be committed to")
    new = repository.commit(ref, files, header["summary"], header.get("description", ""), parent=base)
    url = f"{context.endpoint}/{repo}"
    return json_answer(
        {
            "success": True,
            "commitOid": new.id,
            "commitUrl": f"{url}/commit/{new.id}",
            "hookOutput": "",
            "pullRequestUrl": f"{url}/discussions/{pull_request}" if to_pull_request else None,
        }
    )


def _apply(key: str, value: Mapping[str, Any], files: dict[str, Blob], store: Store) -> None:
    """One line of a commit, done to the files that it will hold."""
    path = value["path"]
    if key == "file":
        files[path] = Blob(base64.b64decode(value["content"]), lfs=False)
    elif key == "lfsFile":
        if value["oid"] not in store.objects:
            raise RefusalError(400, f"LFS pointer pointed to a file that does not exist: {path}")
        files[path] = Blob(store.objects[value["oid"]], lfs=True)
    elif key in ("deletedFile", "deletedFolder"):
        gone = [name for name in files if name == path or name.startswith(f"{path.rstrip('/')}/")]
        if not gone:
            raise RefusalError(404, f"A file with this name doesn't exist: {path}", code="EntryNotFound")
        for name in gone:
            del files[name]
    else:
        raise RefusalError(400, f"Unknown operation: {key}")
