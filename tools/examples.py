"""Draw the examples of bundled models again: ``python -m tools.examples NAME ...``, such as acai-celeba.

They are the codes of eight held-out images of different classes, or of fewer large ones, as a training draws them; the
preview shows paths between them. The list of hashes and the pin in ``zoo.toml`` follow.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from interpzoo.model import InterpolationModel
from interpzoo.pretrained.folder import EXAMPLES, PREVIEW
from interpzoo.training.run import example_codes
from tools.bundle import change_bundled
from tools.directions import data_of


@click.command()
@click.argument("names", nargs=-1, required=True)
@click.option("--data-root", type=click.Path(path_type=Path), help="Folder of local data sets.")
def main(names: tuple[str, ...], *, data_root: Path | None) -> None:
    """Draw the examples and the preview of the bundled models NAMES again."""

    def draw(model: InterpolationModel, folder: Path) -> str:
        trained = model.config.trained
        model.examples = example_codes(
            model, data_of(model, data_root), 0 if trained is None else trained.training.seed
        )
        with TemporaryDirectory() as scratch:
            saved = model.save_pretrained(Path(scratch, model.name))
            for name in (EXAMPLES, PREVIEW):
                shutil.copyfile(saved / name, folder / name)
        return f"{len(model.examples)} examples"

    change_bundled(names, draw)


if __name__ == "__main__":
    main()
