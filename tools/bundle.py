"""Bundle a trained model: ``python -m tools.bundle RUN`` puts the folder of a run into the zoo, measured.

The model is stored in ``model_cards/``, registered with its checksum in the ``zoo.toml`` of the plugin that has its
method, scored as it is stored, and described on its card. ``python -m tools.pages`` puts it into the pages.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import click
import torch

from interpzoo.benchmark.metric import metrics_named
from interpzoo.benchmark.run import benchmark
from interpzoo.benchmark.selection import jobs_of
from interpzoo.config import ModelConfig
from interpzoo.errors import InterpzooError
from interpzoo.evaluation import evaluate, results_of
from interpzoo.files import folder_bytes, write_text
from interpzoo.model import InterpolationModel
from interpzoo.plugins import registry
from interpzoo.pretrained.card import Result, write_card
from interpzoo.pretrained.folder import SUMS, read_config, write_hashes
from interpzoo.pretrained.load import read_model
from interpzoo.pretrained.locate import locate
from interpzoo.pretrained.reading import sha256
from interpzoo.registry import FIRST_PARTY
from tools.leaderboard import RECORDS

ROOT: Final = Path(__file__).parents[1]
CARDS: Final = ROOT / "model_cards"

LARGEST: Final = 8_000_000
"""Bytes that a folder may have."""

EXACT: Final = ("mean-*", "linear-probe", "k-means", "reconstruction-mse", "reconstruction-psnr")
"""Metrics that half precision may not move, and which a network of features has on its card."""

_MOVED: Final = 0.01
"""Share by which half precision may move a result."""

_RESTARTED: Final = ("K-means accuracy",)
"""Results that any change of codes may move, as their random starts end elsewhere; the linear probe sees the same."""


@click.command()
@click.argument("run", type=click.Path(file_okay=False, exists=True, path_type=Path))
@click.option("--half", is_flag=True, help="Store the weights in float16, if no result moves by more than 1 %.")
@click.option(
    "--later", is_flag=True, help="Do not score it by all metrics: 'interpzoo benchmark' does so for the whole zoo."
)
@click.option("--data-root", type=click.Path(path_type=Path), help="Folder of local data sets.")
def main(run: Path, *, half: bool, later: bool, data_root: Path | None) -> None:
    """Bundle the model that the training in the folder RUN has written."""
    try:
        config = bundle(run, half=half, later=later, data_root=data_root)
    except InterpzooError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{CARDS.name}/{config.name}: bundled; 'python -m tools.pages' puts it into the pages")


def bundle(run: Path, *, half: bool, later: bool, data_root: Path | None) -> ModelConfig:
    """Store, measure, describe and register the model in `run`.

    Raises:
        ClickException: the model is of another author's method, a result moves with half precision, or the folder is
            too large; nothing is changed.
    """
    model = read_model(locate(run))
    owner = registry().methods.find(model.config.method, prefer=model.config.plugins).owner
    if owner.distribution != FIRST_PARTY:
        raise click.ClickException(f"method {model.config.method!r} is of {owner}: its own package bundles its models")
    with TemporaryDirectory() as scratch:
        stored = model.save_pretrained(Path(scratch, model.config.name), dtype=torch.float16 if half else None)
        figures = evaluate(read_model(locate(stored)), data_root=data_root, metrics=EXACT)
        if half:
            _check_moved(evaluate(model, data_root=data_root, metrics=EXACT).results, figures.results)
        write_card(stored, model.config, figures.results, name=model.config.name)
        if (size := folder_bytes(stored)) > LARGEST:
            raise click.ClickException(f"the folder has {size:,} bytes, expected at most {LARGEST:,}: try --half")
        target = CARDS / model.config.name
        shutil.rmtree(target, ignore_errors=True)  # the former model may have had files that this one has not
        shutil.copytree(stored, target)
    zoo_file = ROOT / "plugins" / f"interpzoo_{owner.plugin}" / "zoo.toml"
    zoo_file.write_text(register(zoo_file.read_text("utf-8"), model.config, figures.dataset, target), "utf-8")
    if model.config.kind == "interpolator" and not later:
        for record in benchmark(jobs_of([target]), metrics_named(), RECORDS, data_root=data_root):
            if not record.control:
                write_card(target, model.config, results_of(record))
    return model.config


def register(zoo: str, config: ModelConfig, dataset: str, folder: Path) -> str:
    """The text `zoo` of a ``zoo.toml`` with the table of the model in `folder`, in place of a former one."""
    fields = {
        "method": config.method,
        "dataset": dataset,
        "license": config.license,
        "package": FIRST_PARTY,
        "sha256": sha256(folder / SUMS),
        **({"kind": config.kind} if config.kind != "interpolator" else {}),
        # A trained model takes its summary from its recipe.
        **({"summary": config.summary} if config.trained is None else {}),
    }
    head = f"[models.{config.name}]\n"
    table = head + "".join(f"{key} = {json.dumps(value)}\n" for key, value in fields.items())
    former = re.compile(rf"^{re.escape(head)}(?:\w+ = .*\n)*", re.MULTILINE)
    return former.sub(lambda _: table, zoo) if former.search(zoo) else f"{zoo}\n{table}"


def pin(folder: Path) -> None:
    """Write the hashes of a bundled model whose files have changed, and register them."""
    write_hashes(folder)
    config = read_config(folder)
    row = registry().models.find(config.name)
    zoo = ROOT / "plugins" / f"interpzoo_{row.owner.plugin}" / "zoo.toml"
    write_text(zoo, register(zoo.read_text("utf-8"), config, row.entry.dataset, folder))


def change_bundled(names: Iterable[str], change: Callable[[InterpolationModel, Path], str]) -> None:
    """Let `change` write files of bundled models into their folders, say what it says, and register the new hashes.

    Raises:
        ClickException: a model cannot be read or changed; those before it are.
    """
    try:
        for name in names:
            said = change(read_model(locate(name)), CARDS / name)
            pin(CARDS / name)
            click.echo(f"{name}: {said}")
    except InterpzooError as error:
        raise click.ClickException(str(error)) from error


def _check_moved(exact: Sequence[Result], rounded: Sequence[Result]) -> None:
    for before, after in zip(exact, rounded, strict=True):
        if before.metric not in _RESTARTED and abs(after.value - before.value) > _MOVED * abs(before.value):
            raise click.ClickException(
                f"{before.metric} moves from {before.value:.6g} to {after.value:.6g} with half precision: "
                "bundle without --half"
            )


if __name__ == "__main__":
    main()
