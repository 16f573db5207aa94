"""Accounts, repositories, and the branches and tags that point into them."""

from __future__ import annotations

from .protocol import Answer, Context, RefusalError, Routes, commit_at, json_answer
from .store import Repository

routes = Routes()


@routes("GET", "/api/whoami-v2")
def whoami(context: Context) -> Answer:
    user = context.member()
    return json_answer(
        {
            "type": "user",
            "id": user.name,
            "name": user.name,
            "fullname": user.name,
            "orgs": [{"type": "org", "id": name, "name": name} for name in user.organizations],
            "auth": {"type": "access_token", "accessToken": {"displayName": "test", "role": "write"}},
        }
    )


@routes("GET", "/api/agent-harnesses")
def agent_harnesses(context: Context) -> Answer:
    """What the client may call itself in its user agent: asked once a day, unless telemetry is off."""
    return json_answer({"standardEnvVars": [], "harnesses": {}})


@routes("POST", "/api/repos/create")
def create_repository(context: Context) -> Answer:
    user, asked = context.member(), context.request.json()
    if asked.get("type") not in (None, "model"):
        raise RefusalError(400, "This Hub holds models only")
    namespace = asked.get("organization") or user.name
    name = f"{namespace}/{asked['name']}"
    url = f"{context.endpoint}/{name}"
    if not user.may_create_in(namespace):
        raise RefusalError(403, f'You don\'t have the rights to create a model under the namespace "{namespace}"')
    if name in context.store.repositories:
        # With the address: the client's `exist_ok` reads it from here.
        return json_answer({"error": "You already created this model repo", "url": url}, 409)
    context.store.repositories[name] = Repository(name, private=asked.get("visibility") == "private")
    return json_answer({"url": url, "name": name})


@routes("DELETE", "/api/repos/delete")
def delete_repository(context: Context) -> Answer:
    asked = context.request.json()
    name = f"{asked.get('organization') or context.member().name}/{asked['name']}"
    del context.store.repositories[context.writable(name).name]
    return json_answer({})


@routes("PUT", "/api/models/{repo}/settings")
def change_settings(context: Context, repo: str) -> Answer:
    repository, asked = context.writable(repo), context.request.json()
    if "visibility" in asked:
        repository.private = asked["visibility"] == "private"
    if "gated" in asked:
        repository.gated = bool(asked["gated"])
    return json_answer({"private": repository.private, "gated": repository.gated})


@routes("GET", "/api/models/{repo}/auth-check")
def check_access(context: Context, repo: str) -> Answer:
    context.check_gate(context.repository(repo))
    return Answer()


@routes("GET", "/api/models/{repo}/auth-check/write")
def check_write_access(context: Context, repo: str) -> Answer:
    context.writable(repo)
    return Answer()


@routes("GET", "/api/models/{repo}/refs")
def refs(context: Context, repo: str) -> Answer:
    repository = context.repository(repo)

    def listed(prefix: str, shown: str = "") -> list[dict[str, str]]:
        return [
            {"name": shown + ref.removeprefix(prefix), "ref": ref, "targetCommit": commit.id}
            for ref, commit in repository.refs.items()
            if ref.startswith(prefix)
        ]

    return json_answer(
        {
            "branches": listed("refs/heads/"),
            "converts": [],
            "tags": listed("refs/tags/"),
            "pullRequests": listed("refs/pr/", "pr/"),
        }
    )


@routes("POST", "/api/models/{repo}/branch/{branch}")
def create_branch(context: Context, repo: str, branch: str) -> Answer:
    start = context.request.json().get("startingPoint", "main")
    return _create_ref(context.writable(repo), f"refs/heads/{branch}", start)


@routes("POST", "/api/models/{repo}/tag/{revision}")
def create_tag(context: Context, repo: str, revision: str) -> Answer:
    return _create_ref(context.writable(repo), f"refs/tags/{context.request.json()['tag']}", revision)


def _create_ref(repository: Repository, ref: str, start: str) -> Answer:
    commit = commit_at(repository, start)
    if ref in repository.refs:
        raise RefusalError(409, f"Reference already exists: {ref}")
    repository.refs[ref] = commit
    return Answer(201)


@routes("DELETE", "/api/models/{repo}/branch/{name}")
def delete_branch(context: Context, repo: str, name: str) -> Answer:
    if name == "main":
        raise RefusalError(400, "The branch main cannot be deleted")
    return _delete_ref(context.writable(repo), f"refs/heads/{name}")


@routes("DELETE", "/api/models/{repo}/tag/{name}")
def delete_tag(context: Context, repo: str, name: str) -> Answer:
    return _delete_ref(context.writable(repo), f"refs/tags/{name}")


def _delete_ref(repository: Repository, ref: str) -> Answer:
    if repository.refs.pop(ref, None) is None:
        raise RefusalError(404, f"Reference does not exist: {ref}", code="RevisionNotFound")
    return Answer(204)
