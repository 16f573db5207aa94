"""Files that change while a model is loaded, or after: what was checked is what is used."""

from __future__ import annotations

import itertools
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

import interpzoo
from interpzoo.errors import InterpzooError
from interpzoo.model import InterpolationModel
from tests.tiny import tiny_model

LOADS = 15


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    model = tiny_model(seed=1)
    model.examples = torch.ones(4, *model.latent_shape)
    model.codes = torch.ones(2000, *model.latent_shape)
    return model.save_pretrained(tmp_path / "model")


def tensors(model: InterpolationModel) -> dict[str, torch.Tensor]:
    assert model.examples is not None
    assert model.codes is not None
    return {**model.state_dict(), "examples": model.examples, "codes": model.codes}


def zeros(path: Path, content: bytes) -> None:
    path.write_bytes(content[: len(content) // 2] + bytes(len(content) - len(content) // 2))


def truncated(path: Path, content: bytes) -> None:
    path.write_bytes(content[: len(content) // 3])


def swapped(path: Path, content: bytes) -> None:
    other = path.with_name("other")
    other.write_bytes(content[:-8] + bytes(8))
    other.replace(path)


def emptied(path: Path, content: bytes) -> None:
    with path.open("r+b") as file:
        file.truncate(0)


CHANGES = (zeros, truncated, swapped, emptied)


def changing(path: Path, change: Callable[[Path, bytes], None]) -> Iterator[None]:
    """Changes the file and restores it, again and again, for `LOADS` rounds of the caller.

    The file stays whole for longer each time, so that some loads meet a change and others succeed, at any speed.
    """
    content, stop = path.read_bytes(), threading.Event()

    def work() -> None:
        for milliseconds in itertools.count():
            change(path, content)
            path.write_bytes(content)
            if stop.wait(milliseconds / 1000):
                break

    thread = threading.Thread(target=work)
    thread.start()
    try:
        for _ in range(LOADS):
            yield
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", ["model", "examples", "codes"])
def test_a_file_that_changes_while_it_is_read_gives_the_listed_weights_or_an_error(
    folder: Path, name: str, change: Callable[[Path, bytes], None]
) -> None:
    expected = tensors(interpzoo.load(folder))
    loaded = 0
    for _ in changing(folder / f"{name}.safetensors", change):
        try:
            found = tensors(interpzoo.load(folder))
        except InterpzooError:
            continue
        assert all(torch.equal(found[key], value) for key, value in expected.items())
        loaded += 1
    assert loaded


@pytest.mark.parametrize("change", CHANGES)
def test_a_loaded_model_does_not_follow_its_files(
    folder: Path, tmp_path: Path, change: Callable[[Path, bytes], None]
) -> None:
    expected = tensors(interpzoo.load(folder))
    copy = shutil.copytree(folder, tmp_path / "copy")
    model = interpzoo.load(copy)
    for path in copy.glob("*.safetensors"):
        change(path, path.read_bytes())
    assert all(torch.equal(value, expected[key]) for key, value in tensors(model).items())
