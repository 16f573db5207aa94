"""All generated pages: ``python -m tools.pages`` rewrites them, ``--check`` reports those that are stale.

LEADERBOARD.md, the cards and the scores in docs/ are made from the committed records, the tables of the README and of
docs/ from what this distribution registers, docs/reference/interfaces.md from the source of the interfaces. What
the site alone shows is made when it is built (tools.site).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click

from interpzoo.benchmark.results import read_records
from interpzoo.errors import InterpzooError
from interpzoo.files import write_text
from tools import interfaces, leaderboard, scores, tables


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; exit code 1 if a page is stale.")
def main(*, check: bool) -> None:
    """Rewrite LEADERBOARD.md, the cards, the tables of the documentation and docs/reference/interfaces.md."""
    try:
        records = read_records(leaderboard.RECORDS)
        stale = _update(leaderboard.pages(records), check=check)
        stale += _update(scores.pages(records), check=check)
        stale += _update(tables.pages(), check=check)
        stale += _update([(interfaces.PAGE, interfaces.render(interfaces.PAGE.read_text("utf-8")))], check=check)
    except InterpzooError as error:
        raise click.ClickException(str(error)) from error
    if check and stale:
        names = ", ".join(str(path.relative_to(leaderboard.ROOT)) for path in stale)
        raise click.ClickException(f"stale: {names}. Run 'python -m tools.pages'")


def _update(pages: Iterable[tuple[Path, str]], *, check: bool) -> list[Path]:
    """The pages that differ from their new text, which is written unless `check` is set."""
    stale = [(path, text) for path, text in pages if not path.is_file() or path.read_text("utf-8") != text]
    for path, text in stale if not check else ():
        write_text(path, text)
    return [path for path, _ in stale]


if __name__ == "__main__":
    main()
