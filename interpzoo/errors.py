"""All errors that a user can fix; every message quotes the input, says what was expected and how to fix it.

Each derives from `InterpzooError`, so that one ``except`` lets bugs through, and from the built-in error one expects.
"""

import difflib
import re
import sys
import warnings
from collections.abc import Iterable
from typing import Final

from interpzoo.text import one_line

_OURS: Final = re.compile(r"(interpzoo(_\w+)?|torch)(\.|$)")
"""Modules between a warning and the user's code: the package, its plugins, and what wraps their functions."""
_MOST_NAMES: Final = 20  # that a message lists


def how_to_install(extra: str) -> str:
    """The command that installs the packages of an extra, such as ``train``; in a clone it is another one."""
    from importlib.metadata import PackageNotFoundError, distribution  # slow, and seldom needed

    try:
        is_clone = '"dir_info"' in (distribution("interpzoo").read_text("direct_url.json") or "")
    except (PackageNotFoundError, OSError, ValueError):
        is_clone = False
    return f"run pip install -e '.[{extra}]' in your clone" if is_clone else f"pip install 'interpzoo[{extra}]'"


class InterpzooError(Exception):
    """Base of every error that the caller can fix.

    A message is one line of printable text of at most `interpzoo.text.MOST_CHARACTERS`, whatever input it quotes.
    """

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


class InputError(InterpzooError, ValueError):
    """An argument is out of range or of the wrong shape."""


class ImageError(InterpzooError, ValueError):
    """An image cannot be read, or has values or a shape that the model does not accept."""


class ConfigError(InterpzooError, ValueError):
    """A config or recipe is invalid; the message names the component and the field."""


class WeightsError(InterpzooError, ValueError):
    """A file of a pretrained model is damaged, or does not fit the modules that its config describes."""


class DataError(InterpzooError, ValueError):
    """A data set cannot be found or read, or lacks a field that a method needs."""


class TrainingError(InterpzooError, RuntimeError):
    """Training cannot continue: a loss is not finite, or a checkpoint belongs to another recipe."""


class OutputError(InterpzooError, OSError):
    """A result cannot be written; an existing file is unchanged."""


class HubError(InterpzooError, OSError):
    """The Hub refuses a request, or a repository does not hold a pretrained model."""


class HubUnreachableError(HubError):
    """The Hub does not answer, or may not be asked, and the cache does not have the files."""


class PluginError(InterpzooError, RuntimeError):
    """A plugin cannot be used; the message names its distribution."""


class UnknownNameError(InterpzooError, LookupError):
    """No model, component, recipe or data set has this name."""


class AmbiguousNameError(InterpzooError, LookupError):
    """Several plugins registered this bare name; the message names them all."""


class MissingDependencyError(InterpzooError, ImportError):
    """An optional package is missing or incompatible; the message says what to install."""


class PictureWarning(UserWarning):
    """A picture is unlike those that the model was trained on, or much of it is cut away."""


class MatchWarning(PictureWarning):
    """Two pictures have hardly anything that corresponds."""


def warn(message: Warning | str, category: type[Warning] = UserWarning) -> None:
    """Warn the user, at the line of the user's own code that called this package, however deep in it the cause is."""
    frame, level = sys._getframe(1), 2  # pyright: ignore[reportPrivateUsage]  # the oldest Python cannot skip by name
    while _OURS.match(str(frame.f_globals.get("__name__"))) and frame.f_back is not None:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """``" Did you mean 'acai-mnist' or ...?"`` for the closest known names, else an empty string."""
    spelt = {other.lower(): other for other in known}
    close = difflib.get_close_matches(name.lower(), spelt, n=3, cutoff=0.5)
    return f" Did you mean {' or '.join(repr(spelt[other]) for other in close)}?" if close else ""


def suggestions(name: str, known: Iterable[str]) -> str:
    """`did_you_mean`, or else the first known names: what to write instead of a name that is not known."""
    names = [*known]
    more = ", ..." if len(names) > _MOST_NAMES else ""
    there_are = f" There are {', '.join(names[:_MOST_NAMES])}{more}." if names else ""
    return did_you_mean(name, names) or there_are
