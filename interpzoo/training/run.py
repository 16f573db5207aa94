"""`train`: from a recipe to a folder that `load` reads."""

import json
import platform
import re
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from interpzoo.build import build_component, fully_named
from interpzoo.config import ModelConfig, Recipe, TrainedWith, TrainingConfig
from interpzoo.data.images import Images
from interpzoo.errors import ConfigError, OutputError
from interpzoo.files import is_leftover
from interpzoo.interfaces import DataSet, Regularizer
from interpzoo.model import InterpolationModel
from interpzoo.own import create
from interpzoo.plugins import registry
from interpzoo.pretrained.folder import CHECKPOINT, CONFIG, LOGS, WEIGHTS, claim_folder, write_tensors
from interpzoo.pretrained.load import load
from interpzoo.pretrained.locate import as_path, recorded_name
from interpzoo.recipes import load_recipe
from interpzoo.training.checkpoint import check_exists
from interpzoo.training.trainer import Trainer
from interpzoo.training.workers import Workers

_EXAMPLES = 8
"""Number of held-out images whose codes are saved with a model."""

_FREE = ("apache-2.0", "mit", "cc0-1.0")
"""Licenses of images that do not restrict the license of the weights; under any other, the weights take it over."""

_LINE_SECONDS, _REFRESH_SECONDS = 60.0, 0.5
"""Least time between two lines of progress, and between two updates of its bar on a terminal."""


def train(
    recipe: str | Path | Recipe,
    *,
    output: str | Path | None = None,
    changes: Sequence[str] = (),
    data_root: str | Path | None = None,
    dataset: str | Path | None = None,
    resume: bool = False,
    start_from: str | Path | None = None,
    model: InterpolationModel | None = None,
    trackers: Sequence[str] = (),
) -> InterpolationModel:
    """Train a recipe and write a folder that `load` reads.

    Args:
        recipe: a registered recipe or method, a TOML file, or a `Recipe`.
        output: the folder to write, ``runs/`` and the recipe's name by default. During training it has a checkpoint,
            so that a killed run can go on with ``resume=True``.
        changes: ``key=value`` changes to the recipe, such as ``training.samples=100000``.
        data_root: folder of local data sets; else the environment variable ``INTERPZOO_DATA``, else the Hub.
        dataset: images of your own instead of the recipe's: a folder or a data set on the Hub. They are resized to the
            recipe's height and width and keep their number of channels. The model's name, summary, limitations and
            license follow from them, unless `changes` set them.
        resume: go on from the checkpoint in `output`, to the same result as without the interruption.
        start_from: a pretrained model with the same networks to fine-tune. By default the recipe's ``start_from``, but
            random weights for images or networks of your own.
        model: networks of your own (see `wrap`) instead of the recipe's; only their weights are written to `output`.
        trackers: names of accelerate's trackers to log to.

    Returns:
        The trained model in eval mode.

    Raises:
        UnknownNameError, AmbiguousNameError, ConfigError: the recipe, or a name in it, is not valid.
        DataError: the data cannot be read, or lacks what the method needs.
        OutputError: `output` already holds something else, or cannot be written.
        TrainingError: a loss is not finite, or there is nothing to resume.
        KeyboardInterrupt: Ctrl-C was pressed; the checkpoint holds all steps until then.
    """
    root = None if data_root is None else Path(data_root)
    images = () if dataset is None else (f"data={json.dumps({'name': 'images', 'source': str(dataset)})}",)
    recipe = load_recipe(recipe, [*images, *changes])
    registry().methods.find(recipe.method)  # an unknown method is an error now, not when the card is written
    if dataset is not None:
        recipe = load_recipe(_for_own_data(recipe, root), changes)
    if model is not None:
        recipe = recipe.model_copy(update={"image": model.config.image, "start_from": None})
    start_from = start_from or recipe.start_from
    folder = Path("runs", recipe.name) if output is None else Path(output)
    _claim(folder, resume=resume)
    workers = Workers(trackers, str(folder / LOGS))
    data = build_component(DataSet, recipe.data, recipe.image, root)
    if "license" not in recipe.model_fields_set and data.license not in _FREE:
        recipe = recipe.model_copy(update={"license": data.license})
    networks = create(recipe) if model is None else model
    if start_from is not None and not resume:
        _copy_weights(start_from, networks)
    started_from = None if start_from is None else recorded_name(start_from)
    trainer = Trainer(recipe, networks, build_regularizer(recipe, networks), data, workers, folder, started_from)
    workers.start_trackers(recipe.name, recipe.model_dump(mode="json"))
    with _TrainingProgress(recipe.name, trainer.total, quiet=not workers.is_main) as progress:

        def report(done: int, values: Mapping[str, float]) -> None:
            progress.report(done, values)
            workers.track(values, done)

        trainer.run(report, resume=resume)
    workers.close()
    trained = trainer.trained()
    with torch.no_grad():
        trained.examples = trained.encode(data.test(_EXAMPLES)["image"]).cpu()
        trained.codes = _codes(trained, data, recipe.training)
    if model is None:
        trained.config = _described(trained.config, recipe, trainer)
    if workers.is_main:
        if model is None:
            trained.save_pretrained(folder)
        else:
            write_tensors(folder / WEIGHTS, trained.state_dict())
        # The checkpoint, and temporary files of processes that were killed.
        for leftover in [path for path in folder.iterdir() if path.name == CHECKPOINT or is_leftover(path)]:
            leftover.unlink()
    workers.wait()
    return trained


