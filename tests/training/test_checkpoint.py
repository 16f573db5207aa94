"""Checkpoints that were damaged, forged or written by a process that was killed."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from interpzoo.config import Recipe
from interpzoo.errors import TrainingError, WeightsError
from interpzoo.pretrained.folder import CHECKPOINT, FORMER
from tests.pixels import trainer_of
from tests.tiny import tiny_recipe
from tests.training.runs import forge, ignore

ROOT = Path(__file__).parents[2]


def recipe() -> Recipe:
    """Six steps with a checkpoint after every second."""
    return tiny_recipe("acai", training={"samples": 48, "checkpoint_steps": 2, "ema_decay": 0.9})


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was stopped after four steps, with two checkpoints."""
    folder = tmp_path_factory.mktemp("stopped")
    trainer_of(recipe(), folder).run(ignore, stop_after=4)
    return folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tensor]:
    """The weights of the run that was not stopped."""
    trainer = trainer_of(recipe(), tmp_path_factory.mktemp("whole"))
    trainer.run(ignore)
    return trainer.trained().state_dict()


@pytest.fixture
def run(stopped: Path, tmp_path: Path) -> Path:
    """A copy of the stopped run."""
    return shutil.copytree(stopped, tmp_path / "run")


def resume(folder: Path) -> dict[str, Tensor]:
    """The weights that the run in a folder ends with."""
    trainer = trainer_of(recipe(), folder)
    trainer.run(ignore, resume=True)
    return trainer.trained().state_dict()


