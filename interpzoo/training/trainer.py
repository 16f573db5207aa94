"""The trainer: runs the updates of a regularizer on one process or several, and can resume after being killed.

Every random draw depends on (seed, step, process) only, and every image on (seed, position in the run). So a resumed
run sees what an uninterrupted run would see, and several processes share the batches that one process would see.
"""

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Generator as AbcGenerator
from contextlib import closing
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Generator, Tensor, nn
from torch.nn.utils import clip_grads_with_norm_, get_total_norm
from torch.optim.swa_utils import AveragedModel

from interpzoo.autoencoder import evaluating
from interpzoo.build import attributed
from interpzoo.config import OptimizerConfig, Recipe
from interpzoo.errors import ConfigError, DataError, InputError, TrainingError
from interpzoo.interfaces import Batch, DataSet, Regularizer, Step, Update
from interpzoo.model import InterpolationModel
from interpzoo.pretrained.folder import CHECKPOINT
from interpzoo.signals import deferred
from interpzoo.training.ahead import computed_ahead
from interpzoo.training.checkpoint import Position, State, restore_checkpoint, save_checkpoint
from interpzoo.training.contexts import exact_float32
from interpzoo.training.given import check_batch, total_of, usable
from interpzoo.training.optimizers import build_optimizer, laid_out_like, learning_rate, move_average
from interpzoo.training.settings import settings_of
from interpzoo.training.workers import Workers

Report = Callable[[int, Mapping[str, float]], None]
"""Called with the number of steps done and the named loss terms of the last step."""

M = TypeVar("M", bound=nn.Module)

_CHECK_STEPS = 20
"""Steps between two checks of the losses on an accelerator, where each check waits for the device."""


