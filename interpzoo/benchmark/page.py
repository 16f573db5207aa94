"""The page of a benchmark: for each task the best models, all scores, and which metrics are valid."""

import inspect
from collections.abc import Iterator, Sequence

from interpzoo.benchmark.metric import Metric, NamedMetric
from interpzoo.benchmark.ranking import FEWEST
from interpzoo.benchmark.report import Leaderboard, number, table
from interpzoo.benchmark.results import FORMAT
from interpzoo.markdown import markdown_table

_HEAD = """\
# Leaderboard

Generated from the records of `interpzoo benchmark`. Each table is for one data set and one protocol. Brackets are 95 %
confidence intervals over pairs of images. Rows in parentheses are controls, paths without a model: `truth` is the
ground-truth path where it is known, `nearest` the training images nearest to it (or to the blend, where it is not
known), `jump` the first image until the middle and then the other, `blend` their cross-fade.

The head of a column says what is better: a *lower* or a *higher* score, one *near* that of real frames (1), or one
*near the truth*, the score of the ground-truth paths. `*` marks the best model and all that the same pairs do not show
to be worse: the interval of the paired difference includes 0. A column with *no rank* has no `*`, as a cross-fade would
be best by it; nor has a score of fewer than {FEWEST} pairs. A model that is *worse than the blend* does worse than
mixing the pixels, by the first valid metric of truth, or of realism where the truth is not known: the interval of the
paired difference excludes 0.

No family of metrics can rank models alone. *Realism* does not notice a jump between two real images, *motion* does not
notice a smooth cross-fade, and *truth* is known on drawn data only. *Reconstruction* is the price paid at the ends.
*Representation* judges the codes and not what is seen. *Geometry* says how far from a fade a path is, and how flat
the codes are. Read a row across. Where a metric does not rank the controls in its own order, with intervals apart, it
fails its sanity check, and it is left out of the summary of that data set.
"""


def render(boards: Sequence[Leaderboard], *, pictures: bool = False) -> str:
    """The page as Markdown; `pictures` says whether the pictures of `save_pictures` are next to it."""
    tables = (part for board in boards for part in _board(board, pictures))
    return "\n".join([_HEAD.format(FEWEST=FEWEST), *tables, _metrics(boards)])


def _board(board: Leaderboard, pictures: bool) -> Iterator[str]:
    yield f"## {board.name}\n"
    yield _protocol(board)
    chosen = board.headlines()
    if board.models and chosen:
        yield "\n".join([*(_verdict(board, named) for named in chosen), *_below(board)]) + "\n"
    if chosen:
        yield _table(board, chosen)
    if pictures:
        yield f"![The same pairs by each, in the order of the table]({board.name}/strips.png)\n"
        yield f"![Scores with intervals]({board.name}/bars.png)\n"
    for family, metrics in board.by_family():
        yield f"<details><summary>All metrics of {family}</summary>\n"
        yield _table(board, metrics)
        yield "".join(f"- {_check(board, named)}\n" for named in metrics)
        yield "</details>\n"


def _table(board: Leaderboard, metrics: Sequence[NamedMetric]) -> str:
    header, *rows = table(board, metrics)
    return markdown_table(header, rows)


def _protocol(board: Leaderboard) -> str:
    record = board.records[0]
    protocol = record.protocol
    trained = sorted({r.samples for r in board.models})
    samples = " or ".join(f"{n:,}" for n in trained)
    return (
        f"At most {protocol.pairs} pairs, seed {protocol.seed}; features: {record.features}."
        + (f" Models saw {samples} training images" + (" each." if len(trained) == 1 else ".") if trained else "")
        + "".join(f" {text}" for text in aged(board))
        + "\n"
    )


def aged(board: Leaderboard) -> Iterator[str]:
    """What to know of scores by older measures, if there are any."""
    again = f"Version {FORMAT} is the latest: run the benchmark again."
    old = [record.candidate for record in board.records if record.format < board.version]
    if board.version < FORMAT:
        yield f"These are scores by version {board.version} of the measures. {again}"
    if old:
        yield f"Scores by older measures, which are not compared: {', '.join(old)}. {again}"


def _below(board: Leaderboard) -> Iterator[str]:
    named, found = board.yardstick(), board.below_blend()
    if named is not None and found:
        gaps = (f"`{name}` (by {number(g.value)} [{number(g.low)}, {number(g.high)}])" for name, g in found.items())
        yield f"- **worse than the blend**, by {named.metric.title}: {', '.join(gaps)}"


def _verdict(board: Leaderboard, named: NamedMetric) -> str:
    if not (best := board.best(named)):
        why = f"fewer than {FEWEST} pairs" if board.aim(named).ranked else "the truth is not known"
        return f"- {named.metric.family}, by {named.metric.title}: no rank, {why}"
    first, *others = best
    equals = f", not distinguishable from {', '.join(f'`{name}`' for name in others)}" if others else ""
    return f"- {named.metric.family}, by {named.metric.title}: `{first}`{equals}"


def _check(board: Leaderboard, named: NamedMetric) -> str:
    found = board.check(named)
    if found.failed:
        return f"**{named.metric.title} fails its sanity check here**: {'; '.join(found.failed)}"
    if not found.checked:
        return f"{named.metric.title}: no control checks it"
    return f"{named.metric.title} is valid: {'; '.join(found.passed)}"


def _metrics(boards: Sequence[Leaderboard]) -> str:
    """What each metric measures, and on which tasks it is valid."""
    every = {n.name: n for board in boards for n in board.metrics}
    lines = ["## What the metrics measure and what they miss\n"]
    for name, named in every.items():
        cls: type[Metric] = type(named.metric)
        text = " ".join(inspect.cleandoc(cls.__doc__ or "").split())
        checks = {board.name: board.check(named) for board in boards if named in board.metrics}
        valid = [task for task, check in checks.items() if check.checked and check.valid]
        failed = [task for task, check in checks.items() if not check.valid]
        evidence = (f" Valid on {', '.join(valid)}." if valid else "") + (
            f" Fails its sanity check on {', '.join(failed)}." if failed else ""
        )
        lines.append(f"- **{named.metric.title}** (`{name}`, {named.metric.family}): {text}{evidence}")
    return "\n".join(lines) + "\n"
