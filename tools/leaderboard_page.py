"""The leaderboard for browsers, with strips: ``python -m tools.leaderboard_page FOLDER`` writes static files.

The tables are made from the committed records. On each data set all models walk between the same pictures: what the
first model makes of its example codes, so that no picture of a data set is published.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click
import torch

from interpzoo.benchmark.html import render_html
from interpzoo.benchmark.metric import metrics_named
from interpzoo.benchmark.report import Leaderboard, leaderboards
from interpzoo.benchmark.results import read_records, strip_of
from interpzoo.errors import InterpzooError
from interpzoo.files import write_text
from interpzoo.pictures import save_strip
from interpzoo.pretrained.load import load
from tools.leaderboard import RECORDS

PAIRS, FRAMES = 2, 9


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--strips/--no-strips", default=True, help="Walk with every model; takes some minutes.")
def main(folder: Path, *, strips: bool) -> None:
    """Write index.html and the strips of all models to FOLDER."""
    try:
        write_page(folder, strips=strips)
    except InterpzooError as error:
        raise click.ClickException(str(error)) from error


def write_page(folder: Path, *, strips: bool = True) -> None:
    """Write index.html, and the strips of all models beside it."""
    boards = leaderboards(read_records(RECORDS), metrics_named())
    if strips:
        save_strips(folder, boards)
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "index.html", render_html(boards, folder))


@torch.no_grad()
def save_strips(folder: Path, boards: Iterable[Leaderboard]) -> None:
    """Write each model's strips between the same pictures."""
    for board in boards:
        pictures = None
        for record in board.models:
            model = load(record.candidate)
            if pictures is None and model.examples is not None:
                pictures = model.decode(model.examples[: 2 * PAIRS]).clamp(0, 1)
            if pictures is None:
                continue
            path = strip_of(record, folder)
            path.parent.mkdir(parents=True, exist_ok=True)
            save_strip(path, model.interpolate(pictures[::2], pictures[1::2], FRAMES), scale=2)


if __name__ == "__main__":
    main()
