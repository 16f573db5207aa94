"""``interpzoo verify``: check that the files of a model are intact."""

import click

from interpzoo.cli.console import echo, echo_json
from interpzoo.cli.options import json_option, model_argument

_DAMAGED = 1


@click.command(
    short_help="Check that a model's files and images are intact.",
    epilog="""\b
Examples:
  interpzoo verify acai-mnist
  interpzoo verify ./runs/mine --json
""",
)
@model_argument
@json_option
@click.pass_context
def command(ctx: click.Context, name: str, *, as_json: bool) -> None:
    """Check every file of the model NAME against its SHA-256, then decode its examples again and compare.

    The exit code is 1 if any file or image differs.
    """
    from dataclasses import asdict

    from interpzoo.pretrained.verify import verify

    findings = verify(name)
    if as_json:
        echo_json([asdict(finding) for finding in findings])
    else:
        echo(*(f"{finding.name}: {finding.problem or 'ok'}" for finding in findings))
    if any(finding.problem for finding in findings):
        ctx.exit(_DAMAGED)
