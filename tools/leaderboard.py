"""LEADERBOARD.md and the cards, made from the committed records.

``interpzoo benchmark --output benchmarks/results`` writes the records.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from interpzoo.benchmark.metric import metrics_named
from interpzoo.benchmark.page import render
from interpzoo.benchmark.report import leaderboards
from interpzoo.benchmark.results import Record
from interpzoo.evaluation import results_of
from interpzoo.pretrained.card import read_results, render_card
from interpzoo.pretrained.folder import CARD, PREVIEW, fingerprint, read_config
from interpzoo.recipes import load_recipe

ROOT: Final = Path(__file__).parents[1]
CARDS: Final = ROOT / "model_cards"
RECORDS: Final = ROOT / "benchmarks" / "results"
PAGE: Final = ROOT / "LEADERBOARD.md"


def pages(records: list[Record]) -> Iterator[tuple[Path, str]]:
    """Every generated file and its text.

    Raises:
        ClickException: a bundled model has no record, or a record with other weights.
    """
    yield PAGE, render(leaderboards(records, metrics_named()))
    found = {record.candidate: record for record in records if not (record.control or record.chosen)}
    for folder in sorted(path for path in CARDS.iterdir() if path.is_dir()):
        config = read_config(folder)
        if config.trained is None:  # 'python -m tools.untrained' writes its card
            continue
        recipe = load_recipe(folder.name)
        prose = {"summary": recipe.summary, "limitations": recipe.limitations}
        config = config.model_copy(update=prose)
        if config.kind != "interpolator":
            yield folder / CARD, render_card(config, read_results(folder), preview=(folder / PREVIEW).is_file())
            continue
        record = found.get(config.name)
        if record is None or record.weights != fingerprint(folder):
            what = "has no record" if record is None else "has a record with other weights"
            command = f"interpzoo benchmark {config.name} --output {RECORDS.relative_to(ROOT).as_posix()}"
            raise click.ClickException(f"{config.name} {what}: run '{command}'")
        yield folder / CARD, render_card(config, results_of(record), preview=(folder / PREVIEW).is_file())
