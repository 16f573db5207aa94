"""The files of a pretrained folder, one by one."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from interpzoo.build import build_component
from interpzoo.errors import OutputError, WeightsError
from interpzoo.files import is_leftover
from interpzoo.interfaces import Interpolator
from interpzoo.pretrained.folder import (
    check_hash,
    claim_folder,
    fingerprint,
    read_config,
    read_hashes,
    write_hashes,
)
from interpzoo.pretrained.reading import sha256
from interpzoo.pretrained.stored import read_tensors, write_tensors
from tests.tiny import tiny_model


@pytest.mark.parametrize(
    "tensor",
    [
        torch.arange(24.0).view(2, 3, 2, 2).to(memory_format=torch.channels_last),
        torch.arange(6).view(2, 3).T,
        torch.ones(1).expand(4, 4),
        torch.zeros(0, 3),
        torch.tensor(7),
        torch.tensor([True, False]),
        torch.tensor([1.5, float("nan"), float("-inf"), -0.0], dtype=torch.bfloat16),
        nn.Parameter(torch.ones(3)),
    ],
    ids=lambda tensor: f"{tuple(tensor.shape)} {tensor.dtype}",
)
def test_tensors_of_every_layout_and_type_come_back(tensor: Tensor, tmp_path: Path) -> None:
    write_tensors(tmp_path / "x.safetensors", {"x": tensor})
    (found,) = read_tensors(tmp_path / "x.safetensors").values()
    assert (found.dtype, found.shape) == (tensor.dtype, tensor.shape)
    assert torch.equal(found.nan_to_num(5), tensor.detach().nan_to_num(5))


def test_tensors_that_share_memory_are_written_out_each(tmp_path: Path) -> None:
    whole = torch.arange(6.0)
    write_tensors(tmp_path / "x.safetensors", {"whole": whole, "again": whole, "part": whole[2:4]})
    found = read_tensors(tmp_path / "x.safetensors")
    assert torch.equal(found["whole"], whole)
    assert torch.equal(found["again"], whole)
    assert torch.equal(found["part"], whole[2:4])


def test_the_list_is_what_sha256sum_reads(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes(b"{}")
    (tmp_path / "preview.png").write_bytes(b"\x89PNG")
    (tmp_path / "README.md").write_bytes(b"people may edit this")
    (tmp_path / "notes.txt").write_bytes(b"not ours")
    write_hashes(tmp_path)
    expected = {
        name: hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() for name in ("config.json", "preview.png")
    }
    lines = (tmp_path / "SHA256SUMS").read_text().splitlines()
    assert lines == [f"{digest}  {name}" for name, digest in expected.items()]
    assert read_hashes(tmp_path) == expected


def test_a_large_file_is_hashed_in_pieces(tmp_path: Path) -> None:
    data = os.urandom((1 << 20) + 17)
    (tmp_path / "x").write_bytes(data)
    assert sha256(tmp_path / "x") == hashlib.sha256(data).hexdigest()


def test_only_listed_files_are_checked(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a")
    sums = {"a": hashlib.sha256(b"a").hexdigest(), "b": "0" * 64}
    check_hash(tmp_path, "a", sums)
    check_hash(tmp_path, "unlisted", sums)
    with pytest.raises(WeightsError, match="has no b"):
        check_hash(tmp_path, "b", sums)
    (tmp_path / "a").write_bytes(b"b")
    with pytest.raises(WeightsError, match=r"a is damaged: its SHA-256 is 3e23e8160039\.\.\., expected ca978112ca1b"):
        check_hash(tmp_path, "a", sums)


@pytest.mark.parametrize("name", ["x", "0123456789abcdef.tmp", "config.json~"])
def test_a_folder_with_other_files_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").touch()
    (tmp_path / name).touch()
    with pytest.raises(OutputError, match=f"already holds {name!r}"):
        claim_folder(tmp_path)


def test_an_empty_or_a_model_folder_is_claimed(tmp_path: Path) -> None:
    for name in ("config.json", "codes.safetensors", "checkpoint.safetensors", "README.md", ".0123456789abcdef.tmp"):
        (tmp_path / name).touch()
    (tmp_path / "logs").mkdir()
    assert claim_folder(tmp_path) == tmp_path
    assert claim_folder(tmp_path / "a" / "b").is_dir()


@pytest.mark.parametrize(
    ("name", "expected"),
    [(".0123456789abcdef.tmp", True), (".0123456789ABCDEF.tmp", False), (".0123456789abcdef0.tmp", False)],
)
def test_leftovers_are_known_by_name(name: str, expected: bool) -> None:
    assert is_leftover(Path("somewhere") / name) == expected


def test_prose_changes_no_hash(tmp_path: Path) -> None:
    model = tiny_model()
    prose = {"summary": "Lines, mostly.", "limitations": "Draws lines.\n\nAnd nothing else."}
    model.save_pretrained(tmp_path / "short")
    model.config = model.config.model_copy(update=prose)
    model.save_pretrained(tmp_path / "long")
    assert read_hashes(tmp_path / "long") == read_hashes(tmp_path / "short")
    assert fingerprint(tmp_path / "long") == fingerprint(tmp_path / "short")
    # It comes back from the card.
    assert read_config(tmp_path / "long") == model.config


def test_the_fingerprint_follows_what_decides_the_frames(tmp_path: Path) -> None:
    model = tiny_model()
    found = {"saved": fingerprint(model.save_pretrained(tmp_path / "saved"))}
    model.config = model.config.model_copy(update={"license": "mit", "name": "other"})
    assert fingerprint(model.save_pretrained(tmp_path / "renamed")) == found["saved"]
    slerp = model.config.interpolator.model_copy(update={"name": "slerp"})
    model.config = model.config.model_copy(update={"interpolator": slerp})
    model.interpolator = build_component(Interpolator, slerp)
    found["path"] = fingerprint(model.save_pretrained(tmp_path / "path"))
    model.codes = torch.zeros(2, *model.latent_shape)
    found["codes"] = fingerprint(model.save_pretrained(tmp_path / "codes"))
    next(model.parameters()).data.add_(1)
    found["weights"] = fingerprint(model.save_pretrained(tmp_path / "weights"))
    assert len(set(found.values())) == len(found)


def test_a_card_that_people_edited_is_read_safely(tmp_path: Path) -> None:
    folder = tiny_model().save_pretrained(tmp_path / "model")
    card = folder / "README.md"
    card.write_text(f"# Mine\n\n{'x' * 500}\x1b[31m\n\n## Limits\n\n{'y' * 3000}", "utf-8")
    config = read_config(folder)
    assert (config.summary, config.limitations) == ("x" * 400, "y" * 2000)
    card.write_bytes(b"\xff\xfe")
    assert read_config(folder).summary == ""
    card.unlink()
    assert read_config(folder).limitations == ""
