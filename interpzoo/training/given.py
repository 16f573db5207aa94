"""What data sets and regularizers give, checked before it is used: no mistake is found after hours, or never."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor, nn

from interpzoo.config import ImageSpec
from interpzoo.errors import InputError, PluginError
from interpzoo.interfaces import Batch, DataSet, Update
from interpzoo.returned import checked
from interpzoo.text import quoted


def check_data(data: DataSet, what: str) -> None:
    """Raise a `PluginError` unless a data set has a number of images or no end, and held-out images."""
    if data.size is not None and not (isinstance(data.size, int) and data.size > 0):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise PluginError(f"{what} has size = {quoted(data.size)}: expected the number of its images, or None")
    held_out = data.test(2)
    n = len(held_out["image"]) if isinstance(held_out, Mapping) and "image" in held_out else 0  # pyright: ignore[reportUnnecessaryIsInstance]
    check_batch(held_out, max(1, min(n, 2)), data.image, f"the held-out part of {what}")


def check_batch(batch: object, n: int, image: ImageSpec, what: str) -> None:
    """Raise a `PluginError` unless a batch has `n` float32 images (n, C, H, W) in [0, 1], and as many of all else."""
    if isinstance(batch, Mapping) and "image" not in batch:
        raise PluginError(f"{what} gives {', '.join(map(repr, cast(Batch, batch)))}: expected 'image' among them")
    _check_fields(batch, n, what)
    images = checked(cast(Batch, batch)["image"], (n, *image.shape), f"{what} has field 'image'")
    if images.dtype != torch.float32:
        raise PluginError(f"{what} has field 'image' in {images.dtype}, expected torch.float32 in [0, 1]: convert it")
    low, high = map(float, images.aminmax())  # in one pass, as every step of a training is checked
    if not (low >= 0 and high <= 1):  # neither has NaN
        span = f"[{low:g}, {high:g}]"
        raise PluginError(f"{what} has field 'image' in {span}, expected finite values in [0, 1]: scale them")


def _check_fields(batch: object, n: int, what: str) -> None:
    """Raise a `PluginError` unless a batch is a mapping of tensors with `n` rows each."""
    if not isinstance(batch, Mapping):
        raise PluginError(f"{what} gives an object of type {type(batch).__name__!r}: expected tensors by field")
    for field, value in cast(Mapping[str, object], batch).items():
        if not isinstance(value, Tensor):
            raise PluginError(
                f"{what} has field {field!r} of type {type(value).__name__!r}: batches hold only tensors: turn words "
                "into numbers, such as token ids, or leave the field out"
            )
        rows = len(value) if value.ndim else 0
        if rows != n:
            raise PluginError(f"{what} has field {field!r} of {rows} rows for {n} images, expected one each")


def usable(updates: Sequence[Update], model: nn.Module, what: str) -> list[Update]:
    """The updates without frozen weights, and with each weight once even if tied networks list it twice.

    Raises:
        InputError: all weights of an update are frozen.
        PluginError: there is no update for weights of `model` that can be trained, two have one name, or one is no
            `Update` or is due after less than 1 step.
    """
    if not isinstance(updates, Sequence):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise PluginError(f"'updates' of {what} gives {quoted(updates)}, expected a list of Updates")
    if not updates and any(weight.requires_grad for weight in model.parameters()):
        raise PluginError(f"'updates' of {what} gives {quoted(updates)}, expected an Update, as the model has weights")
    names: set[str] = set()
    for update in cast(Sequence[object], updates):
        if not isinstance(update, Update):
            raise PluginError(f"'updates' of {what} gives {quoted(update)}, expected an Update")
        if update.name in names or update.every < 1:
            why = "another one's name" if update.name in names else f"every = {update.every}, expected 1 or more"
            raise PluginError(f"update {update.name!r} of {what} has {why}")
        names.add(update.name)
    return [_trainable(update) for update in updates]


def _trainable(update: Update) -> Update:
    parameters = list({id(p): p for p in update.parameters if p.requires_grad}.values())
    if not parameters:
        raise InputError(
            f"update {update.name!r} has nothing to train: all of its weights are frozen. Unfreeze some with "
            "requires_grad_(True)"
        )
    return replace(update, parameters=parameters)


def total_of(terms: Mapping[str, Tensor], what: str) -> Tensor:
    """The sum of a loss's terms; raises a `PluginError` unless they are scalar tensors, of which one has a gradient."""
    if not isinstance(terms, Mapping) or not terms:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise PluginError(f"{what} is {quoted(terms)}: expected its terms, scalar tensors by name")
    total = torch.stack([checked(t, (), f"{what} has term {name!r}").float() for name, t in terms.items()]).sum()
    if not total.requires_grad:
        raise PluginError(f"{what} depends on no weight: do not detach what it is computed from")
    return total
