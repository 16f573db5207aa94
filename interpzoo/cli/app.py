"""The group of commands, and how their errors are reported."""

import importlib
import os
import sys
import warnings
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

import click

from interpzoo.cli import INTERRUPTED
from interpzoo.cli.console import echo
from interpzoo.cli.streams import drop_output
from interpzoo.errors import InterpzooError, PictureWarning, did_you_mean
from interpzoo.text import explained, one_line, quoted

COMMANDS: Final = (
    "list",
    "show",
    "interpolate",
    "morph",
    "grid",
    "mix",
    "sample",
    "edit",
    "traverse",
    "encode",
    "stimuli",
    "train",
    "evaluate",
    "benchmark",
    "score",
    "export",
    "demo",
    "verify",
    "push",
    "plugins",
    "new-plugin",
)
"""In the order in which a newcomer needs them; each is the object ``command`` in its module in `commands`."""

_USER_ERROR: Final = 2
_BROKEN_PIPE: Final = 1


class Commands(click.Group):
    """The commands; each is imported only when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        return importlib.import_module(f"interpzoo.cli.commands.{cmd_name.replace('-', '_')}").command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            ctx.fail(f"unknown command {args[0]!r}.{did_you_mean(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)


@click.group(
    cls=Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="""\b
Examples:
  interpzoo list 'acai-*'
  interpzoo interpolate acai-mnist -o strip.png
  interpzoo train acai-mnist --output runs/mine

\b
Environment:
  INTERPZOO_DATA             folder with local data sets
  INTERPZOO_PLUGINS          load only these plugins (comma-separated names)
  INTERPZOO_DISABLE_PLUGINS  load all plugins except these
  INTERPZOO_STRICT_PLUGINS   1: stop with an error if a plugin cannot be loaded
""",
)
@click.version_option(None, "--version", package_name="interpzoo", message="%(prog)s %(version)s")
@click.pass_context
def group(ctx: click.Context) -> None:
    """A model zoo for latent interpolation: load, train and compare models that interpolate between images."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; warnings, and errors that the user can fix, are one line on stderr."""
    if not sys.stderr.isatty():
        for library in ("HF_HUB", "HF_DATASETS"):
            os.environ.setdefault(f"{library}_DISABLE_PROGRESS_BARS", "1")
    try:
        with warnings.catch_warnings(), _Pictures() as pictures:
            warnings.showwarning = pictures.warn
            code = group.main(list(arguments), prog_name="interpzoo", standalone_mode=False)
            # A closed pipe must be noticed here: at the interpreter's exit the error can no longer be handled.
            sys.stdout.flush()
    except click.Abort:
        return INTERRUPTED
    except BrokenPipeError:
        drop_output()
        return _BROKEN_PIPE
    except (click.ClickException, InterpzooError, OSError, UserWarning) as error:  # a warning that is to be an error
        drop_output()
        with suppress(OSError, ValueError):  # stderr is closed too
            echo(f"Error: {one_line(_explain(error))}", err=True)
        return _USER_ERROR
    return code if isinstance(code, int) else 0


def ignored(what: "sys.UnraisableHookArgs") -> None:
    """Print what Python cannot raise, such as an error in a plugin's `atexit` function, on one line."""
    if what.exc_value is not None:
        _warn(f"{explained(what.exc_value)} (ignored, in {quoted(what.object)})")


class _Pictures:
    """Prints every warning, but only the first of each kind about pictures: each batch of pairs may have one."""

    def __init__(self) -> None:
        self._counts = Counter[type[Warning]]()

    def __enter__(self) -> "_Pictures":
        return self

    def __exit__(self, *_: object) -> None:
        if hidden := self._counts.total() - len(self._counts):
            more = "1 more such warning is" if hidden == 1 else f"{hidden} more such warnings are"
            _warn(f"{more} not shown: about other pictures, or the same ones")

    def warn(self, message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
        """Replaces `warnings.showwarning`."""
        if issubclass(category, PictureWarning):
            self._counts[category] += 1
        if self._counts[category] <= 1:
            _warn(message)


def _warn(message: Warning | str) -> None:
    """Print a warning without the source line that Python adds."""
    with suppress(OSError, ValueError):  # stderr is closed
        echo(f"Warning: {one_line(str(message))}", err=True)


def _explain(error: Exception) -> str:
    if isinstance(error, click.UsageError) and error.ctx is not None:
        message = error.format_message()
        if message.startswith("Got unexpected extra argument"):
            named = [p.make_metavar(error.ctx) for p in error.ctx.command.params if isinstance(p, click.Argument)]
            message += f": expected {' '.join(named) or 'none'}"
        stop = "" if message.endswith((".", "?")) else "."
        return f"{message}{stop} See '{error.ctx.command_path} --help'."
    if isinstance(error, click.ClickException):
        return error.format_message()
    if isinstance(error, OSError) and error.filename is not None and error.strerror is not None:
        return f"{os.fsdecode(error.filename)!r}: {error.strerror}"
    return str(error) or type(error).__name__
