"""Checks of data sets: batches are as `DataSet` says, repeat, and never hold held-out images."""

from collections.abc import Mapping

import torch
from torch import Generator, Tensor

from interpzoo.build import build_component
from interpzoo.config import Component, ImageSpec
from interpzoo.errors import DataError, InterpzooError, MissingDependencyError
from interpzoo.interfaces import Batch, DataSet
from interpzoo.plugins import registry
from interpzoo.recipes import load_recipe
from interpzoo.testing.expect import blaming, drawing_nothing, expect, expect_equal
from interpzoo.testing.samples import BATCH
from interpzoo.training.given import check_batch

_SIZES = ((1, 32, 32), (3, 64, 64), (3, 32, 32), (1, 64, 64))
_SEED = 20_260_401
"""No data set holds out the images that a generator of this seed draws, except by chance."""
_LOOKED_AT = 500
"""Largest number of training and of held-out images that are compared."""
_COMMON = 0.01
"""Share of held-out images that may be among the training images: real data sets have a few duplicates."""
_RANDOM = "draw from the generator that 'train' is given, and hold out images by a seed of their own"


def check_dataset(name: str) -> None:
    """The data set gives batches as `DataSet` says. Passes if its files are missing or it needs options."""
    for component, spec in _uses(name):
        try:
            with blaming(f"data set {name!r}"):
                data = build_component(DataSet, component, spec, None)
                _train(data)
        except AssertionError as error:
            if isinstance(error.__cause__, DataError | MissingDependencyError):
                return
            if isinstance(error.__cause__, InterpzooError):
                continue  # of images of another size
            raise
        with blaming(f"data set {name!r}"), drawing_nothing(f"data set {name!r}", _RANDOM):
            _check_training(name, data)
            _check_held_out(name, data)
        return


def _check_training(name: str, data: DataSet) -> None:
    batch = _train(data)
    fields, given = sorted(data.fields), sorted(batch)
    expect(fields == given, f"data set {name!r} gives {given}, its fields are {fields}: name in 'fields' what it gives")
    _check_images(name, batch, data.image, BATCH)
    hint = "what it gives depends on the indices and the generator alone"
    for field, value in _train(data).items():
        expect_equal(value, batch[field], f"field {field!r} of data set {name!r} twice", hint)
    if data.size is None:
        differs = not torch.equal(_train(data, _SEED + 1)["image"], batch["image"])
        expect(differs, f"data set {name!r} ignores its generator: a stream without a size draws new images from it")
    else:
        last = data.train(torch.tensor([data.size - 1]), Generator().manual_seed(_SEED))
        _check_images(name, last, data.image, 1)


def _check_held_out(name: str, data: DataSet) -> None:
    test = data.test(BATCH)
    n = len(test["image"])
    expect(
        0 < n <= BATCH, f"data set {name!r} gives {n} held-out images, asked for {BATCH}: test(limit) gives the first"
    )
    _check_images(name, test, data.image, n)
    expect_equal(data.test(BATCH)["image"], test["image"], f"the held-out images of data set {name!r} twice")
    held_out = data.test(_LOOKED_AT)["image"]
    expect_equal(held_out[:n], test["image"], f"the first held-out images of data set {name!r} with another limit")
    rows, generator = _rows(data), Generator().manual_seed(_SEED)
    seen = {_key(image) for part in rows.split(100) for image in data.train(part, generator)["image"]}
    common = sum(_key(image) in seen for image in held_out)
    # Where only some of the training images are looked at, only so many of the held-out ones are found.
    share = 1.0 if data.size is None else len(rows) / data.size
    expect(
        common <= _COMMON * share * len(held_out),
        f"{common} of {len(held_out)} held-out images of data set {name!r} are among {len(rows)} training images that "
        "were looked at: hold out images that 'train' never gives, or scores say nothing",
    )


def _rows(data: DataSet) -> Tensor:
    """Indices of training images: all, or those at both ends and some between."""
    if data.size is None or data.size <= _LOOKED_AT:
        return torch.arange(data.size or _LOOKED_AT)
    third = _LOOKED_AT // 3
    between = torch.linspace(third, data.size - third - 1, _LOOKED_AT - 2 * third).long()
    return torch.cat([torch.arange(third), between, torch.arange(data.size - third, data.size)])


def _key(image: Tensor) -> bytes:
    return image.contiguous().numpy().tobytes()


def _uses(dataset: str) -> list[tuple[Component, ImageSpec]]:
    """The options and the image of a recipe on this data set, or without one no options and usual image sizes."""
    known = registry()
    row = known.components["dataset"].find(dataset)
    for recipe in known.recipes:
        try:
            read = load_recipe(recipe.qualified)
            if known.components["dataset"].find(read.data.name) is row:
                return [(read.data, read.image)]
        except InterpzooError:  # of a plugin that is not loaded, or invalid, which its own check says
            continue
    return [(Component(name=dataset), ImageSpec.of(size)) for size in _SIZES]


def _train(data: DataSet, seed: int = _SEED) -> Batch:
    return data.train(torch.arange(BATCH), Generator().manual_seed(seed))


def _check_images(name: str, batch: Mapping[str, Tensor], spec: ImageSpec, n: int) -> None:
    check_batch(batch, n, spec, f"data set {name!r}")
