"""Checks of a method's training: its losses at first and at later steps, and a run that is stopped and resumed."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Generator, Tensor, nn

from interpzoo.config import Recipe
from interpzoo.interfaces import DataSet, Regularizer, Step, Update
from interpzoo.model import InterpolationModel
from interpzoo.pretrained.folder import CHECKPOINT
from interpzoo.testing.expect import blaming, drawing_nothing, expect, expect_equal, expect_shape
from interpzoo.testing.samples import BATCH, built, checked_batch, data_for
from interpzoo.testing.state import check_counters, check_only_tensors, counters
from interpzoo.training.run import build_regularizer
from interpzoo.training.trainer import Trainer
from interpzoo.training.workers import Workers

_FIRST = 5
"""Number of first steps whose losses are checked, besides later ones."""
HALF = 3
"""Steps of a run before it is stopped, and after it is resumed."""
_RANDOM = (
    "a resumed run would draw other numbers: draw from step.generator, step.uniform or step.normal; dropout draws from "
    "the global state too"
)


def check_losses(recipe: Recipe) -> None:
    """Each loss is finite and has no side effects, at first and at later steps; an update moves its weights alone.

    Its gradient reaches every trainable weight of the update, two updates of a step share no weights, and every
    trainable weight of the model belongs to an update. An update that is due at none of the steps is not judged.
    """
    with TemporaryDirectory() as scratch:
        trainer, data = trainer_of(recipe, Path(scratch))
        model, regularizer, updates = trainer.model, trainer.regularizer, trainer.updates
        owned = _owned(model, regularizer)
        names = {id(parameter): name for name, parameter in owned}
        expect(len({u.name for u in updates}) == len(updates), "two updates have one name: give each its own")
        before = counters({"regularizer": regularizer, **_networks(model)})
        reached: set[int] = set()
        seen: set[str] = set()
        for index in _indices(trainer, data):
            step = _step(data, trainer, index)
            due = _due(updates, step)
            _check_disjoint(due, names, index)
            for update in due:
                reached |= {*_check_loss(regularizer, step, update, owned)}
                seen.add(update.name)
            _check_move(trainer, index, due, owned)
        check_counters(before, {"regularizer": regularizer, **_networks(model)})
    for update in (u for u in updates if u.name in seen):
        missed = [names.get(id(p), "a weight") for p in update.parameters if id(p) not in reached]
        expect(
            not missed,
            f"the loss of update {update.name!r} never reaches {missed[:3]}, which it declares: leave them out of its "
            "parameters, or do not detach what depends on them",
        )
    declared = {id(p) for update in updates for p in update.parameters}
    idle = [name for name, p in model.named_parameters() if p.requires_grad and id(p) not in declared]
    expect(not idle, f"no update trains {idle[:3]}: add them to one, or freeze them with requires_grad_(False)")


def check_first_step(recipe: Recipe) -> None:
    """Each update that is due at the first step has a gradient that is not 0 everywhere."""
    with TemporaryDirectory() as scratch:
        trainer, data = trainer_of(recipe, Path(scratch))
        step = _step(data, trainer, 0)
        for update in _due(trainer.updates, step):
            found = _gradients(_total(trainer.regularizer, step, update), update)
            some = any(bool(gradient.any()) for gradient in found.values())
            expect(
                some,
                f"the gradient of update {update.name!r} is 0 everywhere: its loss does not depend on its parameters",
            )


def check_run(recipe: Recipe) -> None:
    """A run is finite and draws nothing global; stopped and resumed, it ends as without the interruption.

    So does the first step in bfloat16, if the method says that its loss may run in it.
    """
    with TemporaryDirectory() as scratch:
        first, second = Path(scratch, "first"), Path(scratch, "second")
        with drawing_nothing(f"training of method {recipe.method!r}", _RANDOM):
            whole = run_in_two(recipe, first, second)
        resumed = state_of(resume(recipe, second))
    for name, tensor in state_of(whole).items():
        same = name in resumed and torch.equal(resumed[name], tensor)
        expect(
            same,
            f"{name!r} differs between a resumed run and one without the interruption: keep all that changes in "
            "buffers, and nothing in attributes, in globals or in the data set",
        )
    if whole.regularizer.autocast:
        _check_bfloat16(recipe)


def run_in_two(recipe: Recipe, folder: Path, stopped: Path) -> Trainer:
    """Train a run of two halves in `folder`; its checkpoint from between them is put into `stopped`."""
    stopped.mkdir()
    folder.mkdir()
    trainer, _ = trainer_of(recipe, folder)
    with blaming(f"training of method {recipe.method!r}"):
        trainer.run(_ignore, stop_after=HALF)
        for file in folder.glob(f"{CHECKPOINT}*"):
            (stopped / file.name).write_bytes(file.read_bytes())
        trainer.run(_ignore, stop_after=HALF)
    return trainer


def resume(recipe: Recipe, folder: Path) -> Trainer:
    """The trainer of the run in `folder`, after its second half was trained."""
    trainer, _ = trainer_of(recipe, folder)
    with blaming(f"resumed training of method {recipe.method!r}"):
        trainer.run(_ignore, resume=True, stop_after=HALF)
    return trainer


def state_of(trainer: Trainer) -> dict[str, Tensor]:
    """Everything that a run has changed."""
    modules = {"trained": trainer.trained(), "model": trainer.model, "regularizer": trainer.regularizer}
    return {f"{prefix}.{name}": t for prefix, module in modules.items() for name, t in module.state_dict().items()}


def trainer_of(recipe: Recipe, folder: Path, precision: str = "float32") -> tuple[Trainer, DataSet]:
    """A trainer of small batches, which has as many steps as the recipe, and its data."""
    total = math.ceil(recipe.training.samples / recipe.training.batch_size)
    update = {"batch_size": BATCH, "samples": total * BATCH, "precision": precision, "checkpoint_steps": total + 1}
    recipe = recipe.model_copy(update={"training": recipe.training.model_copy(update=update)})
    model = built(recipe)
    with blaming(f"building the regularizer of method {recipe.method!r}"):
        regularizer = build_regularizer(recipe, model)
    check_only_tensors({"regularizer": regularizer, **_networks(model)})
    data = data_for(recipe, regularizer)
    with blaming(f"setup or updates of method {recipe.method!r}"):
        return Trainer(recipe, model, regularizer, data, Workers(), folder), data


def _check_bfloat16(recipe: Recipe) -> None:
    hint = "convert to float32 by .float() where the loss needs it, or say 'autocast = False' in its class"
    with TemporaryDirectory() as scratch:
        trainer, _ = trainer_of(recipe, Path(scratch), "bfloat16")
        with blaming(f"a step of method {recipe.method!r} in bfloat16", hint):
            values = trainer.step(0)
    for name, value in values.items():
        expect(math.isfinite(float(value.detach())), f"{name} is {value.item()} in bfloat16: {hint}")


def _networks(model: InterpolationModel) -> dict[str, nn.Module]:
    networks: dict[str, nn.Module] = {"encoder": model.encoder, "decoder": model.decoder}
    others: dict[str, nn.Module | None] = {"prior": model.prior, "space": model.space}
    return networks | {name: module for name, module in others.items() if module is not None}


def _owned(model: InterpolationModel, regularizer: Regularizer) -> list[tuple[str, nn.Parameter]]:
    return [*model.named_parameters(), *regularizer.named_parameters("regularizer")]


def _due(updates: Sequence[Update], step: Step) -> list[Update]:
    with blaming(f"asking which updates are active at step {step.index}"):
        return [update for update in updates if step.index % update.every == 0 and update.active(step)]


def _indices(trainer: Trainer, data: DataSet) -> list[int]:
    """The first steps, some later ones, and for each update a step at which it is active if there is one."""
    total, step = trainer.total, _step(data, trainer, 0)
    spread = {total * part // 16 for part in range(16)} | {2**power for power in range(24)} | {total - 1}
    candidates = sorted(index for index in spread | {*range(_FIRST)} if index < total)
    chosen = {index for index in candidates if index < _FIRST} | {total // 4, total // 2, total - 1}
    for update in trainer.updates:
        due = (index - index % update.every for index in candidates)
        chosen |= {*itertools.islice((i for i in due if _due([update], replace(step, index=i))), 1)}
    return sorted(chosen)


def _step(data: DataSet, trainer: Trainer, index: int) -> Step:
    generator = Generator().manual_seed(index)
    indices = torch.arange(index * BATCH, (index + 1) * BATCH) % (data.size or 2**40)
    batch = checked_batch(data, indices, generator)
    return Step(batch=batch, model=trainer.model, generator=generator, index=index, total=trainer.total)


def _check_disjoint(due: Sequence[Update], names: Mapping[int, str], index: int) -> None:
    owner: dict[int, str] = {}
    for update in due:
        for parameter in update.parameters:
            other = owner.setdefault(id(parameter), update.name)
            name = names.get(id(parameter), "a weight")
            expect(
                other == update.name,
                f"updates {other!r} and {update.name!r} both move {name!r} at step {index}: leave it out of the "
                "parameters of one of them",
            )


def _check_loss(
    regularizer: Regularizer, step: Step, update: Update, owned: Sequence[tuple[str, nn.Parameter]]
) -> dict[int, Tensor]:
    """The gradients of an update's loss, which must have no side effects."""
    weights = [parameter.detach().clone() for _, parameter in owned]
    batch = {name: value.clone() for name, value in step.batch.items()}
    total = _total(regularizer, step, update)
    where = f"the loss of update {update.name!r} at step {step.index}"
    for name, value in step.batch.items():
        expect_equal(value, batch[name], f"field {name!r} of the batch before and after {where}", "make a new tensor")
    for (name, parameter), old in zip(owned, weights, strict=True):
        expect(
            parameter.grad is None,
            f"{where} leaves a gradient at {name!r}: do not call backward: return the loss, and the trainer "
            "differentiates it for the update's parameters alone",
        )
        expect(
            torch.equal(parameter.detach(), old),
            f"{where} moves {name!r}: a loss changes no weights: return a term whose gradient moves them, or move "
            "weights that are not trained in 'after'",
        )
    return _gradients(total, update)


