"""Damaged, foreign and hostile folders: one line that names the fault, exit code 2, and nothing is allocated."""

from __future__ import annotations

import json
import os
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from interpzoo import load
from interpzoo.errors import ImageError
from tests.cli.conftest import Cli, untrained

MEASURED = """
import sys
from interpzoo.cli.app import run
code = run(sys.argv[1:])
status = open("/proc/self/status").read()
print(code, next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))
"""


def change_config(folder: Path, **changes: Any) -> None:
    """Overwrite fields of the config; a table's fields one by one."""
    path = folder / "config.json"
    config = json.loads(path.read_text())
    for key, value in changes.items():
        config[key] = {**config[key], **value} if isinstance(value, dict) else value
    path.write_text(json.dumps(config))
    (folder / "SHA256SUMS").unlink()


def change_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    """Write the weights again after `change`, in place."""
    path = folder / "model.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)
    (folder / "SHA256SUMS").unlink()


INTERPOLATE = ("interpolate", "./model", "-o", "x.png")

DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "an unknown field": (lambda model: change_config(model, surprise=1), "unknown field 'surprise'"),
    "a truncated file": (lambda model: os.truncate(model / "model.safetensors", 900), "model.safetensors is damaged"),
    "a missing tensor": (
        lambda model: change_weights(model, lambda tensors: tensors.pop("decoder.layers.0.weight")),
        "model.safetensors lacks 'decoder.layers.0.weight'",
    ),
    "an extra tensor": (
        lambda model: change_weights(model, lambda tensors: tensors.update(extra=torch.zeros(1))),
        "model.safetensors has 'extra', which the config's modules do not",
    ),
}
"""What is done to a folder, and what is then said of it."""


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_ends_the_process_with_one_line(cli: Cli, model: Path, kind: str) -> None:
    damage, expected = DAMAGE[kind]
    damage(model)
    assert expected in cli.refuses(*INTERPOLATE)
    assert not (cli.folder / "x.png").exists()


@pytest.mark.parametrize(
    "arguments", [("show", "ae-tin"), ("interpolate", "ae-tin", "-o", "x.png"), ("evaluate", "ae-tin")], ids=" ".join
)
def test_an_unknown_model_brings_the_nearest_to_mind(cli: Cli, arguments: tuple[str, ...]) -> None:
    assert cli.refuses(*arguments).startswith("unknown model 'ae-tin'. Did you mean 'ae-tiny'")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("demo:ae-tin", "unknown model 'demo:ae-tin'. Did you mean 'demo:ae-tiny'"),
        ("vae-far", "'someone/vae-far@0123456789abcdef0123456789abcdef01234567' is not in the cache, and"),
        ("./none", "there is no folder 'none'"),
        ("runs/none", "For a folder write './runs/none'"),
        ("a/b/c", "'a/b/c' is no name of a repository, which is 'user/repo'. For a folder write './a/b/c'"),
    ],
)
def test_names_that_are_no_model(cli: Cli, name: str, expected: str) -> None:
    assert expected in cli.refuses("show", name)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"encoder": {"surprise": 1}}, "encoder 'conv': unknown field 'surprise'"),
        ({"encoder": {"name": "os.path:join"}}, "unknown encoder 'os.path:join'"),
        ({"encoder": {"name": "../../etc"}}, "encoder.name = '../../etc': "),
        ({"format": 99}, "config.json has format 99, this interpzoo reads up to 1: upgrade it"),
        ({"kind": "features"}, "is a model of kind 'features', not one that interpolates"),
        ({"image": {"height": 17}}, "height and width must be multiples of 4"),
        ({"name": "a\n\nb"}, "name = 'a\\n\\nb': "),
    ],
    ids=str,
)
def test_a_config_that_is_not_one(
    refuses: Callable[..., str], model: Path, changes: dict[str, Any], expected: str
) -> None:
    change_config(model, **changes)
    assert expected in refuses(*INTERPOLATE)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"a": 1, "a": 2}', "[" * 100_000, "\x00"], ids=repr)
def test_a_config_that_is_no_json_object(refuses: Callable[..., str], model: Path, text: str) -> None:
    (model / "config.json").write_text(text)
    assert "config.json" in refuses(*INTERPOLATE)


def peak_of(cli: Cli) -> tuple[int, int, str]:
    """Exit code, largest resident memory in bytes and stderr of a process that interpolates ``model``."""
    done = cli.python("-c", MEASURED, *INTERPOLATE)
    code, peak = done.stdout.splitlines()[-1].split()
    return int(code), int(peak) * 1024, done.stderr


@pytest.fixture(scope="module")
def usual_peak(site: Path, tmp_path_factory: pytest.TempPathFactory) -> int:
    """Largest resident memory of a process that interpolates an undamaged model."""
    folder = tmp_path_factory.mktemp("usual")
    untrained().save_pretrained(folder / "model")
    code, peak, _ = peak_of(Cli(site, folder))
    assert code == 0
    return peak


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of a process's memory is read there")
@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"encoder": {"width": 10**12}}, "width = 1000000000000: Input should be less than or equal to 4096"),
        # All within their bounds, and together 150 GB.
        ({"encoder": {"width": 4096, "scales": 4}}, "model.safetensors lacks 'encoder.layers.16.weight'"),
        ({"decoder": {"width": 4096}}, "the config says (8192, 2, 3, 3)"),
        ({"image": {"height": 2048, "width": 2048}, "encoder": {"width": 4096}}, "the config says"),
    ],
    ids=["beyond a bound", "encoder", "decoder", "image"],
)
def test_an_absurd_size_is_refused_without_being_allocated(
    cli: Cli, model: Path, usual_peak: int, changes: dict[str, Any], expected: str
) -> None:
    change_config(model, **changes)
    code, peak, error = peak_of(cli)
    assert code == 2
    assert error.count("\n") == 1
    assert expected in error
    assert peak <= usual_peak + 32 * 2**20


