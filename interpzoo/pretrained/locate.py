"""Finding a model's folder: on this disk, inside an installed package, or on the Hub."""

import os
import warnings
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from interpzoo.errors import InputError, UnknownNameError, WeightsError
from interpzoo.files import expanded
from interpzoo.plugins import registry, zoo
from interpzoo.pretrained.client import Access
from interpzoo.pretrained.download import fetch
from interpzoo.pretrained.folder import check_links, read_hashes
from interpzoo.registry import PretrainedModel, Registration, bundled_folder


@dataclass(frozen=True)
class Source:
    """A pretrained folder on this machine."""

    path: Path
    hashes: dict[str, str]
    """SHA-256 by file name, to be checked as the files are read. Empty for a folder without ``SHA256SUMS``."""


def is_path(source: str) -> bool:
    """Whether `source` is written as a path: it starts with ``./``, ``../`` or ``~``, or is absolute."""
    return source in (".", "..") or source.startswith(("./", "../", "~")) or Path(source).is_absolute()


def as_path(folder: Path) -> str:
    """`folder` as a string for which `is_path` holds, so that no command takes it for a registered name."""
    return str(folder) if folder.is_absolute() or folder.parts[:1] == ("..",) else f"./{folder}"


def is_hub_id(source: str) -> bool:
    """Whether `source` is written as a repository on the Hub, ``user/name``."""
    return "/" in source and not is_path(source)


def locate(name: str | Path, revision: str | None = None, access: Access | None = None) -> Source:
    """Find the folder of a model; one on the Hub is downloaded into the cache, unless it is there.

    Args:
        name: a registered name (``acai-mnist``, ``plugin:name``), a repository (``user/repo``, ``user/repo@revision``),
            or a folder: a `Path`, or a string that starts with ``./``, ``../``, ``/`` or ``~``.
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
        raise InputError(f"{name!r} is not a name: expected a string, or a pathlib.Path for a folder")
    if isinstance(name, Path) or is_path(name):
        path = expanded(name)
        if not os.path.isdir(path):  # not Path.is_dir, which raises for a name that is too long
            raise WeightsError(f"there is no folder {str(path)!r}")
        if revision is not None:
            raise InputError(f"revision = {revision!r}: {str(path)!r} is a folder, which has no revisions")
        return _source(path)
    if "/" in name:
        repository, at, inside = name.partition("@")
        if at and (revision is not None or not inside):
            raise InputError(f"{name!r} with revision = {revision!r}: expected one revision")
        return _source(fetch(repository, inside or revision, access=access))
    if revision is not None:
        raise InputError(f"revision = {revision!r}: {name!r} has a fixed one; give a revision with 'user/repo'")
    return _locate_registered(_find(name), access)


def recorded_name(source: str | Path) -> str:
    """What a config calls the model that training started from: a repository, or a folder without its private path."""
    return source if isinstance(source, str) and is_hub_id(source) else Path(source).name


def _find(name: str) -> Registration[PretrainedModel]:
    known = registry()
    try:
        return known.models.find(name)
    except UnknownNameError as error:
        with suppress(UnknownNameError):
            alias = known.renamed.find(name)
            found = known.models.find(f"{alias.owner.plugin}:{alias.entry.to}")
            warnings.warn(f"model {name!r} is now called {known.models.shown(found)!r}", FutureWarning, stacklevel=2)
            return found
        absent = [p for p in zoo().plugins if p.status != "loaded" and p.owner.plugin == name.partition("-")[0]]
        if absent:
            plugin = absent[0]
            raise UnknownNameError(
                f"{error} {plugin.owner} may have it, but it is {plugin.status}: {plugin.reason}"
            ) from None
        if os.path.isdir(name):
            raise UnknownNameError(f"{error} For the folder write './{name}'") from None
        if name in known.recipes.names():
            raise UnknownNameError(
                f"model {name!r} is a recipe without pretrained weights: train it with 'interpzoo train {name}'"
            ) from None
        raise


def _locate_registered(row: Registration[PretrainedModel], access: Access) -> Source:
    entry, path = row.entry, bundled_folder(row)
    if path is None and entry.repository is not None:
        return _source(fetch(entry.repository, entry.revision, pin=entry.sha256, access=access), entry.sha256)
    if path is None:
        raise WeightsError(f"{row.qualified!r} is registered by {row.owner}, but its folder is not installed")
    return _source(path, entry.sha256)


def _source(path: Path, pin: str | None = None) -> Source:
    check_links(path)
    return Source(path, read_hashes(path, pin))
