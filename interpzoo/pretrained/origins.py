"""Models of other people: their names, ``SCHEME:user/repo`` or ``SCHEME:FOLDER``, and their files, read by a source."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

from torch import Tensor

from interpzoo.build import build_component, resolved
from interpzoo.config import Component, ModelConfig, Origin
from interpzoo.errors import (
    HubError,
    InputError,
    InterpzooError,
    PluginError,
    UnknownNameError,
    WeightsError,
    suggestions,
)
from interpzoo.files import expanded
from interpzoo.interfaces import Source, TensorShapes
from interpzoo.plugins import registry, zoo
from interpzoo.pretrained.archive import Archive
from interpzoo.pretrained.cache import CachedRepository
from interpzoo.pretrained.client import Access
from interpzoo.pretrained.reading import MOST_FILE_BYTES, check_digest, followed, read_bytes, sha256, unique_keys
from interpzoo.pretrained.remote import Remote, fetched, has_hash
from interpzoo.pretrained.stored import check_shapes, read_shapes, read_tensors
from interpzoo.text import explained, quoted

T = TypeVar("T")

MOST_TEXT_BYTES: Final = 1 << 20
"""Largest JSON file of another author's model."""
MOST_FILES: Final = 64
"""Most files of another author's model."""

_ADDRESS: Final = re.compile(r"(?P<repository>[^@:]+)(@(?P<revision>[^:]*))?(:(?P<folder>.*))?")
_FILE: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")


