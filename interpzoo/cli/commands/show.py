"""``interpzoo show``: everything about a model, without building its networks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from interpzoo.cli.console import columns, echo, echo_json, fields, size
from interpzoo.cli.options import json_option, model_argument
from interpzoo.files import folder_bytes
from interpzoo.listing import method_of

if TYPE_CHECKING:
    from interpzoo.config import ModelConfig
    from interpzoo.pretrained.card import Result
    from interpzoo.registry import Method


@click.command(
    short_help="Show a model: paper, networks, results, license.",
    epilog="""\b
Examples:
  interpzoo show acai-mnist
  interpzoo show ./runs/mine --json
  interpzoo show acai-mnist --recipe > my-recipe.toml
""",
)
@model_argument
@click.option("--recipe", is_flag=True, help="Print the recipe with this name, or of the method NAME, as TOML.")
@json_option
def command(name: str, *, recipe: bool, as_json: bool) -> None:
    """Show the model NAME: its paper, networks, training, results, limitations, license and citation."""
    if recipe and as_json:
        raise click.UsageError("--recipe prints TOML, not JSON: give one of --recipe and --json")
    if recipe:
        from interpzoo.recipes import recipe_text

        echo(*recipe_text(name).removesuffix("\n").split("\n"))
        return
    from interpzoo.pretrained.card import read_results
    from interpzoo.pretrained.locate import locate

    found = locate(name)
    folder, config = found.path, found.config()
    results = read_results(folder) if found.foreign is None else []
    method = method_of(config.method, config.plugins)
    if as_json:
        echo_json(_described(folder, config, method, results))
    else:
        echo(*_lines(folder, config, method, results))


def _lines(folder: Path, config: ModelConfig, method: Method | None, results: Sequence[Result]) -> Iterator[str]:
    from interpzoo.pretrained.card import describe_architecture, describe_training

    yield config.name
    yield from fields(
        {
            "what": config.summary,
            "method": config.method if method is None else f"{config.method}: {method.title}",
            "paper": "" if method is None else method.paper,
            "license": config.license,
            "folder": f"{folder} ({size(folder_bytes(folder))})",
            "plugins": ", ".join(f"{plugin} ({version})" for plugin, version in config.plugins.items()),
        }
    )
    yield from ("", "Architecture", *fields(describe_architecture(config)))
    if config.trained is not None:
        yield from ("", "Training", *fields(describe_training(config.trained)))
    if results:
        rows = [(r.metric, r.dataset, f"{r.value:.4g}{r.unit}") for r in results]
        yield from ("", "Results", *(f"  {line}" for line in columns(("METRIC", "DATA", "VALUE"), rows)))
    if config.limitations:
        yield from ("", "Limits", *fields({"": config.limitations}))
    if method is not None and method.citation:
        yield from ("", "Citation", *method.citation.strip().splitlines())


def _described(
    folder: Path, config: ModelConfig, method: Method | None, results: Sequence[Result]
) -> dict[str, object]:
    from dataclasses import asdict

    return {
        "name": config.name,
        "summary": config.summary,
        "license": config.license,
        "folder": str(folder),
        "bytes": folder_bytes(folder),
        "method": {"name": config.method, **({} if method is None else asdict(method))},
        "results": [asdict(result) for result in results],
        "config": config.model_dump(mode="json"),
    }