@pytest.mark.parametrize("sums", [True, False])
@pytest.mark.parametrize("kept", [0, 7, 100, -1])
def test_a_truncated_weights_file(refuses: Callable[..., str], model: Path, kept: int, sums: bool) -> None:
    path = model / "model.safetensors"
    path.write_bytes(path.read_bytes()[:kept])
    if sums:
        assert "model.safetensors is damaged: its SHA-256 is " in refuses(*INTERPOLATE)
    else:
        (model / "SHA256SUMS").unlink()
        assert "model.safetensors is not a whole safetensors file: " in refuses(*INTERPOLATE)


def test_a_weights_file_whose_header_claims_the_world(refuses: Callable[..., str], model: Path) -> None:
    header = json.dumps(
        {"encoder.layers.0.weight": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}
    ).encode()
    (model / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    (model / "SHA256SUMS").unlink()
    assert "is not a whole safetensors file" in refuses(*INTERPOLATE)


def test_a_pickle_is_never_read(refuses: Callable[..., str], model: Path, tmp_path: Path) -> None:
    bomb = b"cos\nsystem\n(S'touch " + str(tmp_path / "boom").encode() + b"'\ntR."
    (model / "model.safetensors").write_bytes(bomb)
    (model / "model.pt").write_bytes(bomb)
    (model / "SHA256SUMS").unlink()
    assert "is not a whole safetensors file" in refuses(*INTERPOLATE)
    assert not (tmp_path / "boom").exists()


def test_a_tensor_of_another_shape(refuses: Callable[..., str], model: Path) -> None:
    change_weights(model, lambda tensors: tensors.update({"encoder.layers.0.bias": torch.zeros(5)}))
    assert "has 'encoder.layers.0.bias' of shape (5,), the config says (4,)" in refuses(*INTERPOLATE)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
@pytest.mark.parametrize("sums", [True, False])
def test_a_missing_file(refuses: Callable[..., str], model: Path, name: str, sums: bool) -> None:
    (model / name).unlink()
    if not sums:
        (model / "SHA256SUMS").unlink()
    assert name in refuses(*INTERPOLATE)


def test_sums_that_are_no_text(refuses: Callable[..., str], model: Path) -> None:
    (model / "SHA256SUMS").write_bytes(b"\xff\xfe")
    assert "SHA256SUMS is damaged: it is not text" in refuses(*INTERPOLATE)


def test_values_outside_the_range_of_images(model: Path) -> None:
    loaded = load(model)
    with pytest.raises(ImageError, match=r"image values lie in \[-1\.00, 1\.00\], expected \[0, 1\]"):
        loaded.encode(torch.linspace(-1, 1, 256).view(1, 16, 16))
    with pytest.raises(ImageError, match=r"\[0\.00, 255\.00\], expected \[0, 1\]: divide by 255"):
        loaded.encode(torch.linspace(0, 255, 256).view(1, 16, 16))


@pytest.mark.parametrize("name", ["x.png", "x.gif"])
@pytest.mark.usefixtures("model")
def test_a_picture_that_does_not_fit_the_disk_leaves_the_old_one_whole(cli: Cli, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("the old one")
    message = cli.refuses("interpolate", "./model", "-o", name, preexec_fn=_at_most(512))
    assert message == f"cannot write {name!r}: File too large; what stood there before is whole"
    assert (tmp_path / name).read_text() == "the old one"
    assert not [*tmp_path.glob(".*")]


def test_a_checkpoint_that_does_not_fit_the_disk_leaves_the_old_one_whole(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    old = tmp_path / "run" / "checkpoint.safetensors"
    old.write_text("the old one")
    message = cli.refuses("train", "tiny", "--output", "run", preexec_fn=_at_most(512))
    assert "already holds a training" in message
    old.unlink()
    done = cli("train", "tiny", "--output", "run", preexec_fn=_at_most(512))
    assert done.returncode == 2
    assert "Error: cannot write 'run/checkpoint.safetensors': File too large" in done.stderr
    assert [*(tmp_path / "run").iterdir()] == []


def test_saving_a_model_that_does_not_fit_the_disk_leaves_the_old_one_whole(cli: Cli, model: Path) -> None:
    before = (model / "model.safetensors").read_bytes()
    code = "import interpzoo; model = interpzoo.load('./model'); model.decoder.half(); model.save_pretrained('./model')"
    done = cli.python("-c", code, preexec_fn=_at_most(2000))
    assert done.returncode == 1
    assert "OutputError: cannot write " in done.stderr
    assert (model / "model.safetensors").read_bytes() == before
    assert load(model).example_strip().isfinite().all()


def _at_most(size: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
