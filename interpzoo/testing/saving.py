"""Checks that a trained model which is saved and loaded is the same, here and in a new process."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import torch
from torch import Tensor, nn

from interpzoo.build import resolved
from interpzoo.config import ModelConfig, Recipe
from interpzoo.model import InterpolationModel
from interpzoo.pretrained.load import read_model
from interpzoo.pretrained.locate import locate
from interpzoo.pretrained.stored import read_tensors, write_tensors
from interpzoo.testing.expect import ConformanceError, UnavailableError, blaming, expect, expect_equal
from interpzoo.testing.samples import AWAY, BATCH, random_images
from interpzoo.testing.state import suspects
from interpzoo.testing.training import resume, run_in_two, state_of
from interpzoo.training.trainer import Trainer

_LOST = (
    "'load' builds networks on the meta device and fills their parameters and persistent buffers from the file: keep "
    "all that they need there, with register_buffer(name, tensor), or compute it in forward"
)
_ELSEWHERE = "keep all that changes in buffers, not in a class, a module's globals or a file of its own"

_REVIVE: Final = "import sys; from interpzoo.testing.saving import revive; revive(sys.argv[1:])"
_MODEL, _RUN, _STOPPED = "model", "run", "stopped"
_RECIPE, _FOUND, _PROBLEM = "recipe.json", "found.safetensors", "problem.txt"


def check_saved_and_loaded(recipe: Recipe) -> None:
    """A trained model that is saved and loaded is the same: config, weights, codes, images and path, bit for bit."""
    with TemporaryDirectory() as scratch:
        model, expected, _ = _trained(recipe, Path(scratch))
        networks: dict[str, nn.Module] = {"encoder": model.encoder, "decoder": model.decoder}
        hint = f"{_LOST}{suspects(networks)}"
        with blaming("the saved and loaded model", hint):
            loaded = read_model(locate(Path(scratch, _MODEL)))
            found = outputs(loaded)
    expect(loaded.config == resolved(model.config), "the config is not the same after saving and loading")
    for name, value in expected.items():
        expect_equal(found[name], value, f"the {name} of the trained model and of the saved and loaded one", hint)
    again = ModelConfig.model_validate_json(model.config.model_dump_json())
    prose = {"summary": recipe.summary, "limitations": recipe.limitations}  # stand on the card alone
    same = again.model_copy(update=prose) == model.config
    expect(same, "the config is not the same after it is written as JSON and read")


def check_new_process(recipes: Sequence[Recipe]) -> None:
    """A new process loads what this one has trained and saved, and ends its stopped runs with the same weights.

    Recipes that cannot be trained here are left to the other checks, which say why.
    """
    with TemporaryDirectory() as scratch:
        expected: dict[Path, Mapping[str, Tensor]] = {}
        for number, recipe in enumerate(recipes):
            folder = Path(scratch, str(number))
            folder.mkdir()
            (folder / _RECIPE).write_text(recipe.model_dump_json(), "utf-8")
            try:
                _, values, trainer = _trained(recipe, folder)
            except (ConformanceError, UnavailableError):
                continue
            expected[folder] = values | state_of(trainer)
        if not expected:
            return
        # Another number of threads adds numbers in another order.
        environment = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
        command = [sys.executable, "-c", _REVIVE, *map(str, expected)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        expect(done.returncode == 0, f"a new process that loads the models ends: {done.stderr[-500:]}")
        for folder, values in expected.items():
            what = f"of recipe {_recipe(folder).name!r} in a new process"
            if (problem := folder / _PROBLEM).is_file():
                raise ConformanceError(f"the model or the run {what}: {problem.read_text('utf-8')}: {_ELSEWHERE}")
            if not (folder / _FOUND).is_file():
                continue  # a package or file is not available there
            found = read_tensors(folder / _FOUND)
            for name, value in values.items():
                expect_equal(found[name], value, f"the {name} {what} and in this one", _ELSEWHERE)


def revive(folders: Sequence[str]) -> None:
    """In the new process: load the model in each folder of `check_new_process`, and finish the stopped run."""
    for folder in map(Path, folders):
        try:
            found = outputs(read_model(locate(folder / _MODEL)))
            found |= state_of(resume(_recipe(folder), folder / _STOPPED))
            write_tensors(folder / _FOUND, found)
        except (UnavailableError, *AWAY):
            continue
        except Exception as error:  # a plugin may raise anything
            (folder / _PROBLEM).write_text(f"{type(error).__name__}: {error}", "utf-8")


@torch.no_grad()
def outputs(model: InterpolationModel) -> dict[str, Tensor]:
    """Codes, images and a path of the model."""
    x = random_images(BATCH, model.config.image)
    return {
        "codes": model.encode(x),
        "images": model.reconstruct(x),
        "path": model.interpolate(x[:1], x[1:2], steps=3),
    }


def _trained(recipe: Recipe, folder: Path) -> tuple[InterpolationModel, dict[str, Tensor], Trainer]:
    """A model after a few steps, saved in `folder`, and its outputs; its trainer."""
    trainer = run_in_two(recipe, folder / _RUN, folder / _STOPPED)
    model = trainer.trained()
    # As it is loaded: the layout of a model without a description of its training.
    model.to(memory_format=torch.contiguous_format)  # pyright: ignore[reportCallIssue]  # missing from torch's stubs
    with blaming("the trained model"), torch.no_grad():
        model.examples = model.encode(random_images(BATCH, recipe.image))
        if recipe.training.codes:
            model.codes = model.encode(random_images(recipe.training.codes, recipe.image, seed=1))
        values = outputs(model)
    networks: dict[str, nn.Module] = {"encoder": model.encoder, "decoder": model.decoder}
    with blaming("saving the trained model", f"{_LOST}{suspects(networks)}"):
        model.save_pretrained(folder / _MODEL)
    return model, values, trainer


def _recipe(folder: Path) -> Recipe:
    return Recipe.model_validate_json((folder / _RECIPE).read_text("utf-8"))
