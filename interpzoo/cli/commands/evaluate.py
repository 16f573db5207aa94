"""``interpzoo evaluate``: the scores of a model on held-out data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from interpzoo.cli.console import columns, echo
from interpzoo.cli.options import json_file_option, model_argument, scoring_options
from interpzoo.files import check_writable

if TYPE_CHECKING:
    from interpzoo.evaluation import Scores
    from interpzoo.pretrained.locate import Located


@click.command(
    short_help="Score a model on held-out data.",
    epilog="""\b
Examples:
  interpzoo evaluate acai-lines
  interpzoo evaluate acai-mnist --data-root ~/data --json results.json
  interpzoo evaluate acai-lines --metrics truth --metrics 'frechet-*'
  interpzoo evaluate ./runs/mine --dataset ~/photos
  interpzoo evaluate acai-celeba --features timm:resnet18.a1_in1k
  interpzoo evaluate ./runs/mine --card
""",
)
@model_argument
@scoring_options
@json_file_option
@click.option("--card", is_flag=True, help="Also write the scores to the card in the model's folder.")
def command(
    name: str,
    *,
    metrics: Sequence[str],
    dataset: str | None,
    data_root: Path | None,
    features: str | None,
    full: bool,
    seed: int,
    output: Path | None,
    card: bool,
    device: str,
) -> int:
    """Score the model NAME on the held-out part of the data that it was trained on.

    Brackets are 95 % confidence intervals over pairs of images. The last line says which metrics are not applicable,
    and why; --json has them all. The exit code is 1 if a metric failed.
    """
    from rich.console import Console

    from interpzoo.benchmark.protocol import FULL, EvaluationProtocol
    from interpzoo.evaluation import evaluate
    from interpzoo.files import write_text
    from interpzoo.pretrained.card import read_results, write_card
    from interpzoo.pretrained.load import load
    from interpzoo.pretrained.locate import locate

    if card and features is not None:
        raise click.UsageError("a card has the scores by the data set's own features: leave out --card or --features.")
    model = load(name, device=device)
    folder = _card_folder(locate(name)) if card else None
    with Console(stderr=True).status(f"scoring {model.config.name} ...") as status:
        scores = evaluate(
            model,
            dataset=dataset,
            data_root=data_root,
            metrics=metrics,
            protocol=FULL if full else EvaluationProtocol(),
            seed=seed,
            features=features,
            progress=lambda candidate, metric: status.update(f"scoring {candidate}: {metric} ..."),
        )
    echo(*_lines(scores, name))
    if output is not None:
        write_text(output, scores.to_json())
    if folder is not None:
        results = {(r.metric, r.dataset): r for r in (*read_results(folder), *scores.results)}
        write_card(folder, model.config, [*results.values()])
    return int(bool(scores.failed))


def _lines(scores: Scores, name: str) -> Iterator[str]:
    from interpzoo.benchmark.report import number
    from interpzoo.evaluation import grouped

    rows: list[tuple[str, ...]] = []
    for result in scores.results:
        ends = "" if result.low is None or result.high is None else f"[{number(result.low)}, {number(result.high)}]"
        rows.append((result.metric, result.dataset, f"{result.value:.4g}{result.unit}", ends))
    yield scores.model if name == scores.model else f"{scores.model} ({name})"
    yield from columns(("METRIC", "DATA", "VALUE", "95 %"), rows, wrap=True)
    yield f"features: {scores.features}"
    for title, error in scores.failed.items():
        yield f"{title}: failed, {error}"
    if scores.not_applicable:
        yield f"not applicable: {'; '.join(grouped(scores.not_applicable))}"


def _card_folder(found: Located) -> Path:
    """The folder of the card; raises an error before the work if it must not be replaced or cannot be written."""
    from interpzoo.errors import InputError
    from interpzoo.pretrained.card import is_made
    from interpzoo.pretrained.folder import CARD

    folder = found.path
    if found.foreign is not None:
        raise InputError(
            f"{str(folder)!r} has files in another library's format and no card: save the model to a folder of your "
            "own with model.save_pretrained('./mine') and evaluate './mine'"
        )
    path, snapshots = folder / CARD, folder.absolute().parent
    # The layout of the Hub's cache, where a file is named by the hash of its content and must not change.
    if snapshots.name == "snapshots" and (snapshots.parent / "blobs").is_dir():
        raise InputError(
            f"{str(folder)!r} is in the Hub's cache, whose files must not change: expected a folder of your own. "
            "Save the model to one with model.save_pretrained('./mine') and evaluate './mine'"
        )
    if path.is_file() and not is_made(folder):
        raise InputError(
            f"{str(path)!r} was edited, or written by another version, and --card would overwrite it: move it away, "
            "use --card again and put your text back; or use --json FILE instead of --card"
        )
    check_writable(path)
    return folder
