"""The gallery and the pages of the models, made from their cards and records."""

from __future__ import annotations

import html
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from interpzoo.benchmark.metric import NamedMetric, metrics_named
from interpzoo.benchmark.report import Leaderboard, cell, leaderboards, value_of
from interpzoo.benchmark.results import Record, read_records
from interpzoo.config import ModelConfig
from interpzoo.films import save_video
from interpzoo.listing import summary_of
from interpzoo.markdown import markdown_table
from interpzoo.model import InterpolationModel
from interpzoo.plugins import registry
from interpzoo.pretrained.card import describe_architecture, describe_training
from interpzoo.pretrained.folder import PREVIEW
from interpzoo.pretrained.load import load
from interpzoo.registry import Method, PretrainedModel, Registration, bundled_folder
from tools.leaderboard import RECORDS
from tools.tables import ours

_FRAMES: Final = 17
_PAIRS: Final = 4
_WIDE: Final = 128  # pixels that a frame of a film has at least

_FILTERS: Final = ("data", "size", "license", "method")

_HEAD: Final = """\
# Models

Every model below is part of the package and loads in one line, without a network: `interpzoo.load("acai-mnist")`. Its
film goes from one image to another and back.

"""


@dataclass(frozen=True)
class Entry:
    """A model that is shown."""

    row: Registration[PretrainedModel]
    folder: Path
    model: InterpolationModel
    method: Method
    board: Leaderboard | None
    record: Record | None

    @property
    def name(self) -> str:
        return self.row.name

    @property
    def config(self) -> ModelConfig:
        return self.model.config

    @property
    def summary(self) -> str:
        return summary_of(self.row) or self.config.summary

    @property
    def in_browser(self) -> bool:
        """Whether a page in the browser can show it: one image at once, of the model's own size."""
        return self.model.sizes.multiple is None and "pixelcnn" not in self.config.decoder.name

    @property
    def facts(self) -> dict[str, str]:
        """What the gallery can be filtered by."""
        image = self.config.image
        any_size = self.model.sizes.multiple is not None
        return {
            "data": self.row.entry.dataset or "any images",
            "size": "any size" if any_size else f"{image.channels} x {image.height} x {image.width}",
            "license": self.row.entry.license,
            "method": self.row.entry.method,
        }


def write(folder: Path) -> None:
    """Write the gallery and a page for each model, with its strip and its film."""
    folder.mkdir(parents=True)
    entries = [*_entries()]
    for entry in entries:
        shutil.copy(entry.folder / PREVIEW, folder / f"{entry.name}.png")
        _film(entry, folder / f"{entry.name}.webp")
        (folder / f"{entry.name}.md").write_text("\n\n".join(_page(entry)) + "\n", "utf-8")
    cards = "\n".join(map(_card, entries))
    names = "\n".join(entry.name for entry in entries)
    tree = f"\n```{{toctree}}\n:hidden:\n\n{names}\n```\n"
    text = f'{_HEAD}{_filters(entries)}\n<div class="gallery">\n{cards}\n</div>\n{tree}'
    (folder / "index.md").write_text(text, "utf-8")


def _entries() -> Iterator[Entry]:
    boards = leaderboards([r for r in read_records(RECORDS) if not r.chosen], metrics_named())
    for row in sorted(ours(registry().models), key=lambda row: (row.entry.dataset, row.name)):
        folder = bundled_folder(row)
        if row.entry.kind != "interpolator" or folder is None:
            continue
        record, board = next(((r, b) for b in boards for r in b.models if r.candidate == row.name), (None, None))
        method = registry().methods.find(row.entry.method).entry
        yield Entry(row, folder, load(row.name), method, board, record)


