"""Files of torch.save: their tensors are read, and nothing in them is unpickled."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from interpzoo.errors import WeightsError
from interpzoo.pretrained.archive import Archive


def saved(path: Path, value: object, **options: Any) -> Path:
    torch.save(value, path, **options)
    return path


@pytest.mark.parametrize("protocol", [2, 4])
def test_tensors_are_those_that_torch_saved(tmp_path: Path, protocol: int) -> None:
    whole = torch.arange(24, dtype=torch.float32).view(4, 6)
    value = {
        "model_state_dict": OrderedDict(
            {
                "half": torch.randn(3).half(),
                "turned": whole.T,
                "part": whole[1:3, ::2],
                "counter": torch.tensor(7),
                "empty": torch.empty(0, 3),
                "parameter": nn.Parameter(torch.randn(2)),
            }
        ),
        "epoch": 3,
        "notes": ["text", (1.5, None, True)],
    }
    archive = Archive(saved(tmp_path / "model.pt", value, pickle_protocol=protocol))
    found = archive.read([*archive.shapes])
    expected = {f"model_state_dict.{name}": tensor for name, tensor in value["model_state_dict"].items()}
    assert {*found} == {*expected}
    for name, tensor in expected.items():
        assert archive.shapes[name] == tuple(tensor.shape)
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor)
        assert found[name].is_contiguous()


class Run:
    """Pickled, it writes a file when it is unpickled."""

    def __init__(self, witness: Path) -> None:
        self.witness = witness

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.write_text, (self.witness, "it ran")


def test_code_in_a_file_is_refused_and_not_run(tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    path = saved(tmp_path / "model.pt", {"weight": torch.zeros(1), "hook": Run(witness)})
    with pytest.raises(WeightsError, match=r"holds .__builtin__.getattr., which is not a plain tensor"):
        Archive(path)
    assert not witness.exists()
    with pytest.raises(WeightsError, match="nothing is unpickled"):
        Archive(saved(tmp_path / "whole.pt", nn.Linear(1, 1)))


def archive_of(program: bytes, *, compressed: bool = False, **entries: bytes) -> bytes:
    """A zip archive like those of torch."""
    buffer = io.BytesIO()
    kind = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    with zipfile.ZipFile(buffer, "w", kind) as file:
        for name, content in {"data.pkl": program, **entries}.items():
            file.writestr(f"model/{name.replace('_', '/')}", content)
    return buffer.getvalue()


def tensor(numel: int = 2, shape: tuple[int, ...] = (2,), strides: tuple[int, ...] = (1,), offset: int = 0) -> bytes:
    """A program that makes one tensor."""

    def plain(value: object) -> bytes:
        return pickle.dumps(value, protocol=2)[2:-1]

    storage = b"(" + plain("storage") + b"ctorch\nFloatStorage\n" + plain("0") + plain("cpu") + plain(numel) + b"tQ"
    numbers = b"".join(map(plain, (offset, shape, strides)))
    return b"\x80\x02}X\x01\x00\x00\x00actorch._utils\n_rebuild_tensor_v2\n(" + storage + numbers + b"\x89NtRs."


BOMB = b"\x80\x02}q\x00(" + b"".join(b"K%ch\x00" % n for n in range(200)) + b"u."
"""A dictionary that contains itself 200 times."""

TWICE = b")" + b"q\x00h\x00\x86" * 60
"""A tuple that contains the one before it twice, sixty times: it has 2 ** 60 elements to hash or to print."""

DAMAGED: dict[str, tuple[Callable[[], bytes], str]] = {
    "no zip": (lambda: b"\x80\x02}.", "is not a file of torch.save since torch 1.6"),
    "no program": (lambda: archive_of(b"")[:-30], "is not a file of torch.save"),
    "compressed": (lambda: archive_of(tensor(), compressed=True, data_0=bytes(8)), "its data.pkl is compressed"),
    "no end": (lambda: archive_of(b"\x80\x02}"), "its program cannot be followed"),
    "an empty stack": (lambda: archive_of(b"\x80\x02t."), "its program cannot be followed"),
    "a dictionary in itself": (lambda: archive_of(BOMB), "more than 10,000 tensors and values"),
    "a huge key": (lambda: archive_of(b"\x80\x02}" + TWICE + b"Ns."), "a dictionary with a key of type 'tuple'"),
    "huge keys": (lambda: archive_of(b"\x80\x02}(" + TWICE + b"Nu."), "a dictionary with a key of type 'tuple'"),
    "a huge class": (
        lambda: archive_of(tensor().replace(b"ctorch\nFloatStorage\n", TWICE)),
        "a storage of type 'tuple'",
    ),
    "a long name": (
        lambda: archive_of(tensor().replace(b"X\x01\x00\x00\x00a", b"X\xe9\x03\x00\x00" + b"a" * 1001)),
        "a name of over 1,000 characters: 'aaa",
    ),
    "a missing storage": (lambda: archive_of(tensor()), "its data/0 cannot be read"),
    "a short storage": (lambda: archive_of(tensor(), data_0=bytes(4)), "fewer numbers than its shape says"),
    "a wide step": (lambda: archive_of(tensor(strides=(9,)), data_0=bytes(8)), "fewer numbers than its shape says"),
    "a negative step": (lambda: archive_of(tensor(strides=(-1,)), data_0=bytes(8)), "not described by sizes"),
    "a big storage": (lambda: archive_of(tensor(), data_0=bytes(80)), "compressed or has more than 8 bytes"),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_damaged_files_are_refused(tmp_path: Path, kind: str) -> None:
    content, message = DAMAGED[kind]
    path = tmp_path / "model.pt"
    path.write_bytes(content())

    def read() -> None:
        archive = Archive(path)
        archive.read([*archive.shapes])

    with pytest.raises(WeightsError, match=message):
        read()
    path.write_bytes(archive_of(tensor(), data_0=bytes(8)))
    read()
    with pytest.raises(WeightsError, match="its SHA-256 is"):
        Archive(path, "0" * 64)
