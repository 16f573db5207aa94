"""Registered names: components, methods, recipes and pretrained models, each with the plugin that registered it."""

import fnmatch
import importlib
import re
import sys
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import MISSING, dataclass, field, fields
from functools import cache
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Generic, Literal, TypeVar, get_args

from interpzoo.arguments import one_of
from interpzoo.errors import AmbiguousNameError, ConfigError, PluginError, UnknownNameError, did_you_mean, suggestions
from interpzoo.files import parse_toml
from interpzoo.foreign import Waiting, contained
from interpzoo.text import explained, quoted

Kind = Literal[
    "encoder", "decoder", "prior", "space", "regularizer", "interpolator", "dataset", "metric", "features", "source"
]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
ModelKind = Literal["interpolator", "features"]
EntryKind = Kind | Literal["method", "recipe", "model", "former name"]
FIRST_PARTY: Final = "interpzoo"
"""The distribution whose names of pretrained models cannot be taken over by plugins of others."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}")
_PACKAGE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_PLAIN_SUMMARY = re.compile(r'^summary = "([^"\\\n]*)"$', re.MULTILINE)
_TARGET = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def is_name(text: str) -> bool:
    """Whether `text` can name a plugin or what it registers: letters, digits, ``.``, ``_`` and ``-``."""
    return isinstance(text, str) and _NAME.fullmatch(text) is not None  # pyright: ignore[reportUnnecessaryIsInstance]


@dataclass(frozen=True)
class Owner:
    """A plugin and the distribution that it comes from."""

    plugin: str
    distribution: str
    version: str

    def __str__(self) -> str:
        return f"plugin {self.plugin!r} ({self.distribution} {self.version})"


@dataclass(frozen=True)
class ClassReference:
    """A component class, imported on first use, so that listing costs no import."""

    target: str
    """``package.module:Class``."""


@dataclass(frozen=True)
class Method:
    """A method of a paper, and the recipe that reproduces it."""

    title: str
    recipe: str = ""
    """The recipe that ``interpzoo train METHOD`` starts from; empty if there is nothing to train."""
    paper: str = ""
    """Link to the paper."""
    citation: str = ""
    """BibTeX."""

    def __post_init__(self) -> None:
        _check_texts(self)


def _check_texts(entry: "Method | PretrainedModel") -> None:
    """Refuse values of another type, which a file may hold."""
    for name, value in vars(entry).items():
        if not isinstance(value, str | None):
            raise TypeError(f"{name} = {quoted(value)}: expected text")


@cache
def _recipes_of(package: str) -> Any:
    return files(package).joinpath("recipes")  # which takes as long as reading a recipe


@dataclass(frozen=True)
class RecipeFile:
    """A recipe's TOML file in a package, read on demand."""

    package: str
    file: str

    def read(self) -> str:
        """The file's text; raises a `ConfigError` if it cannot be read."""
        try:
            return _recipes_of(self.package).joinpath(self.file).read_text("utf-8")
        except Exception as error:  # its package is gone or damaged, or it is not text
            raise ConfigError(f"recipe {self.file!r} of {self.package} cannot be read: {explained(error)}") from None

    @property
    def summary(self) -> str:
        """The recipe's summary; empty where it has none or is not TOML."""
        try:
            # It stands before the first table, mostly on one line. Parsing every recipe would double a listing's time.
            top = self.read().partition("\n[")[0]
            if plain := _PLAIN_SUMMARY.search(top):
                return plain[1]
            return str(parse_toml(top, self.file).get("summary", ""))
        except ConfigError:
            return ""


@dataclass(frozen=True)
class PretrainedModel:
    """A pretrained model: what it is and where its folder comes from.

    The folder is searched for in ``model_cards/`` of `package`, then in the cache at `revision`, then on the Hub.
    """

    method: str
    dataset: str
    """What it was trained on; empty if on nothing."""
    license: str
    summary: str = ""
    """If empty, the summary of the recipe of the same name is used, see `interpzoo.listing.summary_of`."""
    kind: ModelKind = "interpolator"
    package: str | None = None
    """Import package that bundles the folder, or ``None``."""
    repository: str | None = None
    """Repository on the Hub, ``user/repo``, or ``None``."""
    revision: str | None = None
    """Full hash of the repository's commit to load."""
    sha256: str | None = None
    """SHA-256 of the folder's ``SHA256SUMS`` file."""

    def __post_init__(self) -> None:
        _check_texts(self)
        one_of("kind", self.kind, get_args(ModelKind))
        if self.package is not None and not _PACKAGE.fullmatch(self.package):
            raise ValueError(f"package = {quoted(self.package)}: expected the name of an import package")
        # A registered name must load the same files everywhere and for ever.
        pins = re.fullmatch(r"[0-9a-f]{40}", self.revision or ""), re.fullmatch(r"[0-9a-f]{64}", self.sha256 or "")
        if self.repository is not None and not all(pins):
            raise ValueError("a repository needs its full commit hash as revision, and sha256")


