"""Checks of data sets and interpolators: each is as its interface says, and gives the same for the same request."""

import warnings

import torch
from torch import Generator, Tensor

from interpzoo.build import build_component
from interpzoo.config import ComponentSpec, ImageSpec, Recipe
from interpzoo.errors import DataError, InputError, InterpzooError
from interpzoo.interfaces import Batch, DataSet, Interpolator
from interpzoo.model import InterpolationModel
from interpzoo.own import create
from interpzoo.plugins import registry
from interpzoo.recipes import load_recipe
from interpzoo.testing.expect import expect, expect_equal, expect_shape

_BATCH = 4
_PAIRS = 2
_SIZES = ((1, 32, 32), (3, 64, 64), (3, 32, 32), (1, 64, 64))
_SMALL = {
    "name": "small",
    "method": "ae",
    "image": {"channels": 1, "height": 16, "width": 16},
    "encoder": {"name": "conv", "width": 2, "scales": 3, "latent_channels": 2, "activation": "elu"},
    "decoder": {"name": "conv", "width": 2, "activation": "elu"},
    "regularizer": {"name": "ae"},
    "data": {"name": "lines"},
}


def check_dataset(name: str) -> None:
    """The data set gives batches as `DataSet` says. Passes if its files are missing or it needs options."""
    for component, spec in _uses(name):
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


def _uses(dataset: str) -> list[tuple[ComponentSpec, ImageSpec]]:
    """The options and the image of a recipe on this data set, or without one no options and usual image sizes."""
    known = registry()
    row = known.components["dataset"].find(dataset)
    for recipe in known.recipes:
        read = load_recipe(recipe.qualified)
        if known.components["dataset"].find(read.data.name) is row:
            return [(read.data, read.image)]
    return [(ComponentSpec(name=dataset), ImageSpec(channels=c, height=h, width=w)) for c, h, w in _SIZES]


def _train(data: DataSet) -> Batch:
    return data.train(torch.arange(_BATCH), Generator().manual_seed(0))


def _check_images(name: str, images: Tensor, spec: ImageSpec, n: int) -> None:
    shape = tuple(images.shape)
    expect(shape == (n, *spec.shape), f"data set {name!r} gives images of {shape}, expected {(n, *spec.shape)}")
    inside = bool(((images >= 0) & (images <= 1)).all())
    expect(inside, f"data set {name!r} gives images outside [0, 1]: {float(images.min())} to {float(images.max())}")


def check_interpolator(name: str) -> None:
    """The path between codes of small networks is as `Interpolator` says."""
    with warnings.catch_warnings():
        # A solver may warn that it has not converged, which is not its fault on random networks.
        warnings.simplefilter("ignore")
        _check_path(name, create(Recipe.model_validate(_SMALL)).eval())


def _check_path(name: str, model: InterpolationModel) -> None:
    path = build_component(Interpolator, ComponentSpec(name=name))
    z0, z1 = torch.randn(2, _PAIRS, *model.latent_shape, generator=Generator().manual_seed(0))
    t = torch.tensor([0.0, 0.25, 0.5, 1.0])
    state = torch.get_rng_state()
    codes = path(z0, z1, t, model=model)
    expect_equal(torch.get_rng_state(), state, f"the global random state before and after {name!r}")
    expect_shape(codes, (_PAIRS, len(t), *model.latent_shape), f"the path {name!r}")
    expect_equal(codes[:, 0], z0, f"the path {name!r} at 0 and its start")
    expect_equal(codes[:, -1], z1, f"the path {name!r} at 1 and its end")
    expect_equal(path(z0, z1, t, model=model), codes, f"the path {name!r} twice")
    own = path(z0, z1, t.expand(_PAIRS, -1), model=model)
    close = torch.allclose(own, codes, rtol=1e-3, atol=1e-3)
    expect(close, f"the path {name!r} differs between t of shape (B, T) and the same t of shape (T,)")
    alone = path(z0[:1], z1[:1], t, model=model)
    close = torch.allclose(alone, codes[:1], rtol=1e-3, atol=1e-3)
    expect(close, f"the path {name!r} of a pair depends on the other pairs")
    try:
        outside = path(z0, z1, torch.tensor([-0.5, 1.5]), model=model)
    except InputError:
        return
    expect_shape(outside, (_PAIRS, 2, *model.latent_shape), f"the path {name!r} outside [0, 1]")
