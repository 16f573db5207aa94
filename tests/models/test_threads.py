"""Eight threads at once call every public function: each gets what it would get alone."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from interpzoo_riemannian import NotConvergedWarning
from torch import Tensor

import interpzoo
from tests.models.test_bad_arguments import ELSEWHERE, calls, tensors
from tests.tiny import tiny_model

THREADS = 8
TIMES = 6


def with_folders(folder: Path) -> dict[str, Callable[[int], Any]]:
    """Every public function by name, of the same models and values, but in a folder of its own for each number."""
    torch.manual_seed(0)
    found: dict[str, Callable[[int], Any]] = {}
    for name, (function, arguments) in calls(folder).items():
        found[name] = lambda number, function=function, arguments=arguments: function(**arguments)
    model, frames = tiny_model("vae"), torch.rand(3, 1, 4, 4)
    model.examples = torch.randn(4, *model.latent_shape)
    saved, directions = model.save_pretrained(folder / "saved"), folder / "directions.safetensors"
    interpzoo.save_directions(directions, [interpzoo.Direction("x", model.examples[0])])
    found["save_frames"] = lambda number: interpzoo.save_frames(folder / f"frames{number}", frames)
    found["save_stream"] = lambda number: interpzoo.save_stream(folder / f"stream{number}", [frames[None]])
    found["save_pretrained"] = lambda number: model.save_pretrained(folder / f"saved{number}")
    found["load"] = lambda number: interpzoo.load(saved).example_strip(1, 3)
    found["load a bundled model"] = lambda number: interpzoo.load("ae-lines").example_strip(1, 3)
    found["load_directions"] = lambda number: [*interpzoo.load_directions(directions).values()]
    found["verify"] = lambda number: interpzoo.verify(saved)
    found["evaluate"] = lambda number: interpzoo.evaluate(saved, dataset="lines", metrics=["reconstruction-mse"])
    for name in interpzoo.__all__:
        if name.startswith("list_"):
            found[name] = lambda number, name=name: getattr(interpzoo, name)()
    return found


@pytest.mark.slow
def test_every_public_function_gives_the_same_in_eight_threads(tmp_path: Path) -> None:
    functions = with_folders(tmp_path)
    assert {*functions} >= ELSEWHERE - {
        "stimuli",  # it sets the number of threads of the process
        "export",  # torch traces one network at a time
        "push",
        "push_to_hub",
        "train",
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotConvergedWarning)
        alone = {name: values(function(0)) for name, function in functions.items()}
        again = [name for name in functions for _ in range(TIMES)]
        random.Random(0).shuffle(again)
        with ThreadPoolExecutor(THREADS) as pool:
            together = pool.map(lambda call: values(functions[call[1]](call[0])), enumerate(again, 1))
            for name, found in zip(again, together, strict=True):
                assert len(found) == len(alone[name]), name
                for value, expected in zip(found, alone[name], strict=True):
                    torch.testing.assert_close(value, expected, atol=1e-5, rtol=1e-4, equal_nan=True, msg=name)


def values(result: object) -> list[Tensor]:
    """What can be compared of a result: its tensors, and the weights of a model."""
    if isinstance(result, interpzoo.InterpolationModel):
        return [*result.state_dict().values()]
    return [tensor.detach().clone() for tensor in tensors(result)]
