"""Checks of a data set: images in [0, 1], the declared fields, and the same images for the same request."""

import torch
from torch import Generator, Tensor

from interpzoo.build import build_component
from interpzoo.config import ComponentSpec, ImageSpec
from interpzoo.errors import DataError, InterpzooError
from interpzoo.interfaces import Batch, DataSet
from interpzoo.testing.expect import expect, expect_equal

_BATCH = 4
_SIZES = ((1, 32, 32), (3, 64, 64), (3, 32, 32), (1, 64, 64))


def check_dataset(name: str, component: ComponentSpec | None = None, image: ImageSpec | None = None) -> None:
    """The data set gives batches as `DataSet` says. Passes if its files are missing or it needs options.

    Args:
        name: name of the data set.
        component, image: what a recipe has; by default no options and usual image sizes.
    """
    component = component or ComponentSpec(name=name)
    images = [image] if image is not None else [ImageSpec(channels=c, height=h, width=w) for c, h, w in _SIZES]
    for spec in images:
        try:
            data = build_component(DataSet, component, spec, None)
            batch = _train(data)
        except DataError:
            return
        except InterpzooError:
            continue
        expect(
            not {*batch} ^ data.fields, f"data set {name!r} gives {sorted(batch)}, its fields are {sorted(data.fields)}"
        )
        _check_images(name, batch["image"], spec, _BATCH)
        for field, value in _train(data).items():
            expect_equal(value, batch[field], f"field {field!r} of data set {name!r} twice")
        test = data.test(_BATCH)["image"]
        _check_images(name, test, spec, len(test))
        expect(0 < len(test) <= _BATCH, f"data set {name!r} gives {len(test)} held-out images, asked for {_BATCH}")
        expect_equal(data.test(_BATCH)["image"], test, f"the held-out images of data set {name!r} twice")
        return


def _train(data: DataSet) -> Batch:
    return data.train(torch.arange(_BATCH), Generator().manual_seed(0))


def _check_images(name: str, images: Tensor, spec: ImageSpec, n: int) -> None:
    shape = tuple(images.shape)
    expect(shape == (n, *spec.shape), f"data set {name!r} gives images of {shape}, expected {(n, *spec.shape)}")
    inside = bool(((images >= 0) & (images <= 1)).all())
    expect(inside, f"data set {name!r} gives images outside [0, 1]: {float(images.min())} to {float(images.max())}")
