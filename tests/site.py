"""Plugin distributions installed for one test, in this process."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from interpzoo import plugins
from tests.tiny import write_distribution

_NUMBERS = itertools.count()


class Site:
    """A folder of installed distributions at the head of the import path."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def install(self, plugin: str, files: Mapping[str, str], *, version: str = "1.0") -> str:
        """Install the plugin as ``interpzoo-PLUGIN-N``; gives the distribution's name, which is new each time.

        ``{package}`` in ``zoo.toml`` is replaced by the name of the import package.
        """
        name = f"interpzoo-{plugin}-{next(_NUMBERS)}"  # a new name, because a module is imported once per process
        package = name.replace("-", "_")
        files = {path: text.replace("{package}", package) for path, text in files.items()}
        write_distribution(self.path, name, files, plugin=plugin, version=version)
        return name


@contextmanager
def installed(folder: Path) -> Iterator[Site]:
    """Distributions in `folder` are found while this lasts, as if the process had just started."""

    def forget() -> None:
        plugins.zoo.cache_clear()
        plugins.registry.cache_clear()

    before = {*sys.modules}
    with pytest.MonkeyPatch.context() as patch:
        for variable in ("INTERPZOO_PLUGINS", "INTERPZOO_DISABLE_PLUGINS", "INTERPZOO_STRICT_PLUGINS"):
            patch.delenv(variable, raising=False)
        patch.syspath_prepend(folder)
        forget()
        yield Site(folder)
    forget()
    for name in {*sys.modules} - before:
        if name.startswith("interpzoo_"):
            del sys.modules[name]