def _film(entry: Entry, path: Path) -> None:
    frames = entry.model.example_strip(steps=_FRAMES)[:_PAIRS]
    scale = max(1, _WIDE // entry.config.image.width)
    save_video(path, frames, fps=12, hold=0.4, scale=scale, enlarge="nearest")


def _page(entry: Entry) -> Iterator[str]:
    yield f"# {entry.name}"
    yield entry.summary
    yield f"![Interpolations by {entry.name}, one pair a row]({entry.name}.png)"
    yield f"![The same paths as a film, there and back]({entry.name}.webp)"
    yield f'```python\nimport interpzoo\n\nmodel = interpzoo.load("{entry.name}")\n```'
    commands = [f"interpzoo interpolate {entry.name} -o strip.png"]
    if entry.in_browser:
        commands.append(f"interpzoo demo {entry.name} -o page")
    yield "```sh\n" + "\n".join(commands) + "\n```"
    if entry.in_browser:
        yield "The second command writes a page to [walk in the browser](../guides/in-the-browser.md)."
    facts = markdown_table([*entry.facts], [[*entry.facts.values()]])
    yield facts.rstrip()
    if good := _good_at(entry):
        yield f"**Good at.** {good}"
    if entry.config.limitations:
        yield f"**Not good for.** {entry.config.limitations}"
    yield from _figures(entry)
    yield "## How it was made"
    paper = f" ([paper]({entry.method.paper}))" if entry.method.paper else ""
    yield f"Method: {entry.method.title}{paper}"
    rows = describe_architecture(entry.config) | (
        {} if entry.config.trained is None else describe_training(entry.config.trained)
    )
    yield markdown_table(("part", "settings"), [*rows.items()]).rstrip()
    if entry.method.citation:
        yield f"## Citation\n\n```bibtex\n{entry.method.citation.strip()}\n```"


def _good_at(entry: Entry) -> str:
    if entry.board is None:
        return ""
    found: list[str] = []
    for named in entry.board.metrics:
        scored = sum(value_of(record, named) is not None for record in entry.board.models)
        best = entry.board.best(named)
        if entry.board.check(named).valid and entry.name in best and len(best) < scored:
            found.append(named.metric.title)
    if not found:
        return ""
    models = f"{len(entry.board.models)} models on this data"
    return f"Best of the {models}, or not distinguishable from the best: {', '.join(found)}."


def _figures(entry: Entry) -> Iterator[str]:
    board = entry.board
    if board is None or entry.record is None:
        return
    yield "## Figures"
    yield (
        f"Measured by `interpzoo evaluate` on held-out data of `{entry.row.entry.dataset}`. Brackets are 95 % "
        "intervals over pairs of images. A rank such as 2-4 says that intervals overlap: the model is at best second "
        "and at worst fourth. Metrics in italics fail their sanity check on this data. "
        "[How to measure](../ideas/measure.md) says what each sees and misses."
    )
    yardstick = board.yardstick()
    if yardstick is not None and entry.name in board.below_blend():
        yield f"**Worse than mixing the pixels**, by {yardstick.metric.title}."
    rows = [
        (_title(board, named), cell(entry.record.scores[named.name]), board.aim(named).words, _rank(entry, named))
        for named in board.metrics
        if value_of(entry.record, named) is not None
    ]
    yield markdown_table(("metric", "value", "better", "rank"), rows).rstrip()


def _title(board: Leaderboard, named: NamedMetric) -> str:
    return named.metric.title if board.check(named).valid else f"*{named.metric.title}*"


def _rank(entry: Entry, named: NamedMetric) -> str:
    """Best and worst rank that the intervals allow, among the models of the same data."""
    assert entry.board is not None
    assert entry.record is not None
    aim, own = entry.board.aim(named), entry.record.scores[named.name]
    if not aim.ranks(own):
        return "-"
    low, high = aim.ends(own)
    scores = [r.scores.get(named.name) for r in entry.board.models]
    ends = [aim.ends(score) for score in scores if score is not None and aim.ranks(score)]
    first = 1 + sum(other < low for _, other in ends)
    last = len(ends) - sum(other > high for other, _ in ends)
    return f"{first} of {len(ends)}" if first == last else f"{first}-{last} of {len(ends)}"


def _filters(entries: Sequence[Entry]) -> str:
    def choices(fact: str) -> str:
        values = sorted({entry.facts[fact] for entry in entries})
        return "".join(f"<option>{html.escape(value)}</option>" for value in values)

    selects = "\n".join(
        f'<label>{fact} <select name="{fact}"><option value="">all</option>{choices(fact)}</select></label>'
        for fact in _FILTERS
    )
    return f'<form class="filters">\n{selects}\n<output>{len(entries)} models</output>\n</form>\n'


def _card(entry: Entry) -> str:
    data = " ".join(f'data-{fact}="{html.escape(value)}"' for fact, value in entry.facts.items())
    facts = " · ".join(html.escape(value) for value in entry.facts.values())
    photo = ' class="photo"' if entry.model.sizes.multiple is not None else ""
    return (
        f'<a class="model" href="{entry.name}.html" {data}>\n'
        f'<img src="../_images/{entry.name}.webp" alt="Film of {entry.name}" loading="lazy"{photo}>\n'
        f"<strong>{entry.name}</strong>\n<span>{html.escape(entry.summary)}</span>\n<small>{facts}</small>\n</a>"
    )
