"""Images of the user's own, and the recipe of a method that fits them or the model to start from."""

import json
import os
import re
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from interpzoo.build import build_component, component_class
from interpzoo.config import ImageSpec, ModelConfig, Recipe
from interpzoo.data.images import Images
from interpzoo.errors import InputError, InterpzooError, UnknownNameError
from interpzoo.files import expanded
from interpzoo.interfaces import Regularizer
from interpzoo.latent import code_spec
from interpzoo.plugins import registry
from interpzoo.pretrained.load import usable_config
from interpzoo.pretrained.locate import as_path, locate, recorded_name
from interpzoo.pretrained.networks import without_values
from interpzoo.recipes import load_recipe
from interpzoo.registry import Method, Registration
from interpzoo.sizes import Sizes
from interpzoo.text import quoted

_FEW: Final = 100
"""Fewer training images than this are pointed out."""


def choose_recipe(
    recipe: str | Path | Recipe,
    changes: Sequence[str],
    *,
    dataset: str | Path | None,
    root: Path | None,
    start_from: str | Path | None,
    base: str | Path | None = None,
) -> tuple[Recipe, list[str]]:
    """The recipe of a run, and what to tell the user about it.

    For a method's name the networks are those of the model to start from, or else of the method's recipe that fits the
    images best. On the codes of a `base` the recipe's images become those of the base model, see `Below`.
    """
    images = () if dataset is None else (f"data={json.dumps({'name': 'images', 'source': source_of(dataset)})}",)
    below = None if base is None else Below.of(base)

    def load_with(recipe: str | Path | Recipe, *, enlarge: bool = True) -> Recipe:
        on_base = () if below is None else below.changes(load_recipe(recipe), enlarge=enlarge)
        return load_recipe(recipe, [*images, *on_base, *changes])

    chosen = load_with(recipe)
    registry().methods.find(chosen.method)  # an unknown method is an error now, not when the card is written
    method = _method(recipe)
    said: list[str] = []
    if method is not None and start_from is not None:
        model = locate(start_from).config()
        chosen = load_with(_with_networks_of(model, method, load_recipe(recipe)), enlarge=model.base is None)
        said.append(f"the networks are those of {str(start_from)!r}")
    if below is not None:
        said.append(f"the networks learn on the codes of {str(base)!r}")
    if dataset is None:
        return chosen, said
    own = build_component(Images, chosen.data, chosen.image, root)
    if method is not None and start_from is None:
        fitting = _fitting(method, own, load_recipe(recipe), 1 if below is None else below.factor)
        chosen = load_with(fitting)
        shape = "x".join(map(str, chosen.image.shape))
        said.append(f"recipe {fitting.name!r} ({shape}) is the one of method {method.name!r} that fits the images best")
    named = _named_after(own, chosen, keep_channels=start_from is not None or chosen.base is not None)
    return load_recipe(named, changes), said


