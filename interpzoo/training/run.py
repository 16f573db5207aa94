"""`train`: from a recipe to a folder that `load` reads."""

import math
import platform
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import torch

from interpzoo.arguments import of_type, texts
from interpzoo.build import attributed, build_component
from interpzoo.config import Framing, ModelConfig, Recipe, TrainedWith, TrainingConfig
from interpzoo.data.images import Images
from interpzoo.errors import ConfigError, InputError
from interpzoo.files import expanded
from interpzoo.interfaces import DataSet, Regularizer
from interpzoo.model import InterpolationModel
from interpzoo.own import create
from interpzoo.pretrained.folder import HISTORY, LOGS, WEIGHTS
from interpzoo.pretrained.load import load
from interpzoo.pretrained.locate import locate, recorded_name
from interpzoo.pretrained.networks import check_loadable
from interpzoo.pretrained.stored import write_tensors
from interpzoo.signals import ended_like_ctrl_c
from interpzoo.tensors import ordinary_mode, own_randomness
from interpzoo.text import quoted
from interpzoo.training.checkpoint import Position, check_recipe, find_checkpoint
from interpzoo.training.codes import Codes, hash_of, inner_of, put_together
from interpzoo.training.fitness import fitness_of
from interpzoo.training.given import check_data
from interpzoo.training.output import claimed, finish, position_in
from interpzoo.training.own_data import choose_recipe, described
from interpzoo.training.progress import History, TrainingProgress
from interpzoo.training.settings import without_path
from interpzoo.training.terms import FREE_LICENSES, with_terms_of, with_texts_of
from interpzoo.training.trainer import Trainer, check_fields
from interpzoo.training.workers import Workers

_EXAMPLES = 8
"""Largest number of held-out images whose codes are saved with a model."""
_EXAMPLE_VALUES = 1 << 19
"""Values that their decoded images have together at most, in 2 MB, if there are more than two."""


@ordinary_mode
def train(
    recipe: str | Path | Recipe,
    *,
    output: str | Path | None = None,
    changes: Sequence[str] = (),
    data_root: str | Path | None = None,
    dataset: str | Path | None = None,
    resume: bool = False,
    start_from: str | Path | None = None,
    base: str | Path | None = None,
    model: InterpolationModel | None = None,
    trackers: Sequence[str] = (),
) -> InterpolationModel:
    """Train a recipe and write a folder that `load` reads.

    Args:
        recipe: a registered recipe or method, a TOML file, or a `Recipe`. For a method, the recipe is the one that fits
            the images of `dataset`, with the networks of `start_from` if that is given.
        output: the folder to write, ``runs/`` and the recipe's name by default. During training it has a checkpoint,
            so that a killed run can be continued with ``resume=True``. The losses stay in its ``history.jsonl``.
        changes: ``key=value`` changes to the recipe, such as ``training.samples=100000``.
        dataset: images of your own instead of the recipe's: a folder (a `Path`, or a string that starts with ``./``,
            ``../``, ``~`` or ``/``) or a data set on the Hub. They are resized to the recipe's height and width, and
            are gray only if all of them are. The model's name, summary, limitations and license follow from them,
            unless `changes` set them. Nothing that is written names the folder's full path.
        resume: continue from the checkpoint in `output`, to the same result as without the interruption. A finished run
            is extended if `changes` raise ``training.samples``; then the learning rate follows the longer schedule.
        start_from: a pretrained model with the same networks to fine-tune, whose license and limitations are passed on.
            By default the recipe's ``start_from``, but random weights for images or networks of your own.

    Other Parameters:
        base: a pretrained model that stays as it is, by a name that `load` takes: the networks learn on its codes,
            which are computed once and kept on disk (see `interpzoo.training.codes`). The recipe's images become as
            much larger as the base model's codes are smaller, unless `changes` set their size. The model that comes
            out goes from image to image. By default the recipe's ``base``.
        model: networks of your own (see `wrap`) instead of the recipe's; only their weights are written to `output`.
        data_root: folder of local data sets; else the environment variable ``INTERPZOO_DATA``, else the Hub.
        trackers: names of accelerate's trackers to log to.

    Returns:
        The trained model in eval mode.

    Raises:
        UnknownNameError, AmbiguousNameError, ConfigError: the recipe, or a name in it, is not valid.
        DataError: the data cannot be read, or lacks what the method needs.
        InputError: an argument is of another type, or `base` and `model` are both given.
        OutputError: `output` already holds something else, another run writes to it, or it cannot be written.
        TrainingError: a loss is not finite, there is nothing to resume, or the recipe differs from that of the run.
        WeightsError: the checkpoint is damaged.
        KeyboardInterrupt: Ctrl-C was pressed, or SIGTERM came; the checkpoint holds all steps until then.

    Example:
        >>> import interpzoo
        >>> model = interpzoo.train("ae-lines", output="runs/short", changes=["training.samples=256"])
        >>> interpzoo.load("./runs/short").latent_shape
        (16, 2, 2)
    """
    _check_types(recipe=recipe, output=output, data_root=data_root, start_from=start_from, base=base)
    changes = texts("changes", changes, "key=value, such as 'training.samples=100000', or a list of these")
    trackers = texts("trackers", trackers, "names of accelerate's trackers, such as ['tensorboard']")
    if model is not None:
        of_type("model", model, InterpolationModel, "a model, see interpzoo.wrap")
    with ended_like_ctrl_c():
        root = None if data_root is None else expanded(data_root)
        chosen, said = choose_recipe(recipe, changes, dataset=dataset, root=root, start_from=start_from, base=base)
        if model is not None and chosen.base is not None:
            raise InputError(f"base = {chosen.base!r} and model are both given: expected one of them")
        if model is not None:
            chosen = chosen.model_copy(update={"image": model.config.image, "start_from": None})
        folder = Path("runs", chosen.name) if output is None else expanded(output)
        total = math.ceil(chosen.training.samples / chosen.training.batch_size)
        position = position_in(folder, resume=resume, total=total, batch_size=chosen.training.batch_size)
        if position is not None:  # a refusal comes before the images are read
            check_recipe(find_checkpoint(folder), position, chosen)
        with claimed(folder):
            changed = {change.partition("=")[0].strip() for change in changes}
            run = _Run(chosen, folder, root, position, said, changed)
            return run(model, start_from, trackers)


