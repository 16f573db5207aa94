"""The page of a benchmark for browsers: static, with tables that can be sorted, intervals and strips."""

import base64
import hashlib
import inspect
import os
from collections.abc import Collection, Iterator, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Final

from interpzoo.benchmark.metric import NamedMetric
from interpzoo.benchmark.page import aged
from interpzoo.benchmark.report import Leaderboard, cell, value_of
from interpzoo.benchmark.results import Record, strip_of

_ABOUT: Final = """\
<p>Generated from the records of <code>interpzoo benchmark</code>. Each part is for one data set and one protocol.
Lines show 95 % confidence intervals over pairs of images; bold are the best model and all that the same pairs do not
show to be worse. Gray rows are controls, paths without a model: <i>truth</i> is the ground-truth path where it is
known, <i>nearest</i> the training images nearest to it, <i>jump</i> the first image until the middle and then the
other, <i>blend</i> their cross-fade.</p>
<p>No family of metrics can rank models alone: read a row across. Where a metric does not rank the controls in its own
order, with intervals apart, it is not fit for this data; its column is pale, and the reason stands below the table.
<i>Near the truth</i> is near the score of the ground-truth paths. <i>No rank</i> marks scores by which a
cross-fade would be best. <i>Worse than the blend</i> is a model that does worse than mixing the pixels.</p>"""
_SIGNS: Final = {"lower": "lower is better", "higher": "higher is better", "no rank": "no rank"}


