"""``interpzoo export``: a model's networks for ONNX Runtime or for torch alone."""

from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from interpzoo.cli.console import echo, size
from interpzoo.cli.options import UserPath, model_argument
from interpzoo.files import folder_bytes

if TYPE_CHECKING:
    from interpzoo.exporting import Format


@click.command(
    short_help="Write a model's networks as ONNX.",
    epilog="""\b
Examples:
  interpzoo export acai-mnist -o acai-mnist-onnx
  interpzoo export ./runs/mine --format pt2 -o mine-pt2
""",
)
@model_argument
@click.option(
    "-o", "--output", required=True, type=UserPath(file_okay=False), metavar="DIR", help="New folder to write."
)
@click.option(
    "--format",
    "kind",
    type=click.Choice(["onnx", "pt2"]),
    default="onnx",
    show_default=True,
    help="onnx for ONNX Runtime, pt2 for torch.export.load.",
)
@click.option("--half", is_flag=True, help="Round the weights of ONNX networks to float16.")
def command(name: str, *, output: Path, kind: str, half: bool) -> None:
    """Write encoder, decoder, example codes and a description of the model NAME to a folder.

    interpzoo.onnx.load runs the folder without torch. The networks are checked to compute what the model does.
    """
    from interpzoo.pretrained.load import load

    folder = load(name).export(output, cast("Format", kind), half=half)
    echo(f"{folder}: {size(folder_bytes(folder))}")
