"""``interpzoo evaluate``: what a model scores on held-out data."""

from __future__ import annotations

from collections.abc import Sequence
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
@click.option("--card", is_flag=True, help="Write the results into the card of the model's folder.")
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

    from interpzoo.benchmark.protocol import FULL, Protocol
    from interpzoo.benchmark.report import number
    from interpzoo.card import write_card
    from interpzoo.evaluation import evaluate
    from interpzoo.folder import write_text
    from interpzoo.hub import locate
    from interpzoo.loading import load

    if card and features is not None:
        raise click.UsageError("a card has the figures by the data set's own features: leave out --card or --features.")
    model = load(name, device=device)
    with Console(stderr=True).status(f"measuring {model.config.name} ...") as status:
        evaluation = evaluate(
            model,
            data_root=data_root,
            metrics=metrics,
            protocol=FULL if full else Protocol(),
            seed=seed,
            features=features,
            told=lambda subject, metric: status.update(f"measuring {subject}: {metric} ..."),
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
    if card:
        write_card(locate(name).path, model.config, evaluation.results)
