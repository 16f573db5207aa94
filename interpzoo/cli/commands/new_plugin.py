"""``interpzoo new-plugin``: create a plugin project from a template."""

from pathlib import Path

import click

from interpzoo.cli.console import echo
from interpzoo.cli.options import UserPath


@click.command(
    short_help="Create a plugin with a method of your own.",
    epilog="""\b
Example:
  interpzoo new-plugin my-method --output ~/projects
""",
)
@click.argument("name")
@click.option(
    "--output",
    type=UserPath(file_okay=False, exists=True),
    default=".",
    metavar="DIR",
    help="Folder in which to create the project.",
    show_default="the current folder",
)
def command(name: str, *, output: Path) -> None:
    """Create the project interpzoo-NAME: a package with one method, its recipe, tests, README and CI.

    The project can be installed, tested and trained as it is; its README says what to change.
    """
    from interpzoo.scaffold import new_plugin

    project = new_plugin(name, output)
    echo(f"{project}: a new plugin; there, run pip install -e '.[test]' && pytest, then see its README.md")