@dataclass(frozen=True)
class Alias:
    """The former name of a model, which still loads, with a warning."""

    to: str


E = TypeVar("E", ClassReference, Method, RecipeFile, PretrainedModel, Alias)


@dataclass(frozen=True)
class Registration(Generic[E]):
    """One name that one plugin registered."""

    name: str
    owner: Owner
    entry: E

    @property
    def qualified(self) -> str:
        """``plugin:name``, which always resolves."""
        return f"{self.owner.plugin}:{self.name}"


class Table(Generic[E]):
    """The registrations of one kind, by name, in the order of registration.

    With `first_party_wins`, a bare name that several plugins registered stands for this distribution's own.
    """

    def __init__(self, kind: str, *, first_party_wins: bool = False) -> None:
        self.kind = kind
        self._first_party_wins = first_party_wins
        self._rows: dict[str, list[Registration[E]]] = {}

    def __iter__(self) -> Iterator[Registration[E]]:
        return (row for rows in self._rows.values() for row in rows)

    def add(self, row: Registration[E]) -> None:
        """Add a registration."""
        self._rows.setdefault(row.name, []).append(row)

    def holds(self, row: Registration[E]) -> bool:
        """Whether the plugin of `row` has already registered this name."""
        return any(other.owner.plugin == row.owner.plugin for other in self._rows.get(row.name, []))

    def clashes(self) -> list[list[Registration[E]]]:
        """The registrations of each bare name that several plugins registered."""
        return [rows for rows in self._rows.values() if len(rows) > 1]

    def names(self, pattern: str | None = None) -> list[str]:
        """Sorted names that match a shell pattern; ambiguous ones are given as ``plugin:name``."""
        return sorted({n for n in map(self.shown, self) if pattern is None or fnmatch.fnmatchcase(n, pattern)})

    def shown(self, row: Registration[E]) -> str:
        """The shortest name that resolves to `row`."""
        return row.name if self._bare(row.name) is row else row.qualified

    def find(self, name: str, *, prefer: Collection[str] = ()) -> Registration[E]:
        """The registration under a bare name, preferably that of a plugin in `prefer`, or under ``plugin:name``.

        Raises:
            UnknownNameError: no such name; the message suggests similar ones.
            AmbiguousNameError: several plugins have registered it; the message names them all.
        """
        plugin, colon, bare = name.rpartition(":")
        rows = self._rows.get(bare, [])
        if colon:
            row = next((row for row in rows if row.owner.plugin == plugin), None)
        else:
            preferred = [row for row in rows if row.owner.plugin in prefer]
            row = preferred[0] if len(preferred) == 1 else self._bare(bare)
            if row is None and rows:
                owners = " and ".join(str(row.owner) for row in rows)
                choices = " or ".join(repr(row.qualified) for row in rows)
                raise AmbiguousNameError(f"{self.kind} {name!r} is registered by {owners}: write {choices}")
        if row is None:
            names = [*self._rows, *(row.qualified for row in self)]
            raise UnknownNameError(f"unknown {self.kind} {quoted(name)}.{suggestions(name, names)}")
        return row

    def _bare(self, name: str) -> Registration[E] | None:
        rows = self._rows.get(name, [])
        if len(rows) > 1 and self._first_party_wins:
            rows = [row for row in rows if row.owner.distribution == FIRST_PARTY] or rows
        return rows[0] if len(rows) == 1 else None


@dataclass
class Registry:
    """Everything that plugins have registered."""

    components: dict[Kind, Table[ClassReference]] = field(default_factory=lambda: {kind: Table(kind) for kind in KINDS})
    methods: Table[Method] = field(default_factory=lambda: Table("method"))
    recipes: Table[RecipeFile] = field(default_factory=lambda: Table("recipe"))
    models: Table[PretrainedModel] = field(default_factory=lambda: Table("model", first_party_wins=True))
    renamed: Table[Alias] = field(default_factory=lambda: Table("former name"))

    def tables(self) -> list[Table[Any]]:
        """All tables."""
        return [*self.components.values(), self.methods, self.recipes, self.models, self.renamed]

    def resolve(self, kind: Kind, name: str) -> object:
        """Import the object registered as `name`; `interpzoo.build.component_class` checks its type.

        Raises:
            UnknownNameError, AmbiguousNameError: as `Table.find`.
            PluginError: the class cannot be imported; the message names the plugin.
        """
        row = self.components[kind].find(name)
        module, _, attribute = row.entry.target.partition(":")
        if (found := getattr(sys.modules.get(module), "__dict__", {}).get(attribute)) is not None:
            return found  # no code of the plugin runs
        try:
            with Waiting(row.owner), contained():
                return getattr(importlib.import_module(module), attribute)
        except Exception as error:  # a plugin's module may raise anything
            what = f"{kind} {row.name!r} ({row.entry.target})"
            raise PluginError(f"{row.owner}: {what} cannot be imported: {explained(error)}") from error


