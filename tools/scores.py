"""Scores in the text of the documentation, kept as the committed records have them.

``<!-- score: acai-lines mean-distance -->0.0005<!-- end -->`` is the score of a model by a metric, and ``interval``
instead of ``score`` adds its 95 % interval. A control is named with its task: ``blend@lines-32``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import click

from interpzoo.benchmark.report import cell, number
from interpzoo.benchmark.results import Record
from tools import leaderboard

_SCORE: Final = re.compile(r"(<!-- (?P<kind>score|interval): (?P<of>\S+) (?P<metric>\S+) -->)[^<]*(?=<!-- end -->)")


def pages(records: Sequence[Record]) -> Iterator[tuple[Path, str]]:
    """Every page of docs/ with a score, and its text with the scores written again.

    Raises:
        ClickException: a record or a score that a page names is not there.
    """
    found = {f"{r.candidate}@{r.task}" if r.control else r.candidate: r for r in records if not r.chosen}
    for page in sorted((leaderboard.ROOT / "docs").rglob("*.md")):
        text = page.read_text("utf-8")

        def written(match: re.Match[str], page: Path = page) -> str:
            record = found.get(match["of"])
            score = None if record is None else record.scores.get(match["metric"])
            if score is None or score.value is None:
                raise click.ClickException(f"{page.name}: there is no {match['metric']} of {match['of']}")
            return match[1] + (cell(score) if match["kind"] == "interval" else number(score.value))

        if _SCORE.search(text):
            yield page, _SCORE.sub(written, text)