def render_html(boards: Sequence[Leaderboard], folder: Path | None = None) -> str:
    """A page of one file.

    Args:
        boards: the tables.
        folder: where the page will be; pictures that lie there beside the records, as `strip_of` names them, are shown.
    """
    style, script = (_site(name) for name in ("page.css", "page.js"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    links = "".join(f'<li><a href="#{escape(board.name)}">{escape(board.name)}</a></li>' for board in boards)
    parts = [
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        f'<title>Leaderboard</title>\n<link rel="icon" href="data:,">\n<style>\n{style}</style>\n</head>\n<body>',
        f'<h1>Leaderboard</h1>\n{_ABOUT}\n<nav aria-label="Data sets"><ul>{links}</ul></nav>',
        *(part for board in boards for part in _board(board, folder)),
        _metrics(boards),
        f"<script>{script}</script>\n</body>\n</html>\n",
    ]
    return "\n".join(parts)


def _site(name: str) -> str:
    return (files("interpzoo.benchmark") / "site" / name).read_text("utf-8")


def _board(board: Leaderboard, folder: Path | None) -> Iterator[str]:
    protocol, features = board.records[0].protocol, board.records[0].features
    yield f'<section aria-labelledby="{escape(board.name)}">\n<h2 id="{escape(board.name)}">{escape(board.name)}</h2>'
    told = "".join(f" {escape(text)}" for text in aged(board))
    yield f"<p>At most {protocol.pairs} pairs, seed {protocol.seed}; features: {escape(features)}.{told}</p>"
    headlines = board.headlines()
    if headlines:
        yield _table(board, headlines, "The first metric of each family that is fit here", folder)
    for family, metrics in board.by_family():
        yield f"<details><summary>All metrics of {family}</summary>"
        yield _table(board, metrics, f"All metrics of {family}", None)
        yield "<ul>" + "".join(f"<li>{_check(board, named)}</li>" for named in metrics) + "</ul></details>"
    yield "</section>"


def _table(board: Leaderboard, metrics: Sequence[NamedMetric], caption: str, folder: Path | None) -> str:
    best = {named.name: board.best(named) for named in metrics}
    heads = "".join(_head(board, named) for named in metrics)
    below = board.below_blend()
    rows = "\n".join(_row(board, record, metrics, best, below, folder) for record in board.records)
    return (
        f'<div class="wide"><table aria-label="{escape(caption)}"><thead><tr><th scope="col">'
        f'<button type="button">Model</button></th>{heads}</tr></thead><tbody>\n{rows}\n</tbody></table></div>'
    )


def _head(board: Leaderboard, named: NamedMetric) -> str:
    metric, check = named.metric, board.check(named)
    words = board.aim(named).words
    sign = escape(_SIGNS.get(words, f"{words} is better"))
    unfit = "" if check.valid else "<small>not fit here</small>"
    state = "" if check.valid else ' class="unfit"'
    title = escape(metric.title)
    return f'<th scope="col"{state}><button type="button">{title}</button><small>{sign}</small>{unfit}</th>'


def _row(
    board: Leaderboard,
    record: Record,
    metrics: Sequence[NamedMetric],
    best: dict[str, list[str]],
    below_blend: Collection[str],
    folder: Path | None,
) -> str:
    name = escape(record.candidate)
    strip = None if folder is None else strip_of(record, folder)
    picture = ""
    if folder is not None and strip is not None and strip.is_file():
        source = escape(Path(os.path.relpath(strip, folder)).as_posix())
        picture = f'<img class="strip" src="{source}" alt="Paths of {name} between the same pairs" loading="lazy">'
    cells: list[str] = []
    for named in metrics:
        value = value_of(record, named)
        classes = ["best"] if record.candidate in best[named.name] and not record.control else []
        classes += [] if board.check(named).valid else ["unfit"]
        score = record.scores.get(named.name)
        number, _, interval = cell(score).partition(" ")
        why = "" if score is None else score.reason or score.error
        told = {"class": " ".join(classes), "data-value": "" if value is None else repr(value), "title": why}
        attributes = "".join(f' {key}="{escape(text)}"' for key, text in told.items() if text)
        small = f"<small>{escape(interval)}</small>" if interval else ""
        cells.append(f"<td{attributes}>{escape(number)}{small}{_interval(board, named, record)}</td>")
    state = ' class="control"' if record.control else ""
    below = "<small>worse than the blend</small>" if not record.control and record.candidate in below_blend else ""
    return f'<tr{state}><th scope="row" data-value="{name}">{name}{below}{picture}</th>{"".join(cells)}</tr>'


def _interval(board: Leaderboard, named: NamedMetric, record: Record) -> str:
    """A score and its interval, from the least to the largest of the models."""
    found = [r.scores[named.name] for r in board.models if value_of(r, named) is not None]
    ends = [x for s in found for x in (s.low, s.value, s.high) if x is not None]
    score = record.scores.get(named.name)
    if score is None or score.value is None or not ends or max(ends) <= min(ends):
        return ""

    def place(value: float) -> str:
        return f"{100 * min(1, max(0, (value - min(ends)) / (max(ends) - min(ends)))):.1f}%"

    line = ""
    if score.low is not None and score.high is not None:
        line = f'<line x1="{place(score.low)}" x2="{place(score.high)}" y1="50%" y2="50%"/>'
    return f'<svg aria-hidden="true">{line}<circle cx="{place(score.value)}" cy="50%" r="3"/></svg>'


def _check(board: Leaderboard, named: NamedMetric) -> str:
    check, title = board.check(named), escape(named.metric.title)
    if check.failed:
        return f'<b class="failed">{title} is not fit here</b>: it scores {escape("; ".join(check.failed))}.'
    if not check.checked:
        return f"{title}: no control checks it."
    return f"{title} is fit: it scores {escape('; '.join(check.passed))}."


def _metrics(boards: Sequence[Leaderboard]) -> str:
    every = {named.name: named.metric for board in boards for named in board.metrics}
    rows = [
        f"<li><b>{escape(metric.title)}</b> ({escape(metric.family)}): "
        f"{escape(' '.join(inspect.cleandoc(type(metric).__doc__ or '').split()))}</li>"
        for metric in every.values()
    ]
    return f"<section><h2>What the metrics measure and what they miss</h2>\n<ul>{''.join(rows)}</ul></section>"
