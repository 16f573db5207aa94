"""`train`: from a recipe to a pretrained folder."""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import torch

from interpzoo.build import build_component, fully_named
from interpzoo.config import ModelConfig, Recipe, TrainedWith, TrainingConfig
from interpzoo.data.images import Images
from interpzoo.errors import ConfigError, OutputError
from interpzoo.files import is_hub_id, is_leftover
from interpzoo.interfaces import DataSet, Regularizer
from interpzoo.model import InterpolationModel
from interpzoo.plugins import registry
from interpzoo.pretrained.folder import CHECKPOINT, CONFIG, LOGS, WEIGHTS, claim, write_tensors
from interpzoo.pretrained.load import load
from interpzoo.recipes import load_recipe
from interpzoo.training.checkpoint import check_exists
from interpzoo.training.progress import TrainingProgress
from interpzoo.training.trainer import Trainer
from interpzoo.training.workers import Workers
from interpzoo.untrained import create

_EXAMPLES = 8
"""Held-out images whose codes go with a model."""

_FREE = ("apache-2.0", "mit", "cc0-1.0")
"""Licenses of images that leave it to a recipe, which may name none, what its weights are given under."""


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
        output: the folder, ``runs/`` and the recipe's name by default; its checkpoint lets a killed run go on with
            ``resume=True``.
        changes: ``key=value`` changes to the recipe, such as ``training.samples=100000``.
        data_root: folder of local data sets; else the environment variable ``INTERPZOO_DATA``, else the Hub.
        dataset: images of your own instead of the recipe's: a folder or a data set of the Hub. They are brought to
            the recipe's height and width and keep their own number of channels; name, summary, limitations and license
            are theirs, too, unless `changes` say otherwise.
        resume: go on from the checkpoint in `output`, to the same result as without the interruption.
        start_from: a pretrained model of the same networks to fine-tune; by default what the recipe says, which for
            images or networks of your own does not hold.
        model: networks of your own (see `wrap`) instead of the recipe's; only their weights are written to `output`.
        trackers: names of accelerate's trackers to log to.

    Returns:
        The trained model in eval mode.

    Raises:
        UnknownNameError, AmbiguousNameError, ConfigError: the recipe, or a name in it.
        DataError: the data.
        OutputError: `output` already holds something, or cannot be written.
        TrainingError: a loss is not finite, or there is nothing to resume.
        KeyboardInterrupt: Ctrl-C; the checkpoint holds the steps until then.
    """
    images = () if dataset is None else (f"data={json.dumps({'name': 'images', 'source': str(dataset)})}",)
    recipe = load_recipe(recipe, [*images, *changes])
    registry().methods.find(recipe.method)  # which the card needs, when all is done
    if dataset is not None:
        recipe = load_recipe(_for_own_data(recipe, data_root), changes)
    if model is not None:
        recipe = recipe.model_copy(update={"image": model.config.image, "start_from": None})
    start_from = start_from or recipe.start_from
    folder = Path("runs", recipe.name) if output is None else Path(output)
    _check_stage(folder, resume=resume)
    claim(folder)
    workers = Workers(trackers, str(folder / LOGS))
    data = build_component(DataSet, recipe.data, recipe.image, _path(data_root))
    if "license" not in recipe.model_fields_set and data.license not in _FREE:
        recipe = recipe.model_copy(update={"license": data.license})
    networks = create(recipe) if model is None else model
    if start_from is not None and not resume:
        _copy_weights(start_from, networks)
    regularizer = _regularizer(recipe, networks)
    trainer = Trainer(recipe, networks, regularizer, data, workers, folder, start_name(start_from))
    workers.start_trackers(recipe.name, recipe.model_dump(mode="json"))
    with TrainingProgress(recipe.name, trainer.total, quiet=not workers.is_main) as progress:

        def report(done: int, values: Mapping[str, float]) -> None:
            progress.report(done, values)
            workers.track(values, done)

        trainer.run(report, resume=resume)
    workers.close()
    trained = trainer.trained()
    trained.examples = _examples(trained, data)
    trained.codes = _codes(trained, data, recipe.training)
    if model is None:
        trained.config = _described(trained.config, recipe, trainer)
    if workers.is_main:
        if model is None:
            trained.save_pretrained(folder)
        else:
            write_tensors(folder / WEIGHTS, trained.state_dict())
        (folder / CHECKPOINT).unlink(missing_ok=True)
        for leftover in [*filter(is_leftover, folder.iterdir())]:  # of processes that were killed
            leftover.unlink()
    workers.wait()
    return trained


def as_path(folder: Path) -> str:
    """`folder` written so that no command takes it for a name of the zoo."""
    return str(folder) if folder.is_absolute() or folder.parts[:1] == ("..",) else f"./{folder}"


def _path(root: str | Path | None) -> Path | None:
    return None if root is None else Path(root)


def _check_stage(folder: Path, *, resume: bool) -> None:
    """Refuse to go on with a run that is done or was never begun, and to write over one."""
    unfinished = (folder / CHECKPOINT).exists()
    if unfinished and not resume:
        raise OutputError(f"{folder} already holds a training: go on with --resume, or choose an empty or a new folder")
    if not unfinished and (folder / WEIGHTS).exists():
        # Of networks of the user's own there are weights alone, which are no start.
        tune = f", or fine-tune it with --from {as_path(folder)} (start_from in Python)"
        raise OutputError(
            f"{folder} is trained already: choose an empty or a new folder{tune if (folder / CONFIG).exists() else ''}"
        )
    if resume:
        check_exists(folder / CHECKPOINT)


def _for_own_data(recipe: Recipe, root: str | Path | None) -> Recipe:
    """The recipe with name, license and channels of the images it is now to be trained on."""
    own = build_component(Images, recipe.data, recipe.image, _path(root))
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


def _regularizer(recipe: Recipe, model: InterpolationModel) -> Regularizer:
    with torch.random.fork_rng():
        torch.manual_seed(recipe.training.seed + 1)  # not the encoder's draws, which a critic of its shape would repeat
        return build_component(Regularizer, recipe.regularizer, recipe.image, model.latent_shape)


def _copy_weights(start_from: str | Path, model: InterpolationModel) -> None:
    state, own = load(start_from).state_dict(), model.state_dict()
    if {k: v.shape for k, v in state.items()} != {k: v.shape for k, v in own.items()}:
        raise ConfigError(
            f"{str(start_from)!r} has other networks than the recipe: it cannot be the start; a recipe whose "
            "start_from is null begins with random weights"
        )
    model.load_state_dict(state)


def start_name(start_from: str | Path | None) -> str | None:
    """What a config calls the model that training began with: of a folder not where it lies, a repository in full."""
    if isinstance(start_from, str) and is_hub_id(start_from):
        return start_from
    return None if start_from is None else Path(start_from).name


def _examples(model: InterpolationModel, data: DataSet) -> torch.Tensor:
    with torch.no_grad():
        return model.encode(data.test(_EXAMPLES)["image"]).cpu()


def _codes(model: InterpolationModel, data: DataSet, training: TrainingConfig) -> torch.Tensor | None:
    """The codes of as many training images as the recipe wants kept, drawn by its seed; no image twice."""
    if training.codes == 0:
        return None
    generator = torch.Generator().manual_seed(training.seed)
    order = torch.arange(training.codes) if data.size is None else torch.randperm(data.size, generator=generator)
    with torch.no_grad():
        batches = order[: training.codes].split(training.batch_size)
        return torch.cat([model.encode(data.train(rows, generator)["image"]).cpu() for rows in batches])


def _described(config: ModelConfig, recipe: Recipe, trainer: Trainer) -> ModelConfig:
    """The config with full component names, their distributions, and how the weights came about."""
    components = fully_named(config)
    owners = [registry().components[kind].find(c.name).owner for kind, c in components.items()]
    owners.append(registry().methods.find(recipe.method).owner)
    trained = TrainedWith(
        recipe=recipe.name,
        regularizer=recipe.regularizer,
        data=recipe.data,
        training=recipe.training,
        samples_seen=trainer.done * recipe.training.batch_size,
        started_from=trainer.started_from,
        versions={"python": platform.python_version(), "torch": version("torch"), "interpzoo": version("interpzoo")},
    )
    plugins = {owner.plugin: f"{owner.distribution} {owner.version}" for owner in owners}
    return config.model_copy(update={**components, "plugins": plugins, "trained": trained})
