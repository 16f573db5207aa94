"""What the Hub holds: users, repositories, their commits and the large files behind them. Nothing here knows HTTP."""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from fnmatch import fnmatchcase
from functools import cached_property

_LFS_PATTERNS = ("*.safetensors", "*.bin", "*.h5", "*.npz", "*.onnx", "*.parquet", "*.pkl", "*.pt", "*.pth", "*.zip")
_GITATTRIBUTES = "".join(f"{pattern} filter=lfs diff=lfs merge=lfs -text\n" for pattern in _LFS_PATTERNS).encode()
_REGULAR_LIMIT = 10 * 1024 * 1024


def is_large(path: str, size: int, sample: bytes) -> bool:
    """Whether the Hub keeps this file in large file storage: by its name, its size, or because it is not text."""
    name = path.rsplit("/", 1)[-1]
    return size > _REGULAR_LIMIT or b"\0" in sample or any(fnmatchcase(name, pattern) for pattern in _LFS_PATTERNS)


@dataclass(frozen=True)
class Blob:
    """A file's content, either in git itself or, as a pointer to `sha256`, in large file storage."""

    content: bytes
    lfs: bool

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @cached_property
    def pointer(self) -> bytes:
        """What git holds in place of a large file."""
        return (
            f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.sha256}\nsize {len(self.content)}\n".encode()
        )

    @cached_property
    def oid(self) -> str:
        """Git's own name of the object: of the pointer where the file is large."""
        data = self.pointer if self.lfs else self.content
        return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()

    @property
    def etag(self) -> str:
        """What names the content to the client: the sha256 of a large file, git's name of any other."""
        return self.sha256 if self.lfs else self.oid


@dataclass(frozen=True)
class Commit:
    """An immutable snapshot of a repository."""

    id: str
    title: str
    message: str
    parent: Commit | None
    files: Mapping[str, Blob]
    date: str = field(default_factory=lambda: datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000Z"))


@dataclass
class Repository:
    """Commits, and the refs (``refs/heads/main``, ``refs/tags/v1``, ``refs/pr/1``) that point at them."""

    name: str
    """``user/repo``, or ``spaces/user/space``."""
    private: bool = False
    gated: bool = False
    refs: dict[str, Commit] = field(default_factory=dict[str, Commit])
    commits: dict[str, Commit] = field(default_factory=dict[str, Commit])

    def __post_init__(self) -> None:
        self.commit("refs/heads/main", {".gitattributes": Blob(_GITATTRIBUTES, lfs=False)}, "initial commit")

    @property
    def owner(self) -> str:
        return self.name.split("/")[-2]

    def ref(self, revision: str) -> str | None:
        """The ref that a branch, tag or full ref name means; `None` for a commit id or an unknown name."""
        names = (revision, f"refs/heads/{revision}", f"refs/tags/{revision}")
        return next((name for name in names if name in self.refs), None)

    def resolve(self, revision: str) -> Commit | None:
        ref = self.ref(revision)
        return self.refs[ref] if ref else self.commits.get(revision)

    def commit(
        self, ref: str, files: Mapping[str, Blob], title: str, message: str = "", *, parent: Commit | None = None
    ) -> Commit:
        """Point `ref` at a new commit that holds exactly `files`, on top of `parent` (by default the ref's head)."""
        parent = parent or self.refs.get(ref)
        tree = "\n".join(f"{path} {files[path].oid}" for path in sorted(files))
        described = "\n".join((self.name, parent.id if parent else "", title, message, tree))
        new = Commit(hashlib.sha1(described.encode()).hexdigest(), title, message, parent, dict(files))
        self.commits[new.id] = new
        self.refs[ref] = new
        return new


@dataclass(frozen=True)
class User:
    name: str
    token: str
    organizations: tuple[str, ...] = ()

    def owns(self, repository: Repository) -> bool:
        return self.may_create_in(repository.owner)

    def may_create_in(self, namespace: str) -> bool:
        return namespace == self.name or namespace in self.organizations


@dataclass
class Store:
    """Everything that the Hub remembers. Hold `lock` while reading or changing it."""

    users: dict[str, User] = field(default_factory=dict[str, User])
    repositories: dict[str, Repository] = field(default_factory=dict[str, Repository])
    objects: dict[str, bytes] = field(default_factory=dict[str, bytes])
    lock: threading.RLock = field(default_factory=threading.RLock)

    def add_user(self, name: str, organizations: tuple[str, ...] = ()) -> User:
        user = User(name, f"hf_{name}_{secrets.token_hex(8)}", organizations)
        self.users[name] = user
        return user

    def user_of(self, token: str) -> User | None:
        return next((user for user in self.users.values() if user.token == token), None)
