"""Plugins: how they are found, checked, loaded one at a time, and blamed.

A plugin is an installed package with an entry point in the group ``interpzoo`` that names a module::

    # the whole of interpzoo_mine/__init__.py
    from interpzoo.plugins import Registrar, hookimpl

    INTERPZOO_API = 1

    @hookimpl
    def register(registry: Registrar) -> None:
        registry.add("interpolator", "mine", "interpzoo_mine.path:Mine")

Environment variables: ``INTERPZOO_PLUGINS`` (comma-separated names: only these), ``INTERPZOO_DISABLE_PLUGINS`` (all but
these), ``INTERPZOO_STRICT_PLUGINS=1`` (the first failure is raised).
"""

import os
import re
import time
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import Distribution, EntryPoint, distributions
from pathlib import Path
from typing import Literal

import pluggy

from interpzoo.errors import PluginError
from interpzoo.foreign import ForeignError, Waiting, complain, contained
from interpzoo.registry import FIRST_PARTY, Owner, Registrar, Registry, is_name
from interpzoo.text import explained

GROUP = "interpzoo"
API_VERSION = 1
"""Version of the plugin API; raised when plugins written for the previous one no longer work."""

_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]{0,63}")

hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


class Hooks:
    """The hooks that a plugin may implement."""

    @hookspec
    def register(self, registry: Registrar) -> None:
        """Register components, methods, recipes and models; import nothing heavy."""


@dataclass(frozen=True)
class Plugin:
    """One entry point and whether it was loaded."""

    owner: Owner
    status: Literal["loaded", "disabled", "failed"]
    reason: str = ""
    """Why the plugin was not loaded."""
    milliseconds: float = 0.0
    """Time taken by import and registration."""


@dataclass
class Zoo:
    """The registry and the plugins that filled it."""

    registry: Registry = field(default_factory=Registry)
    plugins: list[Plugin] = field(default_factory=list["Plugin"])
    damaged: list[str] = field(default_factory=list[str])
    """Installed distributions whose list of plugins cannot be read, with the reason."""

    def plugin(self, name: str) -> Plugin | None:
        """The plugin of this name; one that is loaded, if several distributions have it."""
        found = [plugin for plugin in self.plugins if plugin.owner.plugin == name]
        return next((plugin for plugin in found if plugin.status == "loaded"), found[0] if found else None)

    def absent(self, name: str) -> str:
        """Why what the plugin of this name may have is not there; empty if it is loaded, or not installed."""
        plugin = self.plugin(name)
        if plugin is None or plugin.status == "loaded":
            return ""
        return f" {plugin.owner} may have it, but it is {plugin.status}: {plugin.reason}"

    def problems(self) -> list[str]:
        """Failed plugins, damaged distributions and clashing names, one line each."""
        failed = [f"{p.owner} is not loaded: {p.reason}" for p in self.plugins if p.status == "failed"]
        clashes = [
            f"{table.kind} {rows[0].name!r} is registered by {' and '.join(str(row.owner) for row in rows)}"
            for table in self.registry.tables()
            for rows in table.clashes()
        ]
        return failed + self.damaged + clashes


def discover() -> Zoo:
    """Load every enabled plugin; with ``INTERPZOO_STRICT_PLUGINS``, a failure or clash raises a `PluginError`."""
    zoo = Zoo()
    strict = os.environ.get("INTERPZOO_STRICT_PLUGINS", "") not in ("", "0")
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(Hooks)
    allowed, blocked = _names("INTERPZOO_PLUGINS"), _names("INTERPZOO_DISABLE_PLUGINS") or set()
    # Ours first, so that a clash is blamed on the later plugin.
    with Waiting() as waiting:
        for owner, entry in sorted(
            _found(zoo.damaged), key=lambda pair: (pair[0].distribution != GROUP, pair[0].plugin)
        ):
            if (allowed is not None and entry.name not in allowed) or entry.name in blocked:
                variable = "INTERPZOO_DISABLE_PLUGINS" if entry.name in blocked else "INTERPZOO_PLUGINS"
                zoo.plugins.append(Plugin(owner, "disabled", f"by {variable}={os.environ[variable]}"))
                continue
            waiting.owner, start = owner, time.perf_counter()
            try:
                with contained():
                    _load(entry, owner, manager, zoo.registry)
            except Exception as error:  # a plugin may raise anything and must not break the zoo
                reason = str(error) if isinstance(error, PluginError | ForeignError) else explained(error)
                if strict:
                    raise PluginError(f"{owner} failed: {reason}") from error
                zoo.plugins.append(Plugin(owner, "failed", reason))
            else:
                zoo.plugins.append(Plugin(owner, "loaded", milliseconds=(time.perf_counter() - start) * 1e3))
    if strict and (problems := zoo.problems()):
        raise PluginError(problems[0])
    return zoo