def refused(folder: Path) -> str:
    """The message, of one line, with which a run is not resumed; nothing is changed by that."""
    before = {path: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises((WeightsError, TrainingError)) as error:
        resume(folder)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    message = str(error.value)
    assert message.startswith(str(folder / CHECKPOINT))
    assert "\n" not in message
    return message


def same(left: dict[str, Tensor], right: dict[str, Tensor]) -> bool:
    """Bit for bit."""
    return left.keys() == right.keys() and all(torch.equal(value, right[name]) for name, value in left.items())


def test_every_flipped_bit_is_found(run: Path) -> None:
    """In the sizes, names, texts and numbers of the file, at places drawn by a seed."""
    path, drawn = run / CHECKPOINT, random.Random(0)
    data = path.read_bytes()
    header = 8 + int.from_bytes(data[:8], "little")
    trainer = trainer_of(recipe(), run)
    places = [*range(8), *drawn.sample(range(8, header), 100), *drawn.sample(range(header, len(data)), 100)]
    for place in places:
        changed = bytearray(data)
        changed[place] ^= 1 << drawn.randrange(8)
        path.write_bytes(changed)
        with pytest.raises(WeightsError, match=re.escape(str(path))):
            trainer.run(ignore, resume=True)


@pytest.mark.parametrize("kept", [0, 1, 7, 8, 9, 100, -1])
def test_a_file_that_was_cut_is_refused(kept: int, run: Path) -> None:
    (run / CHECKPOINT).write_bytes((run / CHECKPOINT).read_bytes()[:kept])
    assert re.search(r"is (not a whole safetensors file|damaged): ", refused(run))


def test_a_file_that_is_too_large_is_not_read(run: Path) -> None:
    os.truncate(run / CHECKPOINT, 1 << 40)
    with pytest.raises(WeightsError, match="has 1,099,511,627,776 bytes, expected at most "):
        resume(run)


def test_the_former_checkpoint_is_offered_and_can_be_resumed(run: Path, whole: dict[str, Tensor]) -> None:
    os.truncate(run / CHECKPOINT, 5000)
    offer = f"the one before it, of step 2, is whole: rename {run / FORMER} to {CHECKPOINT} to continue from it"
    assert refused(run).endswith(offer)
    (run / FORMER).rename(run / CHECKPOINT)
    assert same(resume(run), whole)


def test_a_former_checkpoint_that_is_damaged_too_is_not_offered(run: Path) -> None:
    for name in (CHECKPOINT, FORMER):
        os.truncate(run / name, 5000)
    assert refused(run).endswith("no whole checkpoint is left: start again in another folder")


@pytest.mark.parametrize("name", ["steps", "recipe", "started_from", "images"])
def test_odd_texts_of_the_header_are_refused_by_name(name: str, run: Path) -> None:
    """Also where the checksum fits them."""
    odd = ["", "x", "-1", "9" * 5000, "[]", '"x"', "{}", "{", "NaN", "1.5", "[" * 5000, "\x1b[2J", "\u202e", "true"]
    sound = (run / CHECKPOINT).read_bytes()
    trainer = trainer_of(recipe(), run)
    for text in odd:
        if (name, text) == ("started_from", '"x"'):
            continue
        (run / CHECKPOINT).write_bytes(sound)
        forge(run / CHECKPOINT, metadata=lambda metadata, text=text: metadata.update({name: text}))
        with pytest.raises((WeightsError, TrainingError)) as error:
            trainer.run(ignore, resume=True)
        assert str(error.value).isprintable()
        assert "checkpoint.safetensors" in str(error.value) or "training.samples" in str(error.value)


def _without_moments(tensors: dict[str, Tensor]) -> None:
    for name in [name for name in tensors if name.endswith("exp_avg_sq")]:
        del tensors[name]


def _changed(suffix: str, change: Callable[[Tensor], Tensor]) -> Callable[[dict[str, Tensor]], None]:
    def apply(tensors: dict[str, Tensor]) -> None:
        name = next(name for name in tensors if name.endswith(suffix))
        tensors[name] = change(tensors[name])

    return apply


@pytest.mark.parametrize(
    "change",
    [
        _without_moments,
        _changed("exp_avg", lambda value: value[..., :-1]),
        _changed("exp_avg", Tensor.double),
        _changed("encoder.layers.0.weight", Tensor.half),
        _changed("encoder.layers.0.weight", lambda value: value.flatten()),
        lambda tensors: tensors.update({"model/more": torch.zeros(2)}),
    ],
)
def test_another_state_is_refused_although_the_checksum_fits(change: Any, run: Path) -> None:
    forge(run / CHECKPOINT, tensors=change)
    assert "belongs to other networks: it " in refused(run)


KILLS = """
import os, shutil, signal, sys
from pathlib import Path
import torch
from interpzoo.config import Recipe
from interpzoo.training.checkpoint import save_checkpoint, read_position
from tests.pixels import trainer_of

torch.set_num_threads(1)
base, recipe = Path(sys.argv[1]), Recipe.model_validate_json(sys.argv[2])
made = base / "made"
made.mkdir()
trainer = trainer_of(recipe, made)
number, calls = 0, []

def killing(change):
    def at(*args, **kwargs):
        for when in ("before", "after"):
            if len(calls) == wanted:
                os.kill(os.getpid(), signal.SIGKILL)
            calls.append(when)
            if when == "before":
                result = change(*args, **kwargs)
        return result
    return at

for stage in range(3):
    before = shutil.copytree(made, base / f"before-{stage}")
    trainer.run(lambda done, values: None, resume=stage > 0, stop_after=2)
    position, state = read_position(made / "checkpoint.safetensors"), vars(trainer)["_state"]
    for wanted in range(100):
        folder = shutil.copytree(before, base / str(number))
        child = os.fork()
        if not child:
            for name in ("replace", "rename", "link", "unlink", "remove"):
                setattr(os, name, killing(getattr(os, name)))
            save_checkpoint(folder / "checkpoint.safetensors", state, position)
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        number += 1
        if status == 0:  # it was never killed
            break
        if os.WTERMSIG(status) != signal.SIGKILL:
            sys.exit("a run failed")
print(number)
"""


@pytest.mark.slow
def test_a_run_that_is_killed_at_any_change_of_a_file_can_be_resumed(whole: dict[str, Tensor], tmp_path: Path) -> None:
    """Before and after each rename and removal of its first, second and third checkpoint, to the same weights."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("INTERPZOO_")}
    command = [sys.executable, "-c", KILLS, str(tmp_path), recipe().model_dump_json()]
    options: dict[str, Any] = {"capture_output": True, "text": True, "timeout": 120, "cwd": ROOT}
    done = subprocess.run(command, env=environment | {"OMP_NUM_THREADS": "1"}, **options)
    assert done.returncode == 0, done.stderr
    kills = int(done.stdout)
    assert kills > 12
    states: dict[bytes, Path] = {}
    for folder in (tmp_path / str(number) for number in range(kills)):
        found = sorted(path for path in folder.iterdir() if path.name in (CHECKPOINT, FORMER))
        assert found or not (folder / CHECKPOINT).exists()
        if found:
            data = found[-1].read_bytes()
            states[data[8 + int.from_bytes(data[:8], "little") :]] = folder
    assert len(states) == 3  # nothing else is ever there than a whole checkpoint
    for folder in states.values():
        assert same(resume(folder), whole)


def test_a_checkpoint_says_where_the_run_stands(run: Path) -> None:
    """In its header, which other programs can read."""
    data = (run / CHECKPOINT).read_bytes()
    metadata = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
    assert metadata["steps"] == "4"
    assert json.loads(metadata["recipe"])["training"]["samples"] == 48