@dataclass
class _Run:
    recipe: Recipe
    folder: Path
    root: Path | None
    position: Position | None
    said: list[str]
    changed: Set[str]
    """Keys of the recipe that the user has set."""

    def __call__(
        self, model: InterpolationModel | None, start_from: str | Path | None, trackers: Sequence[str]
    ) -> InterpolationModel:
        folder = self.folder
        workers = Workers(trackers, str(folder / LOGS))
        data = build_component(DataSet, self.recipe.data, self.recipe.image, self.root)
        if type(data) is Images:  # presets are well known
            self.said.append(described(data))
            data.check()
        recipe = self.recipe
        check_data(data, attributed("dataset", recipe.data.name))
        if "license" not in recipe.model_fields_set and data.license not in FREE_LICENSES:
            recipe = recipe.model_copy(update={"license": data.license})
        networks = create(recipe) if model is None else model
        if model is None:
            check_loadable(networks.config)
        origin = start_from or recipe.start_from
        recipe = without_path(self._with_terms(recipe, networks, start_from))
        learning = networks if recipe.base is None else inner_of(networks)
        regularizer, pixels, base = build_regularizer(recipe, learning), data, None
        if recipe.base is not None:
            check_fields(recipe, regularizer, data)  # before an hour of encoding
            if recipe.training.channels_last:  # as when it is loaded: its codes are then the same, bit for bit
                networks.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
            data = Codes(data, networks, workers, recipe.name, fit=origin is None, needed=regularizer.requires)
            base = data.base
        trainer = Trainer(recipe, learning, regularizer, data, workers, folder, origin and recorded_name(origin), base)
        workers.start_trackers(recipe.name, recipe.model_dump(mode="json"))
        self._train(trainer, recipe.name)
        workers.close()
        trained = trainer.trained()
        with torch.no_grad():
            codes = _codes(trained, data, recipe.training)
            if recipe.base is not None:
                trained = put_together(networks, trained)
            trained.examples = example_codes(trained, pixels, recipe.training.seed)
            trained.codes = codes
            if recipe.base is None:  # whose two networks would take longer than the training
                trained.fitness = fitness_of(trained, pixels, recipe.training.seed)
        if model is None:
            trained.config = _described(trained.config, recipe, trainer, data.framing)
        if workers.is_main:
            if model is None:
                trained.save_pretrained(folder)
            else:
                write_tensors(folder / WEIGHTS, trained.state_dict())
            finish(folder)
        workers.wait()
        return trained

    def _with_terms(self, recipe: Recipe, networks: InterpolationModel, start_from: str | Path | None) -> Recipe:
        """The recipe with the license and limitations of what the run begins with, whose weights `networks` get."""
        if self.position is not None:
            return with_texts_of(self.position.recipe, recipe, self.changed)
        if recipe.base is not None:
            below = locate(recipe.base).config()
            recipe = with_terms_of(below, recipe, self.changed, "on whose codes it was trained")
        if (origin := start_from or recipe.start_from) is not None:
            given = self.changed if start_from is not None else recipe.model_fields_set
            recipe = with_terms_of(_copy_weights(origin, networks).config, recipe, given)
        return recipe

    def _train(self, trainer: Trainer, name: str) -> None:
        done, workers = 0 if self.position is None else self.position.steps, trainer.workers
        history: History | None = None
        with TrainingProgress(name, trainer.total, done=done, quiet=not workers.is_main) as progress:
            for text in self.said:
                progress.say(text)

            def report(step: int, values: Mapping[str, float]) -> None:
                nonlocal history
                progress.report(step, values)
                workers.track(values, step)
                if workers.is_main:
                    history = history or History(self.folder / HISTORY, trainer.total, done=done)
                    history.report(step, values)

            trainer.run(report, resume=self.position is not None)


