"""Finding a model's folder: on this disk, inside an installed package, or on the Hub."""

from __future__ import annotations

import hashlib
import json
import os
import re
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from interpzoo.config import ModelConfig
from interpzoo.errors import InputError, UnknownNameError, WeightsError, warn
from interpzoo.files import expanded
from interpzoo.plugins import registry, zoo
from interpzoo.pretrained.client import Access
from interpzoo.pretrained.download import fetch
from interpzoo.pretrained.folder import check_links, fingerprint, read_config, read_hashes
from interpzoo.registry import PretrainedModel, Registration, bundled_folder
from interpzoo.text import quoted

if TYPE_CHECKING:
    from interpzoo.pretrained.origins import Foreign

_SCHEME: Final = re.compile(r"((?:[A-Za-z0-9][\w.-]*:)?[A-Za-z0-9][\w.-]*):([^/]*/.*|\.\.?|~)", re.DOTALL)
"""``SCHEME:user/repo`` or ``SCHEME:FOLDER``. ``plugin:name`` of a registered model has no slash."""


@dataclass(frozen=True)
class Located:
    """A model on this machine: a pretrained folder, or files in another library's format."""

    path: Path
    hashes: dict[str, str]
    """SHA-256 by file name, to be checked as the files are read. Empty for a folder without ``SHA256SUMS``."""
    access: Access = field(default_factory=Access)
    """How files elsewhere may be reached."""
    foreign: tuple[ModelConfig, Foreign] | None = None
    """How to read the files, if they are in another library's format."""

    revision: str = ""
    """Commit of the repository on the Hub that the files come from, if it is known."""

    def config(self, *, checked: bool = False) -> ModelConfig:
        """The model's config, whose hash may be `checked`; raises as `read_config`."""
        if self.foreign is not None:
            return self.foreign[0]
        return read_config(self.path, self.hashes if checked else None)

    def files(self, config: ModelConfig) -> Foreign | None:
        """The files in another library's format that weights are read from, if any; they are downloaded if necessary.

        Raises:
            UnknownNameError, HubError, WeightsError: as `interpzoo.pretrained.origins.pointed`.
        """
        if self.foreign is not None:
            return self.foreign[1]
        if config.pointer is None:
            return None
        from interpzoo.pretrained.origins import pointed  # imports torch, which a description does not need

        return pointed(config.pointer, self.access)

    def fingerprint(self) -> str:
        """Hexadecimal SHA-256 of everything that the model's frames depend on, see `fingerprint`."""
        if self.foreign is None:
            return fingerprint(self.path)
        config, files = self.foreign
        described = config.networks()
        text = json.dumps([described, *sorted(files.hashes.values())], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def is_path(source: str) -> bool:
    """Whether `source` is written as a path: it starts with ``./``, ``../`` or ``~``, or is absolute."""
    return source in (".", "..") or source.startswith(("./", "../", "~")) or Path(source).is_absolute()


def as_path(folder: Path) -> str:
    """`folder` as a string for which `is_path` holds, so that no command takes it for a registered name."""
    return str(folder) if folder.is_absolute() or folder.parts[:1] == ("..",) else f"./{folder}"


def is_hub_id(source: object) -> bool:
    """Whether `source` is written as a repository on the Hub, ``user/name``."""
    return isinstance(source, str) and "/" in source and ":" not in source and not is_path(source)


def scheme_of(source: str | Path) -> tuple[str, str] | None:
    """Scheme and rest of ``SCHEME:user/repo`` or ``SCHEME:FOLDER``; ``None`` for other names."""
    match = None if isinstance(source, Path) or is_path(source) else _SCHEME.fullmatch(source)
    return None if match is None else (match[1], match[2])


def locate(name: str | Path, revision: str | None = None, access: Access | None = None) -> Located:
    """Find the folder of a model; one on the Hub is downloaded into the cache, unless it is there.

    Args:
        name: a registered name (``acai-mnist``, ``plugin:name``), a repository (``user/repo``, ``user/repo@revision``),
            a folder: a `Path`, or a string that starts with ``./``, ``../``, ``/`` or ``~``; or another author's model,
            ``SCHEME:user/repo`` or ``SCHEME:FOLDER``.
        revision: a commit, branch or tag of a repository.
        access: how the Hub may be reached.

    Raises:
        UnknownNameError, AmbiguousNameError: there is no such name, repository or revision, or several have the name.
        WeightsError: the folder is missing or damaged.
        HubError: the Hub does not answer, or refuses.
        InputError: a revision is given for something other than a repository, or two are given.
    """
    access = access or Access()
    if not isinstance(name, str | Path):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(f"{quoted(name)} is not a name: expected a string, or a pathlib.Path for a folder")
    if isinstance(name, Path) or is_path(name):
        path = expanded(name)
        if not os.path.isdir(path):  # not Path.is_dir, which raises for a name that is too long
            raise WeightsError(f"there is no folder {str(path)!r}")
        if revision is not None:
            raise InputError(f"revision = {revision!r}: {str(path)!r} is a folder, which has no revisions")
        return _located(path, access)
    if (address := scheme_of(name)) is not None:
        from interpzoo.pretrained.origins import find  # imports torch, which other names do not need

        config, files = find(*address, revision, access)
        return Located(files.folder, {}, access, (config, files), _commit(files.folder))
    if "/" in name:
        repository, at, inside = name.partition("@")
        if at and (revision is not None or not inside):
            raise InputError(f"{name!r} with revision = {revision!r}: expected one revision")
        return _located(fetch(repository, inside or revision, access=access), access)
    if revision is not None:
        raise InputError(f"revision = {revision!r}: {name!r} has a fixed one; give a revision with 'user/repo'")
    return _locate_registered(_find(name), access)


def recorded_name(source: str | Path) -> str:
    """What a config calls the model that training started from: a repository, or a folder without its private path."""
    scheme = scheme_of(source)
    if scheme is not None and not is_path(scheme[1]):
        return str(source)
    name = source if isinstance(source, str) and is_hub_id(source) else Path(source).name
    return name if scheme is None else f"{scheme[0]}:{name}"


def _find(name: str) -> Registration[PretrainedModel]:
    known = registry()
    try:
        return known.models.find(name)
    except UnknownNameError as error:
        with suppress(UnknownNameError):
            alias = known.renamed.find(name)
            found = known.models.find(f"{alias.owner.plugin}:{alias.entry.to}")
            warn(f"model {name!r} is now called {known.models.shown(found)!r}", FutureWarning)
            return found
        if absent := zoo().absent(name.partition("-")[0]):
            raise UnknownNameError(f"{error}{absent}") from None
        scheme, colon, rest = name.partition(":")
        if colon and scheme in known.components["source"].names():
            either = f"'{scheme}:./{rest}' for a folder or '{scheme}:user/{rest}' for a repository"
            raise UnknownNameError(f"{error} Or write {either}") from None
        if os.path.isdir(name):
            raise UnknownNameError(f"{error} For the folder write './{name}'") from None
        if name in known.recipes.names():
            raise UnknownNameError(
                f"model {name!r} is a recipe without pretrained weights: train it with 'interpzoo train {name}'"
            ) from None
        raise


def _locate_registered(row: Registration[PretrainedModel], access: Access) -> Located:
    entry, path = row.entry, bundled_folder(row)
    if path is None and entry.repository is not None:
        path = fetch(entry.repository, entry.revision, pin=entry.sha256, access=access)
    if path is None:
        raise WeightsError(f"{row.qualified!r} is registered by {row.owner}, but its folder is not installed")
    return _located(path, access, entry.sha256, entry.revision)


def _located(path: Path, access: Access, pin: str | None = None, revision: str | None = None) -> Located:
    check_links(path)
    return Located(path, read_hashes(path, pin), access, revision=revision or _commit(path))


def _commit(path: Path) -> str:
    """The commit of a folder in the cache of the Hub; empty for another folder."""
    return path.name if path.parent.name == "snapshots" else ""
