"""Build the site: ``python -m tools.site`` writes it to build/site, which a browser opens without a server."""

from __future__ import annotations

import shutil
from pathlib import Path

import click
from sphinx.cmd.build import build_main

from tools.leaderboard_page import write_page
from tools.site.checking import faults
from tools.site.staging import LEADERBOARD, ROOT, stage


@click.command()
@click.option(
    "--output", type=click.Path(path_type=Path, file_okay=False), default=ROOT / "build" / "site", show_default=True
)
def main(output: Path) -> None:
    """Build the documentation. The exit code is 1 if a link leads nowhere or something comes from elsewhere."""
    sources = output.with_name(f"{output.name}-sources")
    for folder in (sources, output):
        shutil.rmtree(folder, ignore_errors=True)
    stage(sources)
    # In one process: with several, some links from sources to the reference are wrong.
    options = ["--fail-on-warning", "--keep-going", "--quiet", "--fresh-env"]
    options += ["-c", str(Path(__file__).parent), "-d", str(sources / ".doctrees")]
    if build_main([*options, str(sources), str(output)]):
        raise click.ClickException("the documentation has faults, see above")
    write_page(output / LEADERBOARD)
    if found := [*faults(output)]:
        raise click.ClickException("\n".join(found))
    click.echo(f"{output / 'index.html'}: the documentation")


if __name__ == "__main__":
    main()
