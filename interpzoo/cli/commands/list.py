"""``interpzoo list``: the pretrained models, listed without importing torch."""

from collections.abc import Mapping
from typing import Any

import click

from interpzoo.cli.console import columns, echo, echo_json, size
from interpzoo.cli.options import json_option
from interpzoo.files import folder_bytes
from interpzoo.listing import list_models, summary_of
from interpzoo.plugins import registry
from interpzoo.registry import PretrainedModel, Registration, bundled_folder


@click.command(
    short_help="List the pretrained models.",
    epilog="""\b
Examples:
  interpzoo list
  interpzoo list 'acai-*' --license apache-2.0
  interpzoo list --dataset mnist --json
""",
)
@click.argument("pattern", required=False)
@click.option("--method", metavar="NAME", help="List only models of this method, such as acai.")
@click.option("--dataset", metavar="NAME", help="List only models trained on this data set, such as mnist.")
@click.option("--license", metavar="NAME", help="List only models with this license, such as apache-2.0.")
@json_option
def command(
    pattern: str | None, method: str | None, dataset: str | None, license: str | None, *, as_json: bool
) -> None:
    """List the pretrained models, or only those whose names match PATTERN (with *, ? and [...])."""
    names = list_models(pattern, method=method, dataset=dataset, license=license)
    found = {name: registry().models.find(name) for name in names}
    if as_json:
        echo_json([_described(name, row) for name, row in found.items()])
    elif found:
        header = ("NAME", "METHOD", "DATA", "LICENSE", "WHERE", "SUMMARY")
        entries = [(name, row.entry, row) for name, row in found.items()]
        rows = [(name, e.method, e.dataset, e.license, _where(row), summary_of(row)) for name, e, row in entries]
        echo(*columns(header, rows))
    else:
        echo("No pretrained model matches.", err=True)


def _described(name: str, row: Registration[PretrainedModel]) -> Mapping[str, Any]:
    entry, folder = row.entry, bundled_folder(row)
    return {
        "name": name,
        "method": entry.method,
        "dataset": entry.dataset,
        "license": entry.license,
        "summary": summary_of(row),
        "plugin": row.owner.plugin,
        "bundled": folder is not None,
        "bytes": None if folder is None else folder_bytes(folder),
        "repository": entry.repository,
        "revision": entry.revision,
    }


def _where(row: Registration[PretrainedModel]) -> str:
    folder = bundled_folder(row)
    if folder is not None:
        return f"bundled, {size(folder_bytes(folder))}"
    return "Hub" if row.entry.repository else "not installed"
