"""Settings that are misspelt, and sizes that networks cannot halve: the message says what was meant."""

from __future__ import annotations

import random

import pytest

from interpzoo import create
from interpzoo.config import OptimizerConfig, TrainingConfig
from interpzoo.errors import ConfigError
from interpzoo.recipes import load_recipe

FIELDS = [
    *(f"image.{side}" for side in ("channels", "height", "width")),
    *(f"training.{name}" for name in TrainingConfig.model_fields if name != "optimizer"),
    *(f"training.optimizer.{name}" for name in OptimizerConfig.model_fields),
]


@pytest.mark.parametrize("field", FIELDS)
def test_a_misspelt_setting_is_recognized(field: str) -> None:
    """With a letter left out, doubled or replaced, at places drawn by a seed; also without its tables."""
    drawn = random.Random(field)
    table, _, name = field.rpartition(".")
    place = drawn.randrange(1, len(name))
    changed = {
        name[:place] + name[place + 1 :],
        name[:place] + name[place - 1 :],
        name[:place] + "q" + name[place + 1 :],
    }
    for wrong in changed - {name}:
        with pytest.raises(ConfigError, match=rf"unknown field '{table}\.{wrong}' \(known: {table}\.") as error:
            load_recipe("ae-lines", [f"{table}.{wrong}=1"])
        assert f"{field}'" in str(error.value).partition("Did you mean")[2]


def test_a_setting_without_its_table_is_recognized() -> None:
    for name in ("samples", "batch_size", "learning_rate", "ema_decay"):
        with pytest.raises(ConfigError, match=rf"unknown field '{name}' .*Did you mean .*'training\.[a-z.]*{name}'"):
            load_recipe("ae-lines", [f"{name}=1"])


@pytest.mark.parametrize("size", [20, 28, 30, 33, 100])
def test_a_size_that_cannot_be_halved_as_often_names_the_component_and_what_mends_it(size: int) -> None:
    """And what the message says does mend it."""
    changes = [f"image.height={size}", f"image.width={size}", "encoder.scales=4", "encoder.width=1", "decoder.width=1"]
    with pytest.raises(ConfigError, match=r"encoder 'conv': scales = 4 halvings of .* or multiples of 16 as") as error:
        create(load_recipe("ae-lines", changes))
    most = int(str(error.value).partition("take at most ")[2].partition(",")[0])
    create(load_recipe("ae-lines", [*changes, f"encoder.scales={most}"]))
    create(load_recipe("ae-lines", [*changes, "image.height=48", "image.width=16"]))
