"""``interpzoo demo``: a page that walks between pictures in a browser."""

from collections.abc import Sequence
from pathlib import Path

import click

from interpzoo.cli.console import echo, size
from interpzoo.cli.inputs import model_names
from interpzoo.cli.options import UserPath
from interpzoo.errors import InterpzooError


@click.command(
    short_help="Write a web page to try models in.",
    epilog="""\b
Examples:
  interpzoo demo --open
  interpzoo demo acai-mnist ae-mnist vae-mnist -o digits
  interpzoo demo '*-lines' ./runs/mine -o mine
""",
)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option(
    "-o",
    "--output",
    type=UserPath(file_okay=False),
    default=Path("interpzoo-demo"),
    show_default=True,
    metavar="DIR",
    help="Folder to write, new or with such a page, which is replaced.",
)
@click.option("--open", "opens", is_flag=True, help="Serve the page on this machine and open it in the browser.")
def command(names: Sequence[str], *, output: Path, opens: bool) -> None:
    """Write a page with the models NAME, or with a few of the zoo, that runs in any browser.

    Open its index.html, or put the folder on any server of static files. It needs no other server and no network, and
    pictures that are given to it stay in the browser. Methods on the same data are shown in rows, on the same pictures.
    A NAME with wildcards leaves out models that cannot be exported.
    """
    from interpzoo.cli.progress import PathProgress
    from interpzoo.demo import DEFAULT, write_demo
    from interpzoo.demo.folder import read_index

    models = [model for name in names or DEFAULT for model in model_names(name)]

    def report(name: str, error: InterpzooError) -> None:
        if name in names:
            raise error
        echo(f"{name} is skipped: {error}", err=True)

    with PathProgress("models") as progress:
        folder = write_demo(dict.fromkeys(models), output, skipped=report, progress=progress)
    total = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    shown = [card["name"] for group in read_index(folder)["groups"] for card in group["models"]]
    echo(f"{folder / 'index.html'}: {size(total)} with {', '.join(shown)}")
    if opens:
        from interpzoo.demo.serve import address, server, show

        served = server(folder)
        echo(f"{address(served)}: press Ctrl+C to stop")
        show(served)