class Foreign(NamedTuple):
    """The files of a model in another library's format, on this disk."""

    source: Source
    name: str
    """The source's registered name."""
    folder: Path
    hashes: dict[str, str]
    """SHA-256 by file name."""

    def config(self, name: str) -> ModelConfig:
        """The config of the model, with all options of its components; raises as `Source.model` and `resolved`."""
        texts = {file: self._json(file) for file in self.hashes if _is_text(file)}
        shapes: dict[str, TensorShapes] = {file: self._open(file).shapes for file in self.hashes if not _is_text(file)}
        return resolved(_asked(self.name, lambda: self.source.model(name, texts, shapes)))

    def tensors(self, expected: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
        """The tensors of a model whose state has these shapes, in the types of the files.

        Raises:
            WeightsError: a file is damaged, or its tensors are not those of the model; nothing is allocated then.
        """
        files = {file: self._open(file) for file in self.hashes if not _is_text(file)}
        places = {
            file: _asked(self.name, lambda f=file, o=opened: {t: self.source.places(f, t) for t in o.shapes})
            for file, opened in files.items()
        }
        found: dict[str, tuple[int, ...]] = {}
        for file, names in places.items():
            for tensor, own in names.items():
                for name in own:
                    if name in found:
                        raise WeightsError(f"{self.folder} has two tensors for {name!r}: {tensor!r} in {file} is one")
                    found[name] = files[file].shapes[tensor]
        check_shapes(self.folder, found, expected)
        tensors: dict[str, Tensor] = {}
        for file, names in places.items():
            wanted = files[file].read([tensor for tensor, own in names.items() if own])
            for tensor, value in wanted.items():
                for number, name in enumerate(names[tensor]):
                    tensors[name] = value.clone() if number else value
        return tensors

    def check(self, file: str) -> None:
        """Raise a `WeightsError` unless a file is there and has its hash."""
        try:
            found = sha256(self.folder / file)
        except FileNotFoundError:
            raise WeightsError(f"{self.folder} has no {file}") from None
        check_digest(self.folder / file, found, self.hashes[file])

    def _json(self, file: str) -> Any:
        path = self.folder / file
        content = read_bytes(path, MOST_TEXT_BYTES)
        check_digest(path, hashlib.sha256(content).hexdigest(), self.hashes[file])
        try:
            return json.loads(content.decode("utf-8"), object_pairs_hook=unique_keys)
        except (ValueError, RecursionError) as error:
            raise WeightsError(f"{path} is not valid JSON: {error}") from None

    def _open(self, file: str) -> "Archive | _Safetensors":
        path, digest = self.folder / file, self.hashes[file]
        return _Safetensors(path, digest) if file.endswith(".safetensors") else Archive(path, digest)


class _Safetensors:
    """As `Archive`."""

    def __init__(self, path: Path, digest: str) -> None:
        self._path, self._digest = path, digest
        self.shapes = dict(read_shapes(path))

    def read(self, wanted: Sequence[str]) -> dict[str, Tensor]:
        """The tensors of these names."""

        def check(found: TensorShapes) -> None:
            check_shapes(self._path, found, self.shapes)

        return read_tensors(self._path, check, sha256=self._digest, wanted=wanted)


def find(scheme: str, where: str, revision: str | None, access: Access) -> tuple[ModelConfig, Foreign]:
    """The model ``SCHEME:WHERE``: its config and its files, downloaded if necessary.

    Raises:
        UnknownNameError, AmbiguousNameError: no plugin has the scheme, or there is no such repository or revision.
        InputError: `where` is neither a folder nor ``user/repo``, with ``@revision`` and ``:folder`` if need be, or two
            revisions are given.
        HubError: as `fetched`.
        ConfigError, WeightsError, MissingDependencyError: the source does not read such a model.
    """
    name, source = _source(scheme)
    shown = f"{scheme}:{where}"
    if Path(where).is_absolute() or where.startswith((".", "~")):
        if revision is not None:
            raise InputError(f"revision = {revision!r}: {shown!r} is a folder, which has no revisions")
        return _local(name, source, expanded(where))
    match = _ADDRESS.fullmatch(where)
    if match is None or (match["revision"] is not None and (revision is not None or not match["revision"])):
        raise InputError(
            f"{shown!r} with revision = {revision!r}: expected {scheme}:user/repo@revision:folder, or less"
        )
    folder = match["folder"] or ""
    if match["folder"] is not None and not all(map(_FILE.fullmatch, folder.split("/"))):
        raise InputError(f"{shown!r}: {folder!r} is not a sub-folder of a repository")
    repository = match["repository"]
    found = _fetch(name, source, repository, match["revision"] or revision, folder, {}, access)
    commit = found.folder.parents[folder.count("/")].name if folder else found.folder.name
    config = found.config(_model_name(repository.rpartition("/")[2], folder))
    origin = Origin(source=name, repository=repository, revision=commit, folder=folder, files=found.hashes)
    return config.model_copy(update={"origin": origin}), found


def pointed(origin: Origin, access: Access) -> Foreign:
    """The files that a config points to, downloaded if necessary; raises as `find`."""
    name, source = _source(origin.source)
    return _fetch(name, source, origin.repository, origin.revision, origin.folder, origin.files, access)


def _source(scheme: str) -> tuple[str, Source]:
    """The full name of a scheme, and the source that reads such models."""
    table = registry().components["source"]
    try:
        row = table.find(scheme)
    except UnknownNameError:
        may = f" A plugin may have it, by custom in the package 'interpzoo-{scheme}'"
        may = zoo().absent(scheme.partition(":")[0]) or may
        raise UnknownNameError(f"unknown scheme {scheme!r}.{suggestions(scheme, table.names())}{may}") from None
    return row.qualified, build_component(Source, Component(name=row.qualified))


def _local(name: str, source: Source, folder: Path) -> tuple[ModelConfig, Foreign]:
    try:
        names = sorted(path.name for path in folder.iterdir() if path.is_file() and _FILE.fullmatch(path.name))
    except OSError as error:
        raise WeightsError(f"{str(folder)!r} cannot be read: {error.strerror or error}") from None
    chosen = _chosen(name, source, names, str(folder))
    found = Foreign(source, name, folder, {file: sha256(folder / file) for file in chosen})
    return found.config(_model_name(folder.resolve().name)), found


def _fetch(
    name: str,
    source: Source,
    repository: str,
    revision: str | None,
    folder: str,
    pins: Mapping[str, str],
    access: Access,
) -> Foreign:
    """The files in the cache; with `pins`, their SHA-256, exactly those and no others."""
    inside = f"{folder}/" if folder else ""
    where = f"{repository}:{folder}" if folder else repository

    def wanted(file: str) -> bool:
        return file.startswith(inside) and _FILE.fullmatch(file.removeprefix(inside)) is not None

    def choose(names: Sequence[str]) -> Sequence[str]:
        if not pins:
            return _chosen(name, source, names, where)
        if missing := [file for file in pins if file not in names]:
            raise HubError(f"{repository!r} has no {inside}{missing[0]} at {revision}")
        return [*pins]

    def cached(cache: CachedRepository, commit: str) -> Path | None:
        here = cache.snapshot(commit) / folder
        try:
            for file in choose(sorted(path.name for path in here.iterdir())):
                blob = followed(here / file)
                expected = pins.get(file) or (blob.name if blob != here / file else None)
                if expected is not None and not has_hash(blob, expected):
                    return None
        except (OSError, InterpzooError):
            return None
        return here

    def download(remote: Remote) -> Path:
        names = sorted(file.rfilename.removeprefix(inside) for file in remote.listing.siblings)
        for file in choose(names):
            found = remote.file(f"{inside}{file}")
            most, digest = MOST_TEXT_BYTES if _is_text(file) else MOST_FILE_BYTES, found.digest
            if found.size is not None and found.size > most:
                raise HubError(f"{where} has {file} of {found.size:,} bytes, expected at most {most:,}")
            pin = pins.get(file)
            if pin is not None and len(digest or "") == len(pin) and digest != pin:
                raise WeightsError(f"{repository}@{revision}: {inside}{file} does not have the hash that is expected")
            remote.get(f"{inside}{file}", pin or digest, lambda most=most: most)
        return remote.folder / folder

    here = fetched(repository, revision, access, wanted=wanted, cached=cached, download=download)
    chosen = choose(sorted(path.name for path in here.iterdir()))
    return Foreign(source, name, here, {file: pins.get(file) or _digest(here / file) for file in chosen})


def _digest(path: Path) -> str:
    """SHA-256 of a file in the cache, by which the Hub stores large ones."""
    blob = followed(path)
    return blob.name if re.fullmatch(r"[0-9a-f]{64}", blob.name) else sha256(path)


def _chosen(name: str, source: Source, names: Sequence[str], where: str) -> Sequence[str]:
    try:
        chosen = _asked(name, lambda: [*source.files(names)])
    except WeightsError as error:
        raise WeightsError(f"{where} is not a model that {name.partition(':')[2]!r} reads: {error}") from None
    if not chosen or len(chosen) > MOST_FILES or not {*chosen} <= {*names} or not all(map(_FILE.fullmatch, chosen)):
        raise PluginError(
            f"source {name!r} chooses {quoted(chosen)}: expected 1 to {MOST_FILES} of the files in {where}"
        )
    return chosen


def _asked(name: str, call: Callable[[], T]) -> T:
    """What a source says, or a `PluginError` that blames it."""
    try:
        return call()
    except InterpzooError:
        raise
    except Exception as error:  # a plugin may raise anything
        owner = registry().components["source"].find(name).owner
        raise PluginError(f"{owner}: source {name!r} failed: {explained(error)}") from error


def _is_text(file: str) -> bool:
    return file.endswith(".json")


def _model_name(*parts: str) -> str:
    text = re.sub(r"[^A-Za-z0-9._-]+", "-", "-".join(filter(None, parts)))[:96]
    return text.lstrip("._-") or "model"