def _check_types(**paths: object) -> None:
    for name, value in paths.items():
        if value is not None and not isinstance(value, str | Path | Recipe):
            raise InputError(f"{name} = {quoted(value)}: expected a string or a path")


def _copy_weights(start_from: str | Path, model: InterpolationModel) -> InterpolationModel:
    """Fill the networks with the weights of a pretrained model, which is returned."""
    origin = load(start_from)
    if hash_of(origin) != hash_of(model):
        bases = ["images" if m.config.base is None else f"codes of {m.config.base.name!r}" for m in (origin, model)]
        raise ConfigError(
            f"{str(start_from)!r} learned on {bases[0]}, and the recipe's networks take {bases[1]}: give the same base "
            "model, with the same weights"
        )
    state, own = origin.state_dict(), model.state_dict()
    if {k: v.shape for k, v in state.items()} != {k: v.shape for k, v in own.items()}:
        raise ConfigError(
            f"{str(start_from)!r} has other networks than the recipe: training cannot start from it. Choose another "
            f"model, or give a method such as {origin.config.method!r} as the recipe: it takes the model's networks"
        )
    model.load_state_dict(state)
    return origin


def build_regularizer(recipe: Recipe, model: InterpolationModel) -> Regularizer:
    """The recipe's regularizer for the codes of `model`, with weights drawn by the recipe's seed."""
    with own_randomness(recipe.training.seed + 1):  # a critic shaped like the encoder must not get the same weights
        return build_component(Regularizer, recipe.regularizer, model.config.image, model.latent_shape)


@torch.no_grad()
def example_codes(model: InterpolationModel, data: DataSet, seed: int) -> torch.Tensor:
    """Codes (n, *latent_shape) of held-out images, of different classes where there are any.

    There are 8, or all if there are fewer images; two if they have 256 pixels, as the decoded images are saved too.
    """
    count = max(2, min(_EXAMPLES, _EXAMPLE_VALUES // math.prod(model.config.image.shape)))
    shown = data.examples(count, torch.Generator().manual_seed(seed))
    return model.encode(shown["image"]).cpu()


def _codes(model: InterpolationModel, data: DataSet, training: TrainingConfig) -> torch.Tensor | None:
    """Codes of training images, drawn by the recipe's seed in the number that it asks for; no image is drawn twice."""
    if training.codes == 0:
        return None
    generator = torch.Generator().manual_seed(training.seed)
    order = torch.arange(training.codes) if data.size is None else torch.randperm(data.size, generator=generator)
    batches = order[: training.codes].split(training.batch_size)
    images = (data.train(rows, generator)["image"].to(model.device) for rows in batches)
    return torch.cat([model.encoder(part).float().cpu() for part in images])


def _described(config: ModelConfig, recipe: Recipe, trainer: Trainer, framing: Framing | None) -> ModelConfig:
    """The config with how the model was trained."""
    trained = TrainedWith(
        recipe=recipe.name,
        regularizer=recipe.regularizer,
        data=recipe.data,
        training=recipe.training,
        samples_seen=max(trainer.at_setup, trainer.done * recipe.training.batch_size),
        started_from=trainer.started_from,
        versions={"python": platform.python_version(), "torch": version("torch"), "interpzoo": version("interpzoo")},
    )
    texts = {"license": recipe.license, "limitations": recipe.limitations}
    return config.model_copy(update={**texts, "framing": framing, "trained": trained})
