"""Where pretrained folders come from: a path, the bundled zoo, or the Hugging Face Hub."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from interpzoo import folder as pretrained
from interpzoo.bundle import bundled_folder
from interpzoo.errors import InputError, UnknownNameError, WeightsError
from interpzoo.plugins import registry, zoo
from interpzoo.registry import PretrainedModel, Registration


@dataclass(frozen=True)
class Source:
    """A pretrained folder on this machine."""

    path: Path
    sums: dict[str, str]
    """SHA-256 of its files; empty for a folder of the user's own without a list."""


def locate(name: str | Path, revision: str | None = None) -> Source:
    """The folder of a model.

    Args:
        name: a zoo name (``acai-mnist``, ``plugin:name``), a repository (``user/repo``, ``user/repo@revision``), or a
            folder: a `Path`, or a string that starts with ``./``, ``../`` or ``/``.
        revision: a commit, branch or tag of a repository.

    Raises:
        UnknownNameError, AmbiguousNameError: no such name, or several.
        WeightsError: the folder is missing or damaged.
        InputError: a revision is given of what is no repository.
    """
    if isinstance(name, Path) or name.startswith(("./", "../", "/")):
        path = Path(name)
        if not path.is_dir():
            raise WeightsError(f"there is no folder {str(path)!r}")
        if revision is not None:
            raise InputError(f"revision = {revision!r}: {str(path)!r} is a folder, which has no revisions")
        return Source(path, pretrained.read_sums(path))
    if "/" in name:
        raise UnknownNameError(f"cannot load {name!r}: for a folder write './{name}'")
    return _bundled(_find(name), revision)


def _find(name: str) -> Registration[PretrainedModel]:
    try:
        return registry().models.find(name)
    except UnknownNameError as error:
        absent = [p for p in zoo().plugins if p.status != "loaded" and p.owner.plugin == name.partition("-")[0]]
        if absent:
            plugin = absent[0]
            raise UnknownNameError(
                f"{error} {plugin.owner} may have it, but it is {plugin.status}: {plugin.reason}"
            ) from None
        raise


def _bundled(row: Registration[PretrainedModel], revision: str | None) -> Source:
    if revision is not None:
        raise InputError(f"revision = {revision!r}: {row.name!r} is bundled; give a revision with 'user/repo'")
    path = bundled_folder(row)
    if path is None:
        raise WeightsError(f"{row.qualified!r} is registered by {row.owner}, but its folder is not installed")
    if row.entry.sha256 is not None:
        pretrained.check_sum(path, pretrained.SUMS, {pretrained.SUMS: row.entry.sha256})
    return Source(path, pretrained.read_sums(path))
