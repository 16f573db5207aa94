"""Damaged, foreign and hostile folders: one line that names the fault, exit code 2, and nothing is allocated."""

from __future__ import annotations

import json
import os
import resource
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from interpzoo import load
from interpzoo.errors import ImageError, OutputError
from tests.cli.conftest import Cli, untrained

MEASURED = """
import os, sys
from interpzoo.cli.app import run
for folder in sys.argv[1:]:
    os.chdir(folder)
    code = run(["interpolate", "./model", "-o", "x.png"])
    status = open("/proc/self/status").read()
    print(code, next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))
"""
"""Interpolates the model in each folder; prints exit codes and the largest resident memory until then, in kB."""


def change_config(folder: Path, **changes: Any) -> None:
    """Overwrite fields of the config; a table's fields one by one."""
    path = folder / "config.json"
    config = json.loads(path.read_text())
    for key, value in changes.items():
        config[key] = {**config[key], **value} if isinstance(value, dict) else value
    path.write_text(json.dumps(config))
    (folder / "SHA256SUMS").unlink(missing_ok=True)


def change_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    """Write the weights again after `change`, in place."""
    path = folder / "model.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)
    (folder / "SHA256SUMS").unlink(missing_ok=True)


INTERPOLATE = ("interpolate", "./model", "-o", "x.png")


def test_damage(cli: Cli, model: Path) -> None:
    for damage, expected in (
        (lambda: change_config(model, surprise=1), "unknown field 'surprise'"),
        (lambda: os.truncate(model / "model.safetensors", 900), "model.safetensors is not a whole safetensors file"),
        (
            lambda: change_weights(model, lambda tensors: tensors.pop("decoder.layers.0.weight")),
            "model.safetensors lacks 'decoder.layers.0.weight'",
        ),
        (
            lambda: change_weights(model, lambda tensors: tensors.update(extra=torch.zeros(1))),
            "model.safetensors has 'extra', which the config's modules do not",
        ),
        (
            lambda: change_weights(model, lambda tensors: tensors.update({"encoder.layers.0.bias": torch.zeros(5)})),
            "has 'encoder.layers.0.bias' of shape (5,), the config says (4,)",
        ),
    ):
        damage()
        assert expected in cli.refuses(*INTERPOLATE)
        assert not (cli.folder / "x.png").exists()
        shutil.rmtree(model)
        untrained().save_pretrained(model)


def test_an_unknown_model_has_a_suggestion(cli: Cli) -> None:
    for arguments in (("show", "ae-tin"), ("interpolate", "ae-tin", "-o", "x.png"), ("evaluate", "ae-tin")):
        assert cli.refuses(*arguments).startswith("unknown model 'ae-tin'. Did you mean 'ae-tiny'")


def test_names_that_are_not_a_model(cli: Cli) -> None:
    for name, expected in (
        ("demo:ae-tin", "unknown model 'demo:ae-tin'. Did you mean 'demo:ae-tiny'"),
        ("vae-far", "'someone/vae-far@0123456789abcdef0123456789abcdef01234567' is not in the cache, and"),
        ("./none", "there is no folder 'none'"),
        ("runs/none", "For a folder write './runs/none'"),
        ("a/b/c", "'a/b/c' is not a valid name of a repository, 'user/repo'. For a folder write './a/b/c'"),
    ):
        assert expected in cli.refuses("show", name)


def test_configs_that_do_not_validate(cli: Cli, model: Path) -> None:
    sound = (model / "config.json").read_bytes()
    cases: tuple[tuple[dict[str, Any], str], ...] = (
        ({"encoder": {"surprise": 1}}, "encoder 'baselines:conv': unknown field 'surprise'"),
        ({"encoder": {"name": "os.path:join"}}, "unknown encoder 'os.path:join'"),
        ({"encoder": {"name": "../../etc"}}, "encoder.name = '../../etc': "),
        ({"format": 99}, "config.json has format 99, expected at most 1: upgrade interpzoo"),
        ({"kind": "features"}, "is a model of kind 'features', not one that interpolates"),
        ({"image": {"height": 17}}, "multiples of 4 as image.height and image.width"),
        ({"name": "a\n\nb"}, "name = 'a\\n\\nb': "),
    )
    for changes, expected in cases:
        change_config(model, **changes)
        assert expected in cli.refuses(*INTERPOLATE)
        (model / "config.json").write_bytes(sound)


def test_configs_that_are_not_a_json_object(cli: Cli, model: Path) -> None:
    for text in ("", "{", "[]", '{"a": 1, "a": 2}', "[" * 100_000, "\x00"):
        (model / "config.json").write_text(text)
        assert "config.json" in cli.refuses(*INTERPOLATE)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of a process's memory is read there")
