"""Accounts, repositories and their branches."""

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
    kind = asked.get("type") or "model"
    if kind not in ("model", "space"):
        raise RefusalError(400, "This Hub holds models and Spaces only")
    if kind == "space" and asked.get("sdk") != "static":
        raise RefusalError(400, "The Spaces of this Hub are static")
    namespace = asked.get("organization") or user.name
    name = f"{'spaces/' if kind == 'space' else ''}{namespace}/{asked['name']}"
    url = f"{context.endpoint}/{name}"
    if not user.may_create_in(namespace):
        raise RefusalError(403, f'You don\'t have the rights to create a {kind} under the namespace "{namespace}"')
    if name in context.store.repositories:
        # With the address: the client's `exist_ok` reads it from here.
        return json_answer({"error": f"You already created this {kind} repo", "url": url}, 409)
    context.store.repositories[name] = Repository(name, private=asked.get("visibility") == "private")
    return json_answer({"url": url, "name": name})


@routes("POST", "/api/models/{repo}/branch/{branch}")
def create_branch(context: Context, repo: str, branch: str) -> Answer:
    repository, ref = context.writable(repo), f"refs/heads/{branch}"
    commit = commit_at(repository, context.request.json().get("startingPoint", "main"))
    if ref in repository.refs:
        raise RefusalError(409, f"Reference already exists: {ref}")
    repository.refs[ref] = commit
    return Answer(201)