class Below(NamedTuple):
    """A frozen model on whose codes networks learn."""

    name: str
    """As `load` takes it."""
    spec: ImageSpec
    """The shape of its codes."""
    image: ImageSpec
    """The default shape of its images, or the only one."""
    any_size: bool

    @classmethod
    def of(cls, base: str | Path) -> "Below":
        """The model of this name; raises as `load` and `code_spec`."""
        config = usable_config(locate(base))
        parts = without_values(config)  # the weights are read when the run's networks are made
        sizes = Sizes.of(config.image, parts.encoder, parts.decoder)
        name = as_path(expanded(base)) if isinstance(base, Path) else base
        return cls(name, code_spec(parts.encoder.latent_shape), config.image, sizes.multiple is not None)

    @property
    def factor(self) -> int:
        """Height of an image over that of its code."""
        return max(1, self.image.height // self.spec.height)

    def changes(self, recipe: Recipe, *, enlarge: bool) -> Iterator[str]:
        """What this base model changes in a recipe whose size is that of codes, or of images unless `enlarge`."""
        suffix, how = _on(self.name)
        yield f"base={json.dumps(self.name)}"
        if recipe.base is not None or not enlarge:
            return
        height, width = self.image.height, self.image.width
        if self.any_size:
            height, width = self.factor * recipe.image.height, self.factor * recipe.image.width
        yield f"image={json.dumps({'channels': self.image.channels, 'height': height, 'width': width})}"
        yield f"name={json.dumps(recipe.name[: 96 - len(suffix)] + suffix)}"
        yield f"summary={json.dumps(f'Method {recipe.method!r} with the data of {recipe.name!r}{how}.')}"


def _on(base: str) -> tuple[str, str]:
    """What a base model adds to the name and to the summary of another one."""
    name = recorded_name(base)
    short = _plain(re.split(r"[/:]", name.partition("@")[0])[-1]) or "codes"
    return f"-on-{short}"[:48], f", on the codes of {name!r}"


def source_of(dataset: str | Path) -> str:
    """What a recipe calls a data set: a `Path` is always a folder, and written as one."""
    if isinstance(dataset, Path):
        return as_path(expanded(dataset))
    if not isinstance(dataset, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(f"dataset = {quoted(dataset)}: expected a folder or the name of a data set on the Hub")
    return dataset


def _method(recipe: str | Path | Recipe) -> Registration[Method] | None:
    if isinstance(recipe, str):
        with suppress(UnknownNameError):
            return registry().methods.find(recipe)
    return None


def _recipes_of(method: Registration[Method]) -> Iterator[Recipe]:
    for row in registry().recipes:
        with suppress(InterpzooError):  # of another plugin, and broken
            recipe = load_recipe(row.qualified)
            if recipe.kind == "interpolator" and registry().methods.find(recipe.method).qualified == method.qualified:
                yield recipe


def _with_networks_of(model: ModelConfig, method: Registration[Method], default: Recipe) -> Recipe:
    fitting = [recipe for recipe in _recipes_of(method) if recipe.image == model.image]
    name = None if model.trained is None else model.trained.recipe
    base = next((r for r in fitting if r.name == name), fitting[0] if fitting else default)
    networks = {field: getattr(model, field) for field in ("image", "encoder", "decoder", "prior", "space")}
    return base.model_copy(update=networks)


def _fitting(method: Registration[Method], own: Images, default: Recipe, factor: int) -> Recipe:
    """The method's recipe of the largest size that the images fill, times `factor`, if possible with their channels."""

    def fit(recipe: Recipe) -> tuple[bool, int, bool, bool]:
        side = factor * max(recipe.image.height, recipe.image.width)
        fills = side <= own.side
        # Size first: the recipe's channels become those of the images, and its size does not.
        same = recipe.image.channels == own.channels
        return fills, side if fills else -side, same, recipe.name == default.name

    def usable(recipe: Recipe) -> bool:
        return component_class(Regularizer, recipe.regularizer.name).requires <= own.fields

    return max((recipe for recipe in _recipes_of(method) if usable(recipe)), key=fit, default=default)


def _named_after(own: Images, recipe: Recipe, *, keep_channels: bool) -> Recipe:
    stem = _plain(Path(os.path.abspath(own.config.source)).name) or "images"
    channels = recipe.image.channels if keep_channels else own.channels
    suffix, how = ("", "") if recipe.base is None else _on(recipe.base)
    changes = {
        "name": f"{_plain(f'{recipe.method}-{stem}')[: 96 - len(suffix)]}{suffix}",
        "summary": f"Method {recipe.method!r} on images of {stem!r}{how}."[:400],
        "limitations": "",
        "license": own.license,
        "image": recipe.image.model_copy(update={"channels": channels}),
        "start_from": None,
    }
    return recipe.model_copy(update=changes)


def _plain(text: str) -> str:
    """`text` in the letters of names: without accents, and empty if no letter of it is Latin."""
    letters = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9._-]+", "-", letters).strip("-.")


def described(data: Images) -> str:
    """How many images there are to train on and held out, how they are stored, and which files were skipped."""
    kind = "gray" if data.channels == 1 else "in color"
    if 0 < data.gray < 1 and data.channels == 3:
        kind += f", {max(1, round(100 * data.gray))} % of them gray"
    taken = {1: "gray", 3: "in color"}.get(data.image.channels, f"with {data.image.channels} channels")
    images = "image" if data.size == 1 else "images"
    text = (
        f"{data.size:,} {images} to train on and {data.held_out_size:,} held out ({kind}); the model takes them {taken}"
    )
    if data.size is not None and data.size < _FEW:
        text += ". A model memorizes so few: use some hundreds"
    if data.leaves_pictures_out:
        text += ". Of a file with several pictures, such as an animation or a stack, only the first is taken"
    if data.skipped:
        text += f". Skipped {', '.join(f'{count} {suffix}' for suffix, count in data.skipped.items())}"
    if data.skipped.keys() & {".heic", ".heif"}:
        text += ". Convert HEIC files to JPEG to use them, for example with the package pillow-heif"
    return text
