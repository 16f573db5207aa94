"""Write every option into the configs of the bundled models: ``python -m tools.resolve``.

A component that gets a new option needs this once, with the default that keeps its models as they are. From then on
another default changes no bundled model. Weights and codes stay; the lists of hashes, the pins in each ``zoo.toml`` and
the records of the benchmark follow.
"""

from __future__ import annotations

from pathlib import Path

import click

from interpzoo.build import component_class, resolved
from interpzoo.config import ModelConfig
from interpzoo.errors import InterpzooError
from interpzoo.files import write_text
from interpzoo.interfaces import DataSet
from interpzoo.pretrained.folder import CONFIG, fingerprint, read_config
from tools.bundle import CARDS, pin
from tools.leaderboard import RECORDS


@click.command()
def main() -> None:
    """Write every option into the config of each bundled model, and print the names of those that change."""
    try:
        for folder in sorted(path for path in CARDS.iterdir() if path.is_dir()):
            if resolve(folder):
                click.echo(folder.name)
    except InterpzooError as error:
        raise click.ClickException(str(error)) from error
    click.echo("'python -m tools.pages' brings the cards up to date")


def resolve(folder: Path) -> bool:
    """Write every option into the config of a bundled model; whether it changes. Raises as `resolved`."""
    config, before = read_config(folder), fingerprint(folder)
    text = _with_framing(resolved(config)).to_json()
    if (folder / CONFIG).read_text("utf-8") == text:
        return False
    write_text(folder / CONFIG, text)
    pin(folder)
    for record in RECORDS.glob("*/*.json"):
        if before in (content := record.read_text("utf-8")):
            write_text(record, content.replace(before, fingerprint(folder)))
    return True


def _with_framing(config: ModelConfig) -> ModelConfig:
    """The config with how the data set that it was trained on frames its images, as training writes it."""
    if config.trained is None:
        return config
    return config.model_copy(update={"framing": component_class(DataSet, config.trained.data.name).framing})


if __name__ == "__main__":
    main()
