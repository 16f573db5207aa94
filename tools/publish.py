"""Upload the bundled models to the Hub: ``python -m tools.publish ORG`` prints the pins that load them from there."""

from __future__ import annotations

import fnmatch

import click

from interpzoo.errors import InterpzooError, UnknownNameError
from interpzoo.plugins import registry
from interpzoo.pretrained.push import push
from interpzoo.registry import bundled_folder


@click.command()
@click.argument("organization")
@click.argument("pattern", default="*")
@click.option("--private/--public", default=None, help="Make new repositories private or public.")
def main(organization: str, pattern: str, *, private: bool | None) -> None:
    """Upload the bundled models whose names match PATTERN to ORGANIZATION/NAME on the Hub, one commit each.

    For each model it prints the lines for its table in a 'zoo.toml': the name then loads from the Hub if the model is
    not bundled. Models that are on the Hub already are left as they are.
    """
    try:
        publish(organization, pattern, private=private)
    except InterpzooError as error:
        raise click.ClickException(str(error)) from error


def publish(organization: str, pattern: str = "*", *, private: bool | None = None) -> None:
    """Upload the bundled models whose names match `pattern`, and print their pins.

    Raises:
        UnknownNameError: no bundled model matches.
        HubError: the Hub does not answer, or refuses.
    """
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


if __name__ == "__main__":
    main()
