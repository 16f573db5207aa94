"""``interpzoo evaluate``: what a model scores on held-out data."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import click

from interpzoo.cli.options import (
    data_root_option,
    device_option,
    features_option,
    full_option,
    metrics_option,
    model_argument,
    writable,
)


@click.command(
    short_help="Measure a model on held-out data.",
    epilog="""\b
Examples:
  interpzoo evaluate acai-lines
  interpzoo evaluate acai-mnist --data-root ~/data --json results.json
  interpzoo evaluate acai-lines --metrics truth --metrics 'frechet-*'
  interpzoo evaluate acai-celeba --features timm:resnet18.a1_in1k
  interpzoo evaluate ./runs/mine --card
""",
)
@model_argument
@metrics_option
@data_root_option
@features_option
@full_option
@click.option("--seed", default=0, show_default=True, help="Of the pairs and of K-means.")
@click.option(
    "--json",
    "output",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=writable(),
    metavar="FILE",
    help="Write the results to FILE as JSON, too.",
)
@click.option("--card", is_flag=True, help="Write the results into the card of the model's folder, beside those there.")
@device_option
def command(
    name: str,
    *,
    metrics: Sequence[str],
    data_root: Path | None,
    features: str | None,
    full: bool,
    seed: int,
    output: Path | None,
    card: bool,
    device: str | None,
) -> None:
    """Measure the model NAME on the held-out part of the data that it was trained on.

    NAME is one of 'interpzoo list', or a folder, which begins with ./, ../ or /. Brackets are 95 % intervals over
    pairs of images; what is not applicable is listed with the reason.
    """
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from interpzoo.benchmark.protocol import FULL, EvaluationProtocol
    from interpzoo.benchmark.report import number
    from interpzoo.evaluation import evaluate
    from interpzoo.pretrained.card import read_results, write_card
    from interpzoo.pretrained.folder import write_text
    from interpzoo.pretrained.load import load
    from interpzoo.pretrained.locate import locate

    if card and features is not None:
        raise click.UsageError("a card has the figures by the data set's own features: leave out --card or --features.")
    if output is not None:
        _check_writable(output)
    model = load(name, device=device)
    folder = locate(name).path if card else None
    if folder is not None:
        _check_card(folder)
    with Console(stderr=True).status(f"measuring {model.config.name} ...") as status:
        evaluation = evaluate(
            model,
            data_root=data_root,
            metrics=metrics,
            protocol=FULL if full else EvaluationProtocol(),
            seed=seed,
            features=features,
            progress=lambda candidate, metric: status.update(f"measuring {candidate}: {metric} ..."),
        )
    table = Table("metric", "data", title=evaluation.model, title_justify="left")
    table.add_column("value", justify="right")
    table.add_column("95 %")
    for result in evaluation.results:
        ends = "" if result.low is None or result.high is None else f"[{number(result.low)}, {number(result.high)}]"
        table.add_row(result.metric, result.dataset, f"{result.value:.4g}{result.unit}", escape(ends))
    Console().print(table)
    click.echo(f"features: {evaluation.features}")
    for title, reason in evaluation.not_applicable.items():
        click.echo(f"{title}: not applicable, {reason}")
    if output is not None:
        write_text(output, evaluation.to_json())
    if folder is not None:
        figures = {(r.metric, r.dataset): r for r in (*read_results(folder), *evaluation.results)}
        write_card(folder, model.config, [*figures.values()])


class _WritableError(Exception):
    """Raised where a file could be written, so that it is not."""


def _check_writable(path: Path) -> None:
    """Refuse a file before the work, by all that writing it would fail at.

    Raises:
        OutputError: it cannot be written.
    """
    from interpzoo.files import atomic_write

    with suppress(_WritableError), atomic_write(path):
        raise _WritableError


def _check_card(folder: Path) -> None:
    """Refuse a card that is not the user's to change, and one that holds what people wrote.

    Raises:
        InputError: the folder is of the Hub's cache, or its card is not as this library makes it.
        OutputError: the card cannot be written.
    """
    from interpzoo.errors import InputError
    from interpzoo.pretrained.card import is_made
    from interpzoo.pretrained.folder import CARD

    path, snapshots = folder / CARD, folder.absolute().parent
    # As the Hub's client lays it out; a file there is known by the hash of its content.
    if snapshots.name == "snapshots" and (snapshots.parent / "blobs").is_dir():
        raise InputError(
            f"{str(folder)!r} is of the Hub's cache, whose files stay as they came: expected a folder of your own. "
            "Save the model into one with model.save_pretrained('./mine') and evaluate './mine'"
        )
    if path.is_file() and not is_made(folder):
        raise InputError(
            f"{str(path)!r} was edited, or is of another version, and --card would write it anew: move it away, give "
            "--card again and put your text back; or leave out --card, and --json FILE has the figures"
        )
    _check_writable(path)
