"""Serve folders as repositories, to try the client by hand: ``python -m tests.hubserver user/repo=model_cards/x``."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import click

from .hub import Hub


@click.command()
@click.argument("repositories", nargs=-1, metavar="[NAME=FOLDER]...")
@click.option("--port", default=0, help="0 takes a free one.")
def main(repositories: tuple[str, ...], port: int) -> None:
    """Serve every FOLDER as the repository NAME until interrupted."""
    with Hub(port=port) as hub:
        for repository in repositories:
            name, _, folder = repository.partition("=")
            paths = [path for path in Path(folder).rglob("*") if path.is_file()]
            hub.add_repo(name, {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths})
        signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background jobs ignore otherwise
        click.echo(f"export HF_ENDPOINT={hub.endpoint} HF_TOKEN={hub.token} HF_HUB_DISABLE_XET=1")
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            click.echo("stopped")


if __name__ == "__main__":
    main()
