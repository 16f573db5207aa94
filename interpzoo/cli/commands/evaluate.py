"""``interpzoo evaluate``: what a model scores on held-out data."""

from __future__ import annotations

from pathlib import Path

import click

from interpzoo.cli.options import data_root_option, device_option, model_argument, writable


@click.command(
    short_help="Measure a model on held-out data.",
    epilog="""\b
Examples:
  interpzoo evaluate acai-lines
  interpzoo evaluate acai-mnist --data-root ~/data --json results.json
  interpzoo evaluate ./runs/mine --card
""",
)
@model_argument
@data_root_option
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
    name: str, *, data_root: Path | None, seed: int, output: Path | None, card: bool, device: str | None
) -> None:
    """Measure the model NAME on the held-out part of the data that it was trained on.

    NAME is one of 'interpzoo list', or a folder, which begins with ./, ../ or /.
    """
    from rich.console import Console
    from rich.table import Table

    from interpzoo.card import write_card
    from interpzoo.evaluation import evaluate
    from interpzoo.folder import write_text
    from interpzoo.hub import locate
    from interpzoo.loading import load

    model = load(name, device=device)
    with Console(stderr=True).status(f"measuring {model.config.name} ..."):
        evaluation = evaluate(model, data_root=data_root, seed=seed)
    table = Table("metric", "data", title=evaluation.model, title_justify="left")
    table.add_column("value", justify="right")
    for result in evaluation.results:
        table.add_row(result.metric, result.dataset, f"{result.value:.4g}{result.unit}")
    Console().print(table)
    if output is not None:
        write_text(output, evaluation.to_json())
    if card:
        write_card(locate(name).path, model.config, evaluation.results)