def _check_move(trainer: Trainer, index: int, due: Sequence[Update], owned: Sequence[tuple[str, nn.Parameter]]) -> None:
    """Take a step, which is finite and moves no trainable weights but those of the updates that are due."""
    moving = {id(p) for update in due for p in update.parameters}
    still = [(name, p, p.detach().clone()) for name, p in owned if p.requires_grad and id(p) not in moving]
    with blaming(f"step {index} of method {trainer.recipe.method!r}"):
        values = trainer.step(index)
    for name, value in values.items():
        expect(
            math.isfinite(float(value.detach())),
            f"{name} is {value.item()} at step {index}: no term may divide by 0",
        )
    for name, parameter, before in still:
        expect_equal(
            parameter.detach(),
            before,
            f"{name!r}, which no update moves at step {index}, before and after it",
            "freeze it with requires_grad_(False) if 'after' moves it",
        )


def _gradients(total: Tensor, update: Update) -> dict[int, Tensor]:
    """The gradients of `total`, by the ids of those of the update's parameters that it reaches."""
    with blaming(f"differentiating the loss of update {update.name!r}", "it must depend on its parameters"):
        found: tuple[Tensor | None, ...] = torch.autograd.grad(
            total, list(update.parameters), retain_graph=True, allow_unused=True
        )
    # Typed as never None, which is wrong with `allow_unused`.
    return {id(p): g for p, g in zip(update.parameters, found, strict=True) if g is not None}  # pyright: ignore[reportUnnecessaryComparison]


def _total(regularizer: Regularizer, step: Step, update: Update) -> Tensor:
    with blaming(f"the loss of update {update.name!r} at step {step.index}"):
        terms = regularizer.loss(step, update.name)
    expect(bool(terms), f"the loss of update {update.name!r} has no terms: return at least one, by its name")
    for name, term in terms.items():
        expect_shape(term, (), f"term {name!r} of update {update.name!r} at step {step.index}")
    return torch.stack([term.float() for term in terms.values()]).sum()


def _ignore(done: int, values: Mapping[str, float]) -> None:
    """A report that nobody reads."""
