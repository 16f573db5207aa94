"""A request and the `Store` in, an answer out: what all routes share, and how one is found.

The routes are those of the Hub's official client. Xet is left out as a Hub without it would leave it out: no answer
carries a Xet header and no file a Xet hash, so that files come through ``resolve`` and go through git LFS. (The client
uploads by Xet whenever ``hf_xet`` is installed, without asking; ``HF_HUB_DISABLE_XET`` stops it.)
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from .store import Commit, Repository, Store, User


@dataclass
class Request:
    """What a client asked, and how far the answer has got.

    Attributes:
        target: path and query as they came, percent-encoded.
        headers: by lower-case name.
        status: of the answer; 0 until there is one (or when the connection was reset instead).
        length: bytes of the whole answer's body.
        sent: bytes of it that have been sent.
        fault: the fault that struck, if any.
    """

    method: str
    target: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(default=b"", repr=False)
    status: int = 0
    length: int = 0
    sent: int = 0
    fault: str | None = None

    @property
    def path(self) -> str:
        """The decoded path, without the query."""
        return unquote(urlsplit(self.target).path)

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query))

    @property
    def token(self) -> str | None:
        """The token that it carried."""
        return self.headers.get("authorization", "").removeprefix("Bearer ") or None

    @property
    def is_full_transfer(self) -> bool:
        """Whether a whole body went out, in one answer."""
        return self.method == "GET" and self.status == 200 and self.sent == self.length

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Answer:
    """What is sent back; the server adds the length."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


class RefusalError(Exception):
    """An answer that says no. The client makes its error class of `code` and the text of `message`."""

    def __init__(self, status: int, message: str, *, code: str | None = None, headers: Mapping[str, str] | None = None):
        super().__init__(message)
        said = {"X-Error-Message": message.encode("ascii", "replace").decode()} | (
            {"X-Error-Code": code} if code else {}
        )
        body = json.dumps({"error": message}).encode()
        self.answer = Answer(status, body, {"Content-Type": "application/json", **said, **(headers or {})})


@dataclass(frozen=True)
class Context:
    """What a route works with: the `Hub`'s memory, the request, and the addresses of the two hosts."""

    store: Store
    request: Request
    endpoint: str
    storage: str

    def user(self) -> User | None:
        """Who asks; `None` without a token."""
        if self.request.token is None:
            return None
        user = self.store.user_of(self.request.token)
        if user is None:
            raise RefusalError(401, "Invalid credentials in Authorization header")
        return user

    def member(self) -> User:
        """Who asks, who must have a token."""
        user = self.user()
        if user is None:
            raise RefusalError(401, "Invalid username or password.")
        return user

    def repository(self, name: str) -> Repository:
        """The repository, if the one who asks may know that it exists."""
        user, repository = self.user(), self.store.repositories.get(name)
        if repository is None or (repository.private and not (user and user.owns(repository))):
            # The real Hub leaves the code out of the 401, and the client infers it from an https:// address; this
            # address is http://, so the code has to say it.
            status, message = (404, "Repository not found") if user else (401, "Invalid username or password.")
            raise RefusalError(status, message, code="RepoNotFound")
        return repository

    def writable(self, name: str) -> Repository:
        """The repository, if the one who asks may change it."""
        user, repository = self.member(), self.repository(name)
        if not user.owns(repository):
            raise RefusalError(403, f"You don't have the rights to write to {name}")
        return repository

    def check_gate(self, repository: Repository) -> None:
        """Refuse those who may see a gated repository but not read its files."""
        user = self.user()
        if repository.gated and not (user and user.owns(repository)):
            message = f"Access to model {repository.name} is restricted" + (
                " and you are not in the authorized list." if user else ". You must be authenticated to access it."
            )
            raise RefusalError(403 if user else 401, message, code="GatedRepo")


Handler = Callable[..., Answer]
_SEGMENTS = {"repo": "[^/]+/[^/]+", "path": ".+"}


class Routes:
    """Which function answers which methods on which paths."""

    def __init__(self, *others: Routes) -> None:
        """All the routes of `others`, to begin with."""
        self._routes: list[tuple[frozenset[str], re.Pattern[str], Handler]] = [
            route for routes in others for route in routes._routes
        ]

    def __call__(self, methods: str, template: str) -> Callable[[Handler], Handler]:
        """Serve `methods` on the paths of `template`, whose ``{names}`` become the function's arguments, decoded."""
        # Matched before decoding: a revision such as refs/pr/1 comes with its slashes encoded, as one segment.
        pattern = re.sub(r"\{(\w+)\}", lambda name: f"(?P<{name[1]}>{_SEGMENTS.get(name[1], '[^/]+')})", template)

        def register(function: Handler) -> Handler:
            self._routes.append((frozenset(methods.split()), re.compile(pattern), function))
            return function

        return register

    def answer(self, context: Context) -> Answer:
        """The Hub's answer; the store is changed as asked, or, if the answer refuses, not at all."""
        path = urlsplit(context.request.target).path
        # A Space is a repository named spaces/user/space, and has the routes of models otherwise.
        is_space = path.startswith(("/api/spaces/", "/spaces/", "/storage/spaces/"))
        path = path.replace("/api/spaces/", "/api/models/", 1).replace("/spaces/", "/", 1)
        for methods, pattern, function in self._routes:
            match = pattern.fullmatch(path)
            if match and context.request.method in methods:
                values = {name: unquote(value) for name, value in match.groupdict().items()}
                if is_space and "repo" in values:
                    values["repo"] = f"spaces/{values['repo']}"
                try:
                    with context.store.lock:
                        return function(context, **values)
                except RefusalError as refusal:
                    return refusal.answer
        return RefusalError(404, f"Not part of this Hub: {context.request.method} {path}").answer


def json_answer(value: object, status: int = 200) -> Answer:
    return Answer(status, json.dumps(value).encode(), {"Content-Type": "application/json"})


def commit_at(repository: Repository, revision: str) -> Commit:
    commit = repository.resolve(revision)
    if commit is None:
        raise RefusalError(404, f"Invalid rev id: {revision}", code="RevisionNotFound")
    return commit