def bundled_folder(row: Registration[PretrainedModel]) -> Path | None:
    """The folder of a pretrained model inside its installed package, or ``None`` if the package does not bundle it."""
    spec = None
    if row.entry.package is not None:
        with suppress(Exception):  # it may be a part of a package that is absent or broken
            spec = find_spec(row.entry.package)
    for root in (spec.submodule_search_locations or []) if spec else []:
        # In a wheel the folders are in the package, in a checkout (an editable install) next to it.
        for parent in (Path(root), Path(root).parent):
            if (path := parent / "model_cards" / row.name).is_dir():
                return path
    return None


class Registrar:
    """The argument of a plugin's ``register`` hook: it collects registrations, to be added all or not at all."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._staged: list[tuple[EntryKind, Registration[Any]]] = []

    def add(self, kind: Kind, name: str, target: str) -> None:
        """Register the component class at `target` (``"package.module:Class"``), imported on first use."""
        if kind not in KINDS:
            raise PluginError(f"it registers {quoted(name)} as {quoted(kind)}: expected one of {', '.join(KINDS)}")
        if not isinstance(target, str) or not _TARGET.fullmatch(target):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise PluginError(f"it registers {quoted(name)} at {quoted(target)}: expected 'package.module:Class'")
        self._stage(kind, name, ClassReference(target))

    def add_package(self, package: str) -> None:
        """Register an import package's recipes, ``recipes/*.toml`` under their file names, and its ``zoo.toml``.

        That has the tables ``[methods.NAME]`` (fields of `Method`), ``[models.NAME]`` (fields of `PretrainedModel`) and
        ``[renamed]`` (former names of models and their present ones).
        """
        root = files(package)
        if (recipes := root.joinpath("recipes")).is_dir():
            for file in sorted(file.name for file in recipes.iterdir() if file.name.endswith(".toml")):
                self._stage("recipe", file.removesuffix(".toml"), RecipeFile(package, file))
        if (file := root.joinpath("zoo.toml")).is_file():
            zoo = parse_toml(file.read_text("utf-8"), "zoo.toml")
            for key, value in zoo.items():
                if key not in ("methods", "models", "renamed") or not isinstance(value, dict):
                    expected = "tables [methods.NAME], [models.NAME] and [renamed]"
                    raise PluginError(f"zoo.toml has {key!r} = {quoted(value)}, expected {expected}")
            for name, values in zoo.get("methods", {}).items():
                self._stage("method", name, self._entry(Method, name, values))
            for name, values in zoo.get("models", {}).items():
                self._stage("model", name, self._entry(PretrainedModel, name, values))
            for name, to in zoo.get("renamed", {}).items():
                self._stage("former name", name, Alias(str(to)))

    def commit(self, registry: Registry) -> None:
        """Add everything to `registry`; on an error it is unchanged."""
        tables = {table.kind: table for table in registry.tables()}
        counts = Counter((kind, row.name) for kind, row in self._staged)
        for kind, row in self._staged:
            if counts[kind, row.name] > 1 or tables[kind].holds(row):
                raise PluginError(f"it registers the {kind} {row.name!r} twice")
        for kind, row in self._staged:
            tables[kind].add(row)

    def _entry(self, entry: type[E], name: str, values: Any) -> E:
        known, given = {field.name: field for field in fields(entry)}, values if isinstance(values, dict) else {}
        wrong = [f"unknown field {key!r}{did_you_mean(key, known)}" for key in given if key not in known]
        wrong += [f"field {k!r} is missing" for k, one in known.items() if one.default is MISSING and k not in given]
        try:
            if not wrong:
                return entry(**given)
        except (TypeError, ValueError) as error:
            wrong = [str(error)]
        raise PluginError(f"zoo.toml, {name!r}: {'; '.join(wrong)}")

    def _stage(self, kind: EntryKind, name: str, entry: Any) -> None:
        if not is_name(name):
            raise PluginError(f"it registers the {kind} {quoted(name)}: names are letters, digits, '.', '_', '-'")
        self._staged.append((kind, Registration(name, self._owner, entry)))