class Trainer:
    """One run of a recipe.

    Args:
        recipe: what to run.
        model: the networks, trained in place.
        regularizer: the losses and the updates that minimize them.
        data: the images to train on.
        workers: the processes of the run.
        output: folder of the checkpoint.
        started_from: name of the pretrained model whose weights `model` started with.
        base: hash of the frozen model whose codes `data` gives.

    Raises:
        ConfigError: the model has a space of codes with weights that no update moves.
        PluginError: a component does not give what its interface says.
        DataError: the data set lacks a field that the regularizer needs.
        InputError: the batch cannot be shared equally by the processes, or all weights of an update are frozen.
    """

    def __init__(
        self,
        recipe: Recipe,
        model: InterpolationModel,
        regularizer: Regularizer,
        data: DataSet,
        workers: Workers,
        output: Path,
        started_from: str | None = None,
        base: str | None = None,
    ) -> None:
        config = recipe.training
        check_fields(recipe, regularizer, data)
        if config.batch_size % workers.count:
            raise InputError(
                f"training.batch_size = {config.batch_size} cannot be shared equally by {workers.count} processes: "
                f"choose a multiple of {workers.count}"
            )
        self.recipe, self.data, self.workers = recipe, data, workers
        self._dataset = attributed("dataset", recipe.data.name)
        self._regularizer = attributed("regularizer", recipe.regularizer.name)
        self.total = math.ceil(config.samples / config.batch_size)
        layout = torch.channels_last if config.channels_last else torch.preserve_format
        frozen = [module for module in model.modules() if _is_frozen(module)]
        self.model = _placed(model, workers.device, layout)
        for module in frozen:
            module.eval()
        self.regularizer = _placed(regularizer, workers.device, layout)
        self.done = 0
        """Number of steps taken."""
        self.started_from = started_from
        """Read from the checkpoint when a run is resumed."""
        self._base = base
        self._layout = layout
        self._exact = config.precision == "float32" or not regularizer.autocast
        asked = workers.has_fast_bfloat16 if config.precision == "auto" else workers.has_bfloat16
        self._autocast = asked and not self._exact
        self._path = output / CHECKPOINT
        with torch.no_grad(), exact_float32(self._exact):
            self.at_setup = self._count_at_setup(regularizer.setup_images)
            batch = self._batch(0, size=self.at_setup, whole=True)
            with evaluating(model):
                model.reconstruct(batch["image"][:2])  # checks what the networks give
            regularizer.setup(model, batch, _generator(config.seed, "setup", 0))
        for module in (self.model, self.regularizer):
            workers.share(module)
        self.updates: Sequence[Update] = usable(regularizer.updates(model), model, self._regularizer)
        self._check_space(recipe)
        self._optimizers = {u.name: build_optimizer(self._config(u), u.parameters) for u in self.updates}
        self.average = None if config.ema_decay is None else AveragedModel(model, multi_avg_fn=self._average)
        modules: dict[str, nn.Module | None] = {"model": model, "regularizer": regularizer, "average": self.average}
        self._state = State({n: module for n, module in modules.items() if module is not None}, self._optimizers)

    def run(self, report: Report, *, resume: bool = False, stop_after: int | None = None) -> None:
        """Train to the end of the recipe, or for `stop_after` steps.

        Raises:
            TrainingError: a loss or gradient is not finite; the last checkpoint is from before that step.
            KeyboardInterrupt: Ctrl-C, after the current step was finished and saved. A second Ctrl-C stops at once.
            WeightsError: the checkpoint to resume from is damaged.
        """
        if resume:
            position = restore_checkpoint(self._path, self._state, self.recipe, self.data.size, self._base)
            self.done, self.started_from = position.steps, position.started_from
            if self.done > self.total:
                raise TrainingError(
                    f"training.samples = {self.recipe.training.samples}: {self._path.parent} has already seen "
                    f"{self.done * self.recipe.training.batch_size}: set it to at least that many"
                )
        end = self.total if stop_after is None else min(self.total, self.done + stop_after)
        unchecked: list[tuple[int, dict[str, Tensor]]] = []
        alone, stopping = self.workers.count == 1, False
        batches = self._batches(range(self.done, end))
        with deferred() as interrupted, exact_float32(self._exact), closing(batches):
            while self.done < end and not stopping:
                unchecked.append((self.done, self.step(self.done, next(batches))))
                self.done += 1
                saving = self.done % self.recipe.training.checkpoint_steps == 0 or self.done == end
                looking = saving or self.workers.device.type == "cpu" or self.done % _CHECK_STEPS == 0
                # Several processes agree on it only when they exchange losses anyway, so all stop after the same step.
                stopping = (alone or looking) and self.workers.any(interrupted())
                if looking or stopping:
                    report(self.done, self._checked(unchecked))
                    unchecked.clear()
                if saving or stopping:
                    self._save()
        if stopping or interrupted():
            raise KeyboardInterrupt(f"stopped after step {self.done} of {self.total}: continue with --resume")

    def trained(self) -> InterpolationModel:
        """The trained model in eval mode, with averaged weights if the recipe asks for an average."""
        model: Any = self.model if self.average is None else self.average.module
        return model.eval()

    def step(self, index: int, batch: Batch | None = None) -> dict[str, Tensor]:
        """Take step `index` and return its loss terms, gradient norms and logged values by name.

        Args:
            index: number of the step.
            batch: its images, if they have been drawn.
        """
        training = self.recipe.training
        step = Step(
            batch=self._batch(index) if batch is None else batch,
            model=self.model,
            generator=_generator(training.seed, "step", index, self.workers.rank),
            index=index,
            total=self.total,
            epoch=0 if self.data.size is None else index * training.batch_size // self.data.size,
            mean=self.workers.mean_of,
        )
        due = [u for u in self.updates if index % u.every == 0 and u.active(step)]
        with torch.autocast(self.workers.device.type, torch.bfloat16, enabled=self._autocast):
            terms = {u.name: self.regularizer.loss(step, u.name) for u in due}
        losses = {n: total_of(parts, f"the loss of update {n!r} of {self._regularizer}") for n, parts in terms.items()}
        # First all gradients, then all moves: no update sees what another update did in this step.
        gradients: dict[str, list[Tensor | None]] = {}
        for update in due:
            keep = update is not due[-1]
            found = torch.autograd.grad(losses[update.name], update.parameters, retain_graph=keep, allow_unused=True)
            gradients[update.name] = self.workers.mean(list(found))
        values = {name: value.detach() for parts in terms.values() for name, value in parts.items()} | step.logged
        for update in due:
            values |= self._move(update, gradients[update.name], step)
        if self.average is not None:
            # Averages the parameters and copies the buffers, which may be counters or index tables.
            self.average.update_parameters(self.model)
        self.regularizer.after(step)
        return values

    def _batches(self, indices: Iterable[int]) -> AbcGenerator[Batch, None, None]:
        """This process's parts of these batches."""
        if self.workers.draw_ahead:
            return computed_ahead(self._batch, indices)
        return (self._batch(index) for index in indices)

    def _average(self, averages: Sequence[Tensor], weights: Sequence[Tensor], _: object) -> None:
        move_average(averages, weights, self.recipe.training.ema_decay or 0.0, self.done)

    def _move(self, update: Update, gradients: Sequence[Tensor | None], step: Step) -> dict[str, Tensor]:
        config = self._config(update)
        for parameter, gradient in zip(update.parameters, gradients, strict=True):
            parameter.grad = None if gradient is None else laid_out_like(gradient, parameter)
        norm = get_total_norm([p.grad for p in update.parameters if p.grad is not None])
        if config.clip_norm is not None:
            clip_grads_with_norm_(update.parameters, config.clip_norm, norm)
        optimizer = self._optimizers[update.name]
        rate = learning_rate(config, step.index, self.total) * update.learning_rate_scale(step)
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return {f"{update.name} gradient": norm}

    def _checked(self, unchecked: Sequence[tuple[int, Mapping[str, Tensor]]]) -> dict[str, float]:
        values: dict[str, float] = {}
        for index, terms in unchecked:
            values = self.workers.mean_values(terms)
            for name, value in values.items():
                if not math.isfinite(value):
                    kept = "; the last checkpoint is intact" if self._path.is_file() else ""
                    raise TrainingError(
                        f"{name} is {value} at step {index} of {self.total}{kept}. "
                        "Try a lower optimizer.learning_rate or training.precision=float32"
                    )
        return values

    def _count_at_setup(self, most: int) -> int:
        """How many images the regularizer is set up with: a batch, or all if it takes any number up to `most`."""
        size = (self.data.size or self.recipe.training.batch_size) if most else self.recipe.training.batch_size
        if most and size > most:
            raise DataError(
                f"data set {self.recipe.data.name!r} gives {size:,} images, and method {self.recipe.method!r} is "
                f"fitted to all at once, {most:,} at most: choose a smaller data set, or a folder with fewer images"
            )
        return size

    def _batch(self, index: int, *, size: int | None = None, whole: bool = False) -> Batch:
        """This process's part of batch `index`, or all of it; of `size` images instead of the recipe's number."""
        size = size or self.recipe.training.batch_size
        part = size // self.workers.count
        share = slice(None) if whole else slice(self.workers.rank * part, (self.workers.rank + 1) * part)
        positions = torch.arange(index * size, (index + 1) * size)
        generator = _generator(self.recipe.training.seed, "data", index)
        endless = self.data.size is None
        indices = positions if self.data.size is None else self._shuffled(positions[share], self.data.size)
        drawn = self.data.train(indices, generator)
        check_batch(drawn, len(indices), self.model.config.image, self._dataset)
        mine = {name: value[share] for name, value in drawn.items()} if endless else drawn
        batch = {name: value.to(self.workers.device, non_blocking=True) for name, value in mine.items()}
        return batch | {"image": batch["image"].contiguous(memory_format=self._layout)}

    def _shuffled(self, positions: Tensor, size: int) -> Tensor:
        epochs = positions // size
        indices = torch.empty_like(positions)
        for epoch in epochs.unique().tolist():
            of_epoch = epochs == epoch
            order = _permutation(size, self.recipe.training.seed, epoch)
            indices[of_epoch] = order[positions[of_epoch] % size]
        return indices

    def _check_space(self, recipe: Recipe) -> None:
        """Raise a `ConfigError` where the space of codes has weights, and none is trained: they would stay random."""
        weights = {id(p) for p in self.model.space.parameters() if p.requires_grad} if self.model.space else set[int]()
        if recipe.space and weights and not weights & {id(p) for update in self.updates for p in update.parameters}:
            raise ConfigError(
                f"method {recipe.method!r} does not train the space {recipe.space.name!r}, whose weights would stay "
                "random: choose a method that does, or leave the space out"
            )

    def _config(self, update: Update) -> OptimizerConfig:
        return update.optimizer or self.recipe.training.optimizer

    def _save(self) -> None:
        if self.workers.is_main:
            recipe = settings_of(self.recipe)
            position = Position(self.done, recipe, self.started_from, self.data.size, self._base)
            save_checkpoint(self._path, self._state, position)
        self.workers.wait()


