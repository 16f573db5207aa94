"""``interpzoo train``: train a recipe and write a folder that ``load`` reads."""

from pathlib import Path
from shlex import quote
from typing import Any

import click

from interpzoo.cli.console import echo
from interpzoo.cli.options import UserPath, data_root_option


@click.command(
    short_help="Train a model, also on images of your own.",
    epilog="""\b
Examples:
  interpzoo train acai-mnist
  interpzoo train acai --dataset ./photos --set training.samples=200000 --output runs/photos
  interpzoo train acai-mnist --resume
  interpzoo train acai --dataset ./photos --base tae:./taef2
  interpzoo train my-recipe.toml --from acai-mnist --log-with tensorboard
  accelerate launch -m interpzoo train acai-mnist
""",
)
@click.argument("recipe")
@click.option(
    "--set", "changes", multiple=True, metavar="KEY=VALUE", help="Change a value of the recipe. Can be repeated."
)
@click.option("--dataset", metavar="FOLDER|ID", help="Train on your own images: a folder, or a data set on the Hub.")
@data_root_option
@click.option(
    "--output",
    type=UserPath(file_okay=False),
    metavar="DIR",
    help="Folder for the checkpoint and the trained model.",
    show_default="runs/ and the recipe's name",
)
@click.option("--resume", is_flag=True, help="Continue from the checkpoint in the output folder.")
@click.option("--from", "start_from", metavar="NAME", help="Start from the weights of this pretrained model.")
@click.option(
    "--base",
    metavar="NAME",
    help="Learn on the codes of this frozen model, such as tae:FOLDER, in place of images.",
)
@click.option(
    "--log-with",
    "trackers",
    multiple=True,
    metavar="TRACKER",
    help="Log to tensorboard, wandb, and so on. Can be repeated.",
)
def command(recipe: str, *, output: Path | None, **options: Any) -> None:
    """Train RECIPE: the name of a recipe or method ('interpzoo plugins' lists them), or a TOML file.

    A training that was stopped or killed can be continued with --resume; the result is the same as without the break.
    """
    from interpzoo.pretrained.locate import as_path
    from interpzoo.processes import is_first
    from interpzoo.training.run import train

    try:
        model = train(recipe, output=output, **options)
    except KeyboardInterrupt as stop:
        if stop.args and is_first():  # raised by the trainer, which has saved a checkpoint
            echo(str(stop), err=True)
        raise
    folder = Path("runs", model.config.name) if output is None else output
    if is_first():
        echo(f"{folder}: trained; draw its paths with: interpzoo interpolate {quote(as_path(folder))} -o strip.png")