@cache
def zoo() -> Zoo:
    """The zoo of this process, discovered on first use; its problems are printed to stderr once."""
    found = discover()
    for problem in found.problems():
        complain(f"{problem} (see 'interpzoo plugins')")
    return found


@cache
def registry() -> Registry:
    """The registry of this process."""
    return zoo().registry


def _load(entry: EntryPoint, owner: Owner, manager: pluggy.PluginManager, registry: Registry) -> None:
    if not is_name(entry.name):
        raise PluginError("the name of its entry point has characters other than letters, digits, '.', '_', '-'")
    module = entry.load()
    version = getattr(module, "INTERPZOO_API", None)
    if not isinstance(version, int):
        raise PluginError(f"it does not say which API it is written for: add 'INTERPZOO_API = {API_VERSION}'")
    if version != API_VERSION:
        which = "upgrade interpzoo" if version > API_VERSION else f"upgrade {owner.distribution}"
        raise PluginError(f"it is written for plugin API {version}, this interpzoo has {API_VERSION}: {which}")
    others = [plugin for _, plugin in manager.list_name_plugin() if plugin is not module]
    if manager.has_plugin(entry.name):
        raise PluginError("another distribution has a plugin of this name: uninstall one of the two")
    registrar = Registrar(owner)
    try:
        manager.register(module, name=entry.name)
        manager.check_pending()
        if not manager.get_hookcallers(module):
            raise PluginError("it has no hook: decorate its 'register' with @hookimpl")
        manager.subset_hook_caller("register", remove_plugins=others)(registry=registrar)
        registrar.commit(registry)
    except BaseException as error:
        if manager.has_plugin(entry.name):
            manager.unregister(name=entry.name)
        if isinstance(error, pluggy.PluginValidationError):
            raise PluginError(
                "its hook is of another form: expected 'def register(registry)' after @hookimpl"
            ) from error
        raise


def _found(damaged: list[str]) -> list[tuple[Owner, EntryPoint]]:
    """The plugins of all installed distributions; those that cannot be read are added to `damaged`.

    The first of several distributions of one name counts, as for an import. Nobody can hide ours by taking its name.
    """
    found: dict[tuple[str, str], tuple[Owner, EntryPoint]] = {}
    seen: set[str] = set()
    for distribution in distributions():
        try:
            if GROUP not in (distribution.read_text("entry_points.txt") or ""):
                continue  # most have none; parsing all of them would take longer than all else here
            entries = [entry for entry in distribution.entry_points if entry.group == GROUP]
        except Exception as error:  # the file is not text, or not a list of entry points
            name, version = _identity(distribution)
            damaged.append(f"the plugins of {name} {version}, if any, cannot be found: {explained(error)}")
            continue
        if not entries:
            continue
        name, version = _identity(distribution)
        if name in seen and name != FIRST_PARTY:
            continue
        seen.add(name)
        for entry in entries:
            found.setdefault((entry.name, entry.value), (Owner(entry.name, name, version), entry))
    return [*found.values()]


def _identity(distribution: Distribution) -> tuple[str, str]:
    """Name and version of a distribution, from the name of its folder where its metadata are damaged."""
    try:
        metadata = distribution.metadata  # each look at it reads and parses the file
        name, version = metadata["Name"], metadata["Version"]
    except Exception:  # the file is not text, or has other fields
        name = version = None
    named, _, numbered = Path(str(getattr(distribution, "_path", ""))).stem.partition("-")
    name, version = (str(value or other) for value, other in ((name, named), (version, numbered)))
    return name if is_name(name) else "unknown-distribution", version if re.fullmatch(_VERSION, version) else "?"


def _names(variable: str) -> set[str] | None:
    value = os.environ.get(variable)
    return None if value is None else {name.strip() for name in value.split(",") if name.strip()}
