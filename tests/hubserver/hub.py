"""The Hub on a socket of this machine, with a log of what was asked and faults on demand."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import TracebackType

from . import contents, repositories, uploads
from .faults import Fault, Faults, Transfer
from .protocol import Answer, Context, RefusalError, Request, Routes
from .store import Blob, Commit, Repository, Store, User, is_large
from .wire import Server

_ROUTES = Routes(repositories.routes, contents.routes, uploads.routes)


class Hub:
    """A Hugging Face Hub for tests, in memory: the unmodified client pushes to it and loads from it.

    ::

        with Hub() as hub:
            hub.add_repo("user/repo", {"config.json": b"{}", "model.safetensors": weights})
            hub.fail("*/resolve/*/model.safetensors", status=503, times=1)
            hf_hub_download("user/repo", "model.safetensors", endpoint=hub.endpoint, cache_dir=cache)
            assert hub.transfers("model.safetensors") == 1

    There is one user at first, ``user``, who belongs to the organization ``org``. A private repository is seen, and the
    files of a gated one are read, only by its owner and the members of the organization that owns it. Large files are
    served from, and sent to, another host name than the endpoint's, as the Hub does.

    Attributes:
        requests: every request, in the order of arrival; ``hub.requests.clear()`` starts anew.
        users: by name; each has a `token`.
    """

    def __init__(self, *, port: int = 0) -> None:
        """Serve on `port` once started; 0 takes a free one, and keeps it if the Hub is stopped and started again."""
        self.requests: list[Request] = []
        self._port = port
        self._store = Store()
        self._faults = Faults()
        self._defects: list[Exception] = []
        self._server: Server | None = None
        self.add_user("user", "org")

    # Life

    def start(self) -> None:
        self._server = Server(self._port, self._respond, self._faults, self.requests)
        self._port = self._server.server_port
        self._server.start()

    def stop(self) -> None:
        """Refuse connections from now on and break those that are open. `start` brings the same Hub back."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    def __enter__(self) -> Hub:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()
        if self._defects and error is None:
            raise RuntimeError(f"the Hub for tests failed itself: {self._defects[0]!r}") from self._defects[0]

    @property
    def endpoint(self) -> str:
        """What ``HF_ENDPOINT`` and the client's ``endpoint`` take."""
        return f"http://127.0.0.1:{self._port}"

    # What it holds

    @property
    def users(self) -> Mapping[str, User]:
        return self._store.users

    @property
    def token(self) -> str:
        """The token of ``user``."""
        return self.users["user"].token

    def add_user(self, name: str, *organizations: str) -> str:
        """Add a user, who may write under their own name and those of `organizations`; returns the token."""
        with self._store.lock:
            return self._store.add_user(name, organizations).token

    def add_repo(
        self, name: str, files: Mapping[str, bytes] | None = None, *, private: bool = False, gated: bool = False
    ) -> str:
        """Add a repository whose ``main`` holds `files` (and the ``.gitattributes`` of every repository).

        Returns:
            The id of its head.
        """
        with self._store.lock:
            self._store.repositories[name] = Repository(name, private, gated)
            return self.commit(name, files or {})

    def clear(self) -> None:
        """Remove all repositories."""
        with self._store.lock:
            self._store.repositories.clear()

    def commit(self, name: str, files: Mapping[str, bytes], *, revision: str = "main") -> str:
        """Commit `files` on top of a branch, behind the clients' backs; a new branch starts at ``main``.

        Returns:
            The new commit's id.
        """
        blobs = {path: Blob(data, is_large(path, len(data), data[:512])) for path, data in files.items()}
        with self._store.lock:
            repository = self._store.repositories[name]
            self._store.objects.update({blob.sha256: blob.content for blob in blobs.values() if blob.lfs})
            base = repository.resolve(revision) or repository.refs["refs/heads/main"]
            ref = repository.ref(revision) or f"refs/heads/{revision}"
            return repository.commit(ref, {**base.files, **blobs}, "Update files", parent=base).id

    def head(self, name: str, revision: str = "main") -> str:
        """The commit id that `revision` stands for; `KeyError` if there is none."""
        return self._at(name, revision).id

    def files(self, name: str, revision: str = "main") -> dict[str, bytes]:
        """Every file at `revision`, large ones in full."""
        return {path: blob.content for path, blob in self._at(name, revision).files.items()}

    def _at(self, name: str, revision: str) -> Commit:
        with self._store.lock:
            commit = self._store.repositories[name].resolve(revision)
        if commit is None:
            raise KeyError(f"{name} has no revision {revision}")
        return commit

    # What goes wrong, and what went on

    def fail(
        self,
        pattern: str,
        *,
        status: int | None = None,
        retry_after: int | None = None,
        anonymous: bool = False,
        transfer: Transfer | None = None,
        seconds: float = 1.0,
        method: str | None = None,
        times: int | None = 1,
    ) -> Fault:
        """Let something go wrong with the next `times` requests (`None`: with all) whose path matches `pattern`.

        Exactly one of `status`, `anonymous` and `transfer` says what. A large file's path at the storage ends like that
        under the endpoint, so ``*/resolve/*/model.safetensors`` matches the look-up (HEAD) and the download (GET).

        Args:
            pattern: as in `fnmatch`, matched with the decoded path; ``*`` matches slashes as well.
            status: answered in place of the Hub's own answer, and nothing is done.
            retry_after: seconds, sent as ``Retry-After`` with `status`.
            anonymous: the token is lost on the way.
            transfer: what happens to the content that is under way.
                ``reset``: half of it passes, then the connection is reset; with a `method` other than GET it is the
                request that stops half-way, and nothing is done.
                ``truncate``: half of it passes, then the connection ends as if that were all.
                ``corrupt``: the length is right, the last byte is not.
                ``trickle``: it takes `seconds`.
            method: only requests of this method; by default any for `status` and `anonymous`, GET for `transfer`.

        Returns:
            The fault, whose `hits` counts how often it has struck.
        """
        fault = Fault(pattern, status, retry_after, anonymous, transfer, seconds, method, times)
        self._faults.pending.append(fault)
        return fault

    def heal(self) -> None:
        """Let nothing more go wrong."""
        self._faults.pending.clear()

    def wait_for(self, path: str, *, after: int = 0, seconds: float = 60) -> None:
        """Wait until `path` is asked for, not counting the first `after` requests."""
        deadline = time.monotonic() + seconds
        while not any(request.path == path for request in self.requests[after:]):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{path} was not asked for within {seconds} s")
            time.sleep(0.02)

    def transfers(self, filename: str) -> int:
        """How often `filename` was sent in full, in one answer."""
        return sum(one.is_full_transfer and one.path.endswith(f"/{filename}") for one in self.requests)

    def _respond(self, request: Request) -> Answer:
        # Large files come from another host name, as from the real Hub: the client then sends no token there.
        storage = f"http://localhost:{self._port}/storage"
        try:
            return _ROUTES.answer(Context(self._store, request, self.endpoint, storage))
        except Exception as error:
            self._defects.append(error)
            return RefusalError(500, f"The Hub for tests failed itself: {error!r}").answer
