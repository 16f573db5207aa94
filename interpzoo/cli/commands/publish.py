"""``interpzoo publish``: the bundled models to the Hub, and the pins that make their names load from there."""

from __future__ import annotations

import fnmatch

import click


@click.command(
    short_help="Push every bundled model to the Hub and print its pins.",
    epilog="""\b
Examples:
  interpzoo publish --organization interpzoo
  interpzoo publish --organization interpzoo 'acai-*' >> zoo.toml
""",
)
@click.argument("pattern", default="*")
@click.option("--organization", required=True, metavar="ORG", help="User or organization that the repositories are of.")
@click.option("--private/--public", default=None, help="What a new repository is.")
def command(pattern: str, *, organization: str, private: bool | None) -> None:
    """Push the bundled models whose names match PATTERN, one commit each, to ORG/NAME.

    For each it prints what goes into its table of a 'zoo.toml': where its name then loads from if it is not bundled.
    What is on the Hub already is left as it is.
    """
    from interpzoo.errors import UnknownNameError
    from interpzoo.plugins import registry
    from interpzoo.pretrained.bundled import bundled_folder
    from interpzoo.pretrained.push import push

    folders = {row.name: bundled_folder(row) for row in registry().models if fnmatch.fnmatchcase(row.name, pattern)}
    bundled = {name: folder for name, folder in folders.items() if folder is not None}
    if not bundled:
        raise UnknownNameError(f"no bundled model matches {pattern!r}: see 'interpzoo list'")
    for name, folder in sorted(bundled.items()):
        pushed = push(folder, f"{organization}/{name}", private=private)
        click.echo(
            f'[models.{name}]\nrepository = "{pushed.repository}"\nrevision = "{pushed.commit}"\n'
            f'sha256 = "{pushed.sha256}"\n'
        )
