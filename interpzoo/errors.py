"""What can go wrong, by kind; every message quotes the input, says what was expected and how to mend it.

All derive from `InterpzooError`, so that one ``except`` (and the command line) catches what the user can mend
and lets a fault of the program through. Each also derives from the built-in that a Python user would expect.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class InterpzooError(Exception):
    """The base of every error that the caller can mend."""


class InputError(InterpzooError, ValueError):
    """An argument is out of range or of the wrong shape."""


class ImageError(InterpzooError, ValueError):
    """An image cannot be read, or its values or shape are not what the model takes."""


class ConfigError(InterpzooError, ValueError):
    """A config or recipe does not validate; the message names the component and the field."""


class WeightsError(InterpzooError, ValueError):
    """A weights file is damaged or does not fit the modules that its config describes."""


class DataError(InterpzooError, ValueError):
    """A data set cannot be found or read, or lacks a field that a method needs."""


class TrainingError(InterpzooError, RuntimeError):
    """Training cannot go on (a loss is not finite, a checkpoint is of another recipe)."""


class OutputError(InterpzooError, OSError):
    """A result cannot be written; what stood there before is whole."""


class HubError(InterpzooError, OSError):
    """The Hub refuses what was asked of it, or what it has is no pretrained folder."""


class HubUnreachableError(HubError):
    """The Hub does not answer, or may not be asked, and the cache does not have what was asked for."""


class PluginError(InterpzooError, RuntimeError):
    """A plugin cannot be used; the message names its distribution."""


class UnknownNameError(InterpzooError, LookupError):
    """No model, component, recipe or data set has this name."""


class AmbiguousNameError(InterpzooError, LookupError):
    """Several plugins registered this bare name; the message names each of them."""


class MissingDependencyError(InterpzooError, ImportError):
    """An optional package is missing or does not fit the others; the message says what to install."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """``" Did you mean 'acai-mnist' or ...?"`` for the closest known names, else an empty string."""
    spelt = {other.lower(): other for other in known}
    close = difflib.get_close_matches(name.lower(), spelt, n=3, cutoff=0.5)
    return f" Did you mean {' or '.join(repr(spelt[other]) for other in close)}?" if close else ""