def _for_own_data(recipe: Recipe, root: Path | None) -> Recipe:
    own = build_component(Images, recipe.data, recipe.image, root)
    stem = _plain(Path(own.config.source).resolve().name) or "images"
    changes = {
        "name": _plain(f"{recipe.method}-{stem}")[:96],
        "summary": f"Method {recipe.method!r} on images of {stem!r}.",
        "limitations": "",
        "license": own.license,
        "image": recipe.image.model_copy(update={"channels": own.channels}),
        "start_from": None,
    }
    return recipe.model_copy(update=changes)


def _plain(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "-", text)


def _claim(folder: Path, *, resume: bool) -> None:
    """Make the output folder; refuse one with a finished or unfinished training, and one with nothing to resume."""
    unfinished = (folder / CHECKPOINT).exists()
    if unfinished and not resume:
        raise OutputError(f"{folder} already holds a training: go on with --resume, or choose an empty or a new folder")
    if not unfinished and (folder / WEIGHTS).exists():
        # Networks of the user's own leave weights without a config, which cannot be fine-tuned.
        tune = f", or fine-tune it with --from {as_path(folder)} (start_from in Python)"
        raise OutputError(
            f"{folder} is trained already: choose an empty or a new folder{tune if (folder / CONFIG).exists() else ''}"
        )
    if resume:
        check_exists(folder / CHECKPOINT)
    claim_folder(folder)


def _copy_weights(start_from: str | Path, model: InterpolationModel) -> None:
    state, own = load(start_from).state_dict(), model.state_dict()
    if {k: v.shape for k, v in state.items()} != {k: v.shape for k, v in own.items()}:
        raise ConfigError(
            f"{str(start_from)!r} has other networks than the recipe: training cannot start from it. Choose another "
            "model, or set start_from to null in the recipe to start from random weights"
        )
    model.load_state_dict(state)


def build_regularizer(recipe: Recipe, model: InterpolationModel) -> Regularizer:
    """The recipe's regularizer for the codes of `model`, with weights drawn by the recipe's seed."""
    with torch.random.fork_rng():
        torch.manual_seed(recipe.training.seed + 1)  # a critic shaped like the encoder must not get the same weights
        return build_component(Regularizer, recipe.regularizer, recipe.image, model.latent_shape)


def _codes(model: InterpolationModel, data: DataSet, training: TrainingConfig) -> torch.Tensor | None:
    """Codes of training images, as many as the recipe asks for, drawn by its seed; no image is drawn twice."""
    if training.codes == 0:
        return None
    generator = torch.Generator().manual_seed(training.seed)
    order = torch.arange(training.codes) if data.size is None else torch.randperm(data.size, generator=generator)
    batches = order[: training.codes].split(training.batch_size)
    return torch.cat([model.encode(data.train(rows, generator)["image"]).cpu() for rows in batches])


def _described(config: ModelConfig, recipe: Recipe, trainer: Trainer) -> ModelConfig:
    """The config with full component names, their distributions, and how the model was trained."""
    components, known = fully_named(config), registry()
    rows = [*(known.components[kind].find(c.name) for kind, c in components.items()), known.methods.find(recipe.method)]
    trained = TrainedWith(
        recipe=recipe.name,
        regularizer=recipe.regularizer,
        data=recipe.data,
        training=recipe.training,
        samples_seen=trainer.done * recipe.training.batch_size,
        started_from=trainer.started_from,
        versions={"python": platform.python_version(), "torch": version("torch"), "interpzoo": version("interpzoo")},
    )
    plugins = {row.owner.plugin: f"{row.owner.distribution} {row.owner.version}" for row in rows}
    return config.model_copy(update={**components, "plugins": plugins, "trained": trained})


class _TrainingProgress(Progress):
    """A bar with the loss terms on a terminal, one line a minute elsewhere."""

    def __init__(self, name: str, total: int, *, quiet: bool = False) -> None:
        console = Console(stderr=True, quiet=quiet)
        super().__init__(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[losses]}"),
            console=console,
            disable=not console.is_terminal,
        )
        self._name, self._total = name, total
        self._task = self.add_task(name, total=total, losses="")
        self._next = time.monotonic()

    def report(self, done: int, values: Mapping[str, float]) -> None:
        if done < self._total and time.monotonic() < self._next:
            return
        terminal = self.console.is_terminal
        self._next = time.monotonic() + (_REFRESH_SECONDS if terminal else _LINE_SECONDS)
        losses = "  ".join(f"{name} {value:.4g}" for name, value in values.items())
        self.update(self._task, completed=done, losses=losses)
        if not terminal:
            self.console.print(f"{self._name} step {done}/{self._total}  {losses}", soft_wrap=True, highlight=False)
