"""``interpzoo train``: from a recipe to a folder that ``load`` reads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from interpzoo.cli.options import data_root_option


@click.command(
    short_help="Train a recipe, or a method on images of your own.",
    epilog="""\b
Examples:
  interpzoo train acai-mnist
  interpzoo train acai --dataset ./photos --set training.samples=200000 --output runs/photos
  interpzoo train acai-mnist --resume
  interpzoo train my-recipe.toml --from acai-mnist --log-with tensorboard
  accelerate launch -m interpzoo train acai-mnist
""",
)
@click.argument("recipe")
@click.option(
    "--set", "changes", multiple=True, metavar="KEY=VALUE", help="Change a value of the recipe; may be given often."
)
@click.option("--dataset", metavar="FOLDER|ID", help="Images of your own instead: a folder, or a data set of the Hub.")
@data_root_option
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder of the checkpoint and the trained model.  [default: runs/ and the recipe's name]",
)
@click.option("--resume", is_flag=True, help="Go on from the checkpoint in the output folder.")
@click.option("--from", "start_from", metavar="NAME", help="Fine-tune this pretrained model.")
@click.option("--log-with", "trackers", multiple=True, metavar="TRACKER", help="Log to tensorboard, wandb, ...")
def command(
    recipe: str,
    *,
    changes: Sequence[str],
    dataset: str | None,
    data_root: Path | None,
    output: Path | None,
    resume: bool,
    start_from: str | None,
    trackers: Sequence[str],
) -> None:
    """Train RECIPE: a recipe or method by name ('interpzoo plugins' lists them), or a TOML file.

    A run that was stopped or killed goes on with --resume to the same result.
    """
    from interpzoo.files import as_path
    from interpzoo.training.run import train

    try:
        model = train(
            recipe,
            output=output,
            changes=changes,
            data_root=data_root,
            dataset=dataset,
            resume=resume,
            start_from=start_from,
            trackers=trackers,
        )
    except KeyboardInterrupt as stop:
        if stop.args:  # the trainer's, which has saved where it stands
            _say(str(stop), err=True)
        raise
    folder = Path("runs", model.config.name) if output is None else output
    _say(f"{folder}: trained; look at it with 'interpzoo interpolate {as_path(folder)} -o strip.png'")


def _say(message: str, *, err: bool = False) -> None:
    """Print what one process says for all."""
    from accelerate import PartialState

    if PartialState().is_main_process:
        click.echo(message, err=err)
