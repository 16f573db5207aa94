"""A plugin is registered without heavy imports, and its components and recipes can be built."""

import json
import os
import subprocess
import sys
from typing import Any, Final

from interpzoo.benchmark.metric import Metric
from interpzoo.build import component_class
from interpzoo.config import Recipe, validate
from interpzoo.errors import UnknownNameError
from interpzoo.interfaces import (
    CodeSpace,
    DataSet,
    Decoder,
    Encoder,
    FeatureNetwork,
    Interpolator,
    Prior,
    Regularizer,
    Source,
)
from interpzoo.interfaces.component import Configured
from interpzoo.plugins import zoo
from interpzoo.recipes import load_recipe
from interpzoo.registry import Kind
from interpzoo.testing.expect import blaming, expect
from interpzoo.testing.models import check_shapes_of
from interpzoo.testing.samples import built, own_data
from interpzoo.testing.training import check_first_step

_COMPONENTS = (Encoder, Decoder, Prior, CodeSpace, Regularizer, Interpolator, DataSet, Metric, FeatureNetwork, Source)
INTERFACES: Final[dict[Kind, type[Configured[Any]]]] = {interface.kind: interface for interface in _COMPONENTS}
"""The class that components of each kind derive from."""

_HEAVY: Final = (
    *("torch", "numpy", "timm", "torchvision", "accelerate", "datasets"),
    *("sklearn", "PIL", "matplotlib", "diffusers"),
)

_REGISTER: Final = """
import json, sys
from interpzoo.plugins import discover
print(json.dumps([[[p.status, p.reason] for p in discover().plugins if p.owner.plugin == sys.argv[1]], [*sys.modules]]))
"""


def check_loaded(plugin: str) -> None:
    """The plugin is installed (`UnknownNameError` if not) and loaded."""
    found = next((p for p in zoo().plugins if p.owner.plugin == plugin), None)
    if found is None:
        raise UnknownNameError(f"there is no plugin {plugin!r}: is its distribution installed?")
    expect(found.status == "loaded", f"{found.owner} is {found.status}: {found.reason}")


def check_imports_nothing_heavy(plugin: str) -> None:
    """Registering the plugin, in a process of its own, does not import torch, so that listing stays instant."""
    environment = {**os.environ, "INTERPZOO_PLUGINS": plugin}
    done = subprocess.run(
        [sys.executable, "-c", _REGISTER, plugin], env=environment, capture_output=True, text=True, check=False
    )
    expect(done.returncode == 0, f"registering {plugin!r} ends the process: {done.stderr[-500:]}")
    found, modules = json.loads(done.stdout)
    expect(found == [["loaded", ""]], f"plugin {plugin!r} without other plugins is {found}")
    heavy = [name for name in _HEAVY if name in modules]
    expect(not heavy, f"registering {plugin!r} imports {', '.join(heavy)}: name classes as 'package.module:Class'")


def check_component(kind: Kind, name: str) -> None:
    """The component can be imported, is a class of its interface, and has a docstring."""
    cls = component_class(INTERFACES[kind], name)
    expect(bool(cls.__doc__), f"{kind} {name!r} has no docstring: listings and the documentation show it")


def check_recipe(name: str) -> None:
    """The recipe is valid, has a summary, survives JSON, and its data accepts it; its first step has gradients."""
    with blaming(f"recipe {name!r}"):
        recipe = load_recipe(name)
        expect(bool(recipe.summary), f"recipe {name!r} has no summary: say in one line what it trains")
        again = Recipe.model_validate_json(recipe.model_dump_json())
        expect(again == recipe, f"recipe {name!r} is not the same after it is written as JSON and read")
        validate(component_class(DataSet, recipe.data.name).Config, recipe.data.options, f"recipe {name!r}: data")
        own_data(recipe)
        check_shapes_of(built(recipe).eval())
        check_first_step(recipe)