def _placed(module: M, device: torch.device, layout: torch.memory_format) -> M:
    to: Any = module.to  # whose stub does not know memory_format
    return to(device, memory_format=layout).train()


def check_fields(recipe: Recipe, regularizer: Regularizer, data: DataSet) -> None:
    """Raise a `DataError` unless batches of `data` have what the regularizer needs."""
    if missing := sorted(regularizer.requires - data.fields):
        raise DataError(
            f"method {recipe.method!r} needs {', '.join(map(repr, missing))} in every batch; "
            f"data set {recipe.data.name!r} gives {', '.join(map(repr, sorted(data.fields)))}. Choose other "
            "data, or another method"
        )


def _is_frozen(module: nn.Module) -> bool:
    """Whether the owner of the networks froze this part: its weights get no gradients and it is in eval mode."""
    weights = [*module.parameters()]
    return not module.training and bool(weights) and not any(weight.requires_grad for weight in weights)


def _generator(seed: int, purpose: str, index: int, rank: int = 0) -> Generator:
    digest = hashlib.sha256(f"{seed}/{purpose}/{index}/{rank}".encode()).digest()
    return Generator().manual_seed(int.from_bytes(digest[:7], "big"))


@lru_cache(maxsize=2)
def _permutation(size: int, seed: int, epoch: int) -> Tensor:
    return torch.randperm(size, generator=_generator(seed, "epoch", epoch))
