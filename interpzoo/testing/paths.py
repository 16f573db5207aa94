"""Checks of interpolators."""

import warnings
from collections.abc import Iterator, Sequence

import torch
from torch import Generator, Tensor, nn

from interpzoo.build import build_component
from interpzoo.config import Component, Recipe
from interpzoo.errors import InputError
from interpzoo.interfaces import Interpolator
from interpzoo.model import InterpolationModel
from interpzoo.testing.expect import (
    ConformanceError,
    UnavailableError,
    blaming,
    drawing_nothing,
    expect,
    expect_equal,
    expect_float32,
    expect_shape,
    writing_nothing,
)
from interpzoo.testing.samples import built, plain_model, random_images

_PAIRS = 2
_EXACT = "return z0 itself where t = 0 and z1 where t = 1, as interpzoo.geometry.lerp does"
_NO_FILE = (
    "a path is built from its config, on the meta device, so that its tensors would have no values after 'load': make "
    "tensors when it is called, and keep what is learned in parameters and persistent buffers of a torch.nn.Module"
)
_RANDOM = "a path is the same every time: make a generator with a fixed seed in __call__"


def check_interpolator(name: str, recipes: Sequence[Recipe]) -> None:
    """The path is as `Interpolator` says, between codes of small networks or, if it needs others, of its recipes'."""
    with warnings.catch_warnings():
        # A solver may warn that it has not converged, which is not its fault on random networks.
        warnings.simplefilter("ignore")
        refusal: ConformanceError | None = None
        for model, component in _models(name, recipes):
            try:
                z0, z1 = _ends(model)
                with blaming(f"the path {name!r}", "if it needs a model of its own, add a recipe that uses it"):
                    path = build_component(Interpolator, component)
                    path(z0, z1, torch.tensor([0.5]), model=model)
            except ConformanceError as error:
                refusal = error
                continue
            except UnavailableError:
                continue
            with blaming(f"the path {name!r}"):
                _check_path(name, path, component, model)
            return
        if refusal is not None:
            raise refusal


def _models(name: str, recipes: Sequence[Recipe]) -> Iterator[tuple[InterpolationModel, Component]]:
    own = [recipe for recipe in recipes if recipe.interpolator.name in (name, name.rpartition(":")[2])]
    yield plain_model(), Component(name=name)
    for recipe in own or recipes:
        yield built(recipe).eval(), recipe.interpolator if own else Component(name=name)


@torch.no_grad()
def _ends(model: InterpolationModel) -> tuple[Tensor, Tensor]:
    if model.config.name == plain_model().config.name:
        z0, z1 = torch.randn(2, _PAIRS, *model.latent_shape, generator=Generator().manual_seed(0))
        return z0, z1
    with blaming("the encoder"):
        z = model.encode(random_images(2 * _PAIRS, model.config.image))
    model.codes = z
    return z[:_PAIRS], z[_PAIRS:]


@torch.no_grad()
def _check_path(name: str, path: Interpolator, component: Component, model: InterpolationModel) -> None:
    z0, z1 = _ends(model)
    t = torch.tensor([0.0, 0.25, 0.5, 1.0])
    what = f"the path {name!r}"
    if held := _held(build_component(Interpolator, component)):
        raise ConformanceError(f"{what} keeps tensors in {held}: {_NO_FILE}")
    with drawing_nothing(what, _RANDOM), writing_nothing(what, z0=z0, z1=z1, t=t):
        codes = path(z0, z1, t, model=model)
    expect_float32(codes, (_PAIRS, len(t), *model.latent_shape), what)
    expect_equal(codes[:, 0], z0, f"{what} at 0 and its start", _EXACT)
    expect_equal(codes[:, -1], z1, f"{what} at 1 and its end", _EXACT)
    expect_equal(path(z0, z1, t, model=model), codes, f"{what} twice", _RANDOM)
    with torch.device("meta"):
        loaded = build_component(Interpolator, component)
    if isinstance(path, nn.Module) and isinstance(loaded, nn.Module):
        loaded.load_state_dict(path.state_dict(), assign=True)
    with blaming(f"{what}, built as 'load' builds it,", _NO_FILE):
        expect_equal(loaded(z0, z1, t, model=model), codes, f"{what} and the same, built as 'load' builds it", _NO_FILE)
    own = path(z0, z1, t.expand(_PAIRS, -1), model=model)
    close = torch.allclose(own, codes, rtol=1e-3, atol=1e-3)
    expect(close, f"{what} differs between t of shape (B, T) and the same t of shape (T,)")
    again = path.path(z0, z1, model=model)(t)
    close = torch.allclose(again, codes, rtol=1e-3, atol=1e-3)
    expect(close, f"{what} differs from what its method 'path' gives at the same t: override both")
    alone = path(z0[:1], z1[:1], t, model=model)
    close = torch.allclose(alone, codes[:1], rtol=1e-3, atol=1e-3)
    expect(close, f"{what} of a pair depends on the other pairs: find each path by itself")
    try:
        outside = path(z0, z1, torch.tensor([-0.5, 1.5]), model=model)
    except InputError:
        return
    expect_shape(outside, (_PAIRS, 2, *model.latent_shape), f"{what} outside [0, 1], where it may raise an InputError,")


def _held(value: object, name: str = "", depth: int = 4) -> str:
    """The name of a tensor in the attributes of an object that no file keeps, if there is one."""
    if isinstance(value, Tensor):
        return repr(name)
    inner: dict[str, object] = {}
    if isinstance(value, nn.Module):
        kept = value.state_dict()
        inner = {name: buffer for name, buffer in value.named_buffers() if name not in kept}
        inner |= {name: item for name, item in vars(value).items() if name not in ("_parameters", "_buffers")}
    elif isinstance(value, list | tuple):
        inner = {str(number): item for number, item in enumerate(value)}
    elif isinstance(value, dict):
        inner = {str(key): item for key, item in value.items()}
    elif hasattr(value, "__dict__"):
        inner = vars(value)
    found = (_held(item, f"{name}.{key}".lstrip("."), depth - 1) for key, item in inner.items() if depth)
    return next(filter(None, found), "")