@pytest.mark.slow
def test_an_absurd_size_is_refused_without_being_allocated(cli: Cli, model: Path, tmp_path: Path) -> None:
    cases: tuple[tuple[dict[str, Any], str], ...] = (
        ({"encoder": {"width": 10**12}}, "width = 1000000000000: Input should be less than or equal to 4096"),
        # All within their bounds, and together 150 GB.
        ({"encoder": {"width": 4096, "scales": 4}}, "model.safetensors lacks 'encoder.layers.16.weight'"),
        ({"decoder": {"width": 4096}}, "the config says (8192, 2, 3, 3)"),
        ({"image": {"height": 2048, "width": 2048}, "encoder": {"width": 4096}}, "the config says"),
    )
    for number, (changes, _) in enumerate(cases):
        change_config(shutil.copytree(model, tmp_path / str(number) / "model"), **changes)
    done = cli.python("-c", MEASURED, tmp_path, *(tmp_path / str(number) for number in range(len(cases))))
    (sound, usual), *others = (map(int, line.split()) for line in done.stdout.splitlines() if "frames" not in line)
    assert sound == 0
    for (_, expected), message, (code, peak) in zip(cases, done.stderr.splitlines(), others, strict=True):
        assert code == 2
        assert expected in message
        assert peak <= usual + 32 * 1024


def test_a_truncated_weights_file(cli: Cli, model: Path) -> None:
    path = model / "model.safetensors"
    whole = path.read_bytes()
    for _ in ("with its hash", "without it"):
        for kept in (0, 7, 100, -1):
            path.write_bytes(whole[:kept])
            assert "model.safetensors is not a whole safetensors file: " in cli.refuses(*INTERPOLATE)
        (model / "SHA256SUMS").unlink(missing_ok=True)


def test_a_weights_file_whose_header_claims_terabytes(cli: Cli, model: Path) -> None:
    header = json.dumps(
        {"encoder.layers.0.weight": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}
    ).encode()
    (model / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    (model / "SHA256SUMS").unlink()
    assert "is not a whole safetensors file" in cli.refuses(*INTERPOLATE)


def test_a_pickle_is_never_read(cli: Cli, model: Path, tmp_path: Path) -> None:
    bomb = b"cos\nsystem\n(S'touch " + str(tmp_path / "boom").encode() + b"'\ntR."
    (model / "model.safetensors").write_bytes(bomb)
    (model / "model.pt").write_bytes(bomb)
    (model / "SHA256SUMS").unlink()
    assert "is not a whole safetensors file" in cli.refuses(*INTERPOLATE)
    assert not (tmp_path / "boom").exists()


def test_a_missing_file(cli: Cli, model: Path) -> None:
    for sums in (True, False):
        for name in ("config.json", "model.safetensors"):
            folder = shutil.copytree(model, cli.folder / "copy")
            (folder / name).unlink()
            if not sums:
                (folder / "SHA256SUMS").unlink(missing_ok=True)
            assert name in cli.refuses("interpolate", "./copy", "-o", "x.png")
            shutil.rmtree(folder)


def test_sums_that_are_not_text(cli: Cli, model: Path) -> None:
    (model / "SHA256SUMS").write_bytes(b"\xff\xfe")
    assert "SHA256SUMS is damaged: it is not text" in cli.refuses(*INTERPOLATE)


def test_images_out_of_range(model: Path) -> None:
    loaded = load(model)
    with pytest.raises(ImageError, match=r"image values lie in \[-1\.00, 1\.00\], expected \[0, 1\]"):
        loaded.encode(torch.linspace(-1, 1, 256).view(1, 16, 16))
    with pytest.raises(ImageError, match=r"\[0\.00, 255\.00\], expected \[0, 1\]: divide by 255"):
        loaded.encode(torch.linspace(0, 255, 256).view(1, 16, 16))


@pytest.mark.usefixtures("model")
def test_a_picture_that_does_not_fit_the_disk_keeps_the_old_one(cli: Cli) -> None:
    for name in ("x.png", "x.gif"):
        (cli.folder / name).write_text("the old one")
        with files_of_at_most(512):
            message = cli.refuses("interpolate", "./model", "-o", name)
        assert message == f"cannot write {name!r}: File too large; the old file is unchanged"
        assert (cli.folder / name).read_text() == "the old one"
    assert not [*cli.folder.glob(".*")]


def test_a_checkpoint_that_does_not_fit_the_disk_leaves_nothing(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    old = tmp_path / "run" / "checkpoint.safetensors"
    old.write_text("the old one")
    assert "already holds a training" in cli.refuses("train", "tiny", "--output", "run")
    assert old.read_text() == "the old one"
    old.unlink()
    with files_of_at_most(512):
        done = cli("train", "tiny", "--output", "run")
    assert done.returncode == 2
    assert "Error: cannot write 'run/checkpoint.safetensors': File too large" in done.stderr
    assert {path.name for path in (tmp_path / "run").iterdir()} <= {"history.jsonl"}


def test_a_model_that_does_not_fit_the_disk_keeps_the_old_one(model: Path) -> None:
    before = (model / "model.safetensors").read_bytes()
    changed = load(model)
    changed.decoder.half()
    with files_of_at_most(2000), pytest.raises(OutputError, match="cannot write "):
        changed.save_pretrained(model)
    assert (model / "model.safetensors").read_bytes() == before
    assert load(model).example_strip().isfinite().all()


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """A full disk: no file of this process grows beyond so many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
