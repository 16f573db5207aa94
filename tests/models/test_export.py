"""Models that are exported, and run without torch."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import save
from torch import Generator, Tensor, nn

import interpzoo
import interpzoo.onnx
from interpzoo import wrap
from interpzoo.cli.app import run
from interpzoo.config import Component, Framing
from interpzoo.errors import ConfigError, ImageError, InputError, OutputError, WeightsError
from interpzoo.files import locked
from interpzoo.interfaces import Interpolator, LatentModel, Prior
from interpzoo.model import InterpolationModel
from interpzoo.onnx import ExportedModel
from interpzoo.pretrained.locate import locate
from interpzoo.registry import Kind
from tests.tiny import random_images, tiny_model

pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

pytestmark = pytest.mark.slow  # torch takes seconds to export even a small network

CLOSE = 2e-5
RAGGED: Any = [[1.0], [1.0, 2.0]]


def with_examples(model: InterpolationModel) -> InterpolationModel:
    model.examples = model.encode(random_images(6, model.config.image)).detach()
    return model


@pytest.fixture(scope="module")
def model() -> InterpolationModel:
    return with_examples(tiny_model("vae", channels=3))


@pytest.fixture(scope="module")
def folder(model: InterpolationModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return model.export(tmp_path_factory.mktemp("exported"))


@pytest.fixture(scope="module")
def exported(folder: Path) -> ExportedModel:
    return interpzoo.onnx.load(folder, threads=1)


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "copy"))


def near(found: np.ndarray, expected: Tensor) -> bool:
    return found.shape == expected.shape and np.allclose(found, expected.detach().numpy(), atol=CLOSE)


def codes_of(exported: ExportedModel, n: int) -> np.ndarray:
    """Two batches of `n` codes."""
    return np.ones((2, n, *exported.latent_shape), np.float32)


@pytest.mark.parametrize("n", [1, 7])
def test_it_encodes_and_decodes_as_torch_does(model: InterpolationModel, exported: ExportedModel, n: int) -> None:
    images = random_images(n, model.config.image)
    codes = exported.encode(images.numpy())
    assert near(codes, model.encode(images))
    assert near(exported.decode(codes), model.decode(torch.from_numpy(codes)))


@pytest.mark.parametrize("path", ["linear", "slerp"])
def test_paths_are_those_of_torch(model: InterpolationModel, exported: ExportedModel, path: str) -> None:
    a, b = random_images(2, model.config.image)
    t = [-0.25, 0.0, 0.3, 1.0, 1.5]
    found = exported.interpolate(a.numpy(), b.numpy(), t=t, path=path)  # pyright: ignore[reportArgumentType]
    assert near(found, model.interpolate(a, b, t=t, interpolator=path))


@pytest.mark.parametrize("path", ["linear", "slerp"])
def test_even_steps_are_those_of_torch(model: InterpolationModel, exported: ExportedModel, path: str) -> None:
    a, b = random_images(4, model.config.image).split(2)
    found = exported.interpolate(a.numpy(), b.numpy(), 7, path=path, spacing="even")  # pyright: ignore[reportArgumentType]
    assert near(found, model.interpolate(a, b, 7, interpolator=path, spacing="even"))


def test_the_great_circle_between_opposite_equal_and_zero_codes_is_a_line(exported: ExportedModel) -> None:
    z = np.ones((1, *exported.latent_shape), dtype=np.float32)
    for other in (-z, z, 0 * z):
        lines = [exported.decode_path(z, other, 3, path=path) for path in ("linear", "slerp")]
        assert np.allclose(*lines, atol=CLOSE)


@pytest.mark.filterwarnings("ignore:.* is .* of which .* takes the middle")
def test_pictures_are_fitted_as_in_torch(model: InterpolationModel, exported: ExportedModel, tmp_path: Path) -> None:
    picture = Image.fromarray((random_images(1, model.config.image)[0].permute(1, 2, 0) * 255).byte().numpy())
    picture = picture.resize((40, 24))
    picture.save(tmp_path / "picture.png")
    for image in (picture, tmp_path / "picture.png", str(tmp_path / "picture.png")):
        assert near(exported.encode([image, image]), model.encode([image, image]))


def test_a_digit_gets_its_border_as_in_torch(tmp_path: Path) -> None:
    model = tiny_model(size=(20, 20))
    model.config = model.config.model_copy(update={"framing": Framing(border=2)})
    exported = interpzoo.onnx.load(model.export(tmp_path / "bordered"))
    picture = Image.fromarray((torch.rand(16, 16) * 255).byte().numpy())
    assert near(exported.encode(picture), model.encode(picture))
    assert not near(exported.encode(picture.resize((20, 20))), model.encode(picture))


def test_one_image_is_paired_with_each_of_the_others(exported: ExportedModel) -> None:
    a, b = np.zeros((3, 16, 16), np.float32), np.ones((4, 3, 16, 16), np.uint8)
    assert exported.interpolate(a, b, 5).shape == (4, 5, 3, 16, 16)
    assert exported.interpolate(a, b[0], 5).shape == (5, 3, 16, 16)
    with pytest.raises(InputError, match="2 cannot be paired with 4"):
        exported.interpolate(b[:2], b)


def test_one_code_is_paired_with_each_of_the_others(exported: ExportedModel) -> None:
    codes = np.random.default_rng(0).standard_normal((3, *exported.latent_shape), dtype=np.float32)
    frames = exported.decode_path(codes[:1], codes, 4)
    assert np.allclose(frames[2], exported.decode_path(codes[:1], codes[2:], 4)[0], atol=CLOSE)
    assert np.allclose(frames[:, ::-1], exported.decode_path(codes, codes[:1], 4), atol=CLOSE)


def test_no_codes_give_no_images_as_in_torch(model: InterpolationModel, exported: ExportedModel) -> None:
    none = np.zeros((0, *exported.latent_shape), np.float32)
    assert exported.decode(none).shape == model.decode(torch.from_numpy(none)).shape
    for spacing in ("linear", "even"):
        assert exported.decode_path(none, none[:1], 5, spacing=spacing).shape == (0, 5, 3, 16, 16)


def test_samples_repeat_with_the_seed(exported: ExportedModel) -> None:
    first, again, other = (exported.sample(2, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda e: e.encode([]), ImageError, "there are no images"),
        (
            lambda e: e.encode(np.zeros((1, 16, 16), np.float32)),
            ImageError,
            r"shape \(1, 16, 16\): expected \(3, 16, 16",
        ),
        (lambda e: e.encode(np.full((3, 16, 16), 255.0)), ImageError, r"lie in \[255.00, 255.00\]"),
        (lambda e: e.encode(np.full((3, 16, 16), np.nan)), ImageError, "expected"),
        (lambda e: e.encode(np.zeros((3, 16, 16), int)), ImageError, "an array of int64"),
        (lambda e: e.encode("missing.png"), ImageError, "'missing.png'"),
        (lambda e: e.encode(3), ImageError, "3 is not an image"),
        (lambda e: e.encode(np.zeros((3, 16, 16), np.uint8), size=(32, 32)), InputError, "the only size"),
        (lambda e: e.encode(np.zeros((3, 16, 16), np.uint8), size=(16, 16, 3)), InputError, r"\(16, 16, 3\): expected"),
        (lambda e: e.decode(np.zeros((2, 3), np.float32)), InputError, r"codes of shape \(2, 3\)"),
        (lambda e: e.decode(np.full((1, *e.latent_shape), np.inf)), InputError, "finite"),
        (lambda e: e.decode(np.full((1, *e.latent_shape), 1e300)), InputError, "finite"),
        (lambda e: e.decode(RAGGED), InputError, r"codes of shape \(\) and object"),
        (
            lambda e: e.decode_path(*codes_of(e, 2), path=["linear"]),
            InputError,
            r"path = \['linear'\]: expected 'linear'",
        ),
        (lambda e: e.decode_path(*codes_of(e, 2), path=""), InputError, "path = ''"),
        (lambda e: e.decode_path(codes_of(e, 2)[0], "z"), InputError, "z1 of shape"),
        (lambda e: e.decode_path(codes_of(e, 2)[0][:, :1], codes_of(e, 2)[1]), InputError, "z0 of shape"),
        (lambda e: e.decode_path(*codes_of(e, 2)[:, :, :1]), InputError, "z0 of shape"),
        (lambda e: e.decode_path(codes_of(e, 2)[0], codes_of(e, 3)[0]), InputError, "2 cannot be paired with 3"),
        (lambda e: e.decode_path(*codes_of(e, 2), t="x"), InputError, "t = 'x'"),
        (lambda e: e.decode_path(*codes_of(e, 2), t=[[0], [0, 1]]), InputError, "t = "),
        (lambda e: e.interpolate(*np.zeros((2, 3, 16, 16), np.uint8), 1), InputError, "steps = 1"),
        (lambda e: e.interpolate(*np.zeros((2, 3, 16, 16), np.uint8), t=[np.nan]), InputError, "t = "),
        (lambda e: e.interpolate(*np.zeros((2, 3, 16, 16), np.uint8), path="geodesic"), InputError, "'geodesic'"),
        (lambda e: e.interpolate(*np.zeros((2, 3, 16, 16), np.uint8), spacing="odd"), InputError, "spacing = 'odd'"),
        (lambda e: e.interpolate(*np.zeros((2, 3, 16, 16), np.uint8), t=[0], spacing="even"), InputError, "both given"),
        (lambda e: interpzoo.onnx.save_strip("x.png", RAGGED), ImageError, r"frames of shape \(\)"),
        (lambda e: e.sample(0), InputError, "n = 0"),
        (lambda e: e.sample(1, seed=-1), InputError, "seed = -1"),
    ],
)
def test_bad_input_is_refused(
    exported: ExportedModel, call: Callable[[ExportedModel], object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        call(exported)


def test_no_torch_is_imported(folder: Path, tmp_path: Path) -> None:
    code = (
        "import sys, interpzoo.onnx, numpy as np\n"
        f"model = interpzoo.onnx.load({str(folder)!r})\n"
        "frames = model.interpolate(*np.zeros((2, 3, 16, 16), np.uint8), spacing='even')\n"
        f"interpzoo.onnx.save_strip({str(tmp_path / 'strip.png')!r}, frames)\n"
        "assert 'torch' not in sys.modules and 'pydantic' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_damaged_or_missing_file_is_refused(copy: Path) -> None:
    content = bytearray((copy / "decoder.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (copy / "decoder.onnx").write_bytes(content)
    with pytest.raises(WeightsError, match=r"decoder\.onnx is damaged"):
        interpzoo.onnx.load(copy)
    (copy / "decoder.onnx").unlink()
    with pytest.raises(WeightsError, match=r"decoder\.onnx cannot be read"):
        interpzoo.onnx.load(copy)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not valid JSON"),
        ("[]", "does not describe"),
        ('{"format": true}', "does not describe"),
        ('{"format": -3}', "does not describe .* format = -3"),
        ('{"format": 99}', "has format 99"),
        (f'{{"format": 1, "name": "{"x" * 2**20}"}}', "larger than 1,048,576 bytes"),
        ('{"format": 1, "networks": "onnx", "name": "x"}', "damaged"),
        ('{"format": 1, "networks": "onnx", "name": "x", "image": 3}', "damaged"),
    ],
)
def test_another_description_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "model.json").write_text(text)
    with pytest.raises(ConfigError, match=message):
        interpzoo.onnx.load(tmp_path)


def test_every_part_of_the_description_may_be_missing_or_odd(copy: Path) -> None:
    description = json.loads((copy / "model.json").read_text())
    image = description["image"]
    missing = object()
    unread = {"method", "license", "versions", "difference", "layout", "colors", "range"}
    fine: set[tuple[str, object]] = {("name", "?"), ("prior", None), ("multiple", None)}
    for key in [*description, *image]:
        for odd in (missing, None, [], "?", -1):
            if key in unread or (not isinstance(odd, list) and (key, odd) in fine):
                continue
            outer = {name: part for name, part in description.items() if name != key}
            inner = {name: part for name, part in image.items() if name != key}
            if odd is not missing:
                (inner if key in image else outer)[key] = odd
            changed = outer | {"image": inner} if key in image else outer
            (copy / "model.json").write_text(json.dumps(changed))
            with pytest.raises((ConfigError, WeightsError), match=r"model\.json|does not hold ONNX networks"):
                interpzoo.onnx.load(copy)
    for key in unread & description.keys():
        del description[key]
    (copy / "model.json").write_text(json.dumps(description | {"name": "?", "prior": None}))
    loaded = interpzoo.onnx.load(copy)
    assert loaded.name == "?"
    with pytest.raises(InputError, match="has no prior"):
        loaded.sample(1)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no tensors", "holds no codes"),
        (save({"frames": np.zeros((2, 3), np.float32)}), "holds no codes"),
        (
            save({"codes": np.zeros((2, 3), np.float32)}),
            r"holds codes of shape \(2, 3\) and float32, expected \(n, 2, 4",
        ),
    ],
)
def test_a_file_of_examples_without_codes_is_refused(copy: Path, content: bytes, message: str) -> None:
    description = json.loads((copy / "model.json").read_text())
    description["files"]["examples.safetensors"] = hashlib.sha256(content).hexdigest()
    (copy / "model.json").write_text(json.dumps(description))
    (copy / "examples.safetensors").write_bytes(content)
    with pytest.raises(WeightsError, match=message):
        interpzoo.onnx.load(copy)


def test_another_folder_is_left_alone(model: InterpolationModel, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"already holds 'notes\.txt'"):
        model.export(tmp_path)
    other = {"model.json": '{"format": "layers-model"}', "encoder.onnx": "mine"}  # as TensorFlow.js writes it
    for name, content in other.items():
        (tmp_path / name).write_text(content)
    with pytest.raises(OutputError, match=r"cannot replace what is in .*model\.json does not describe"):
        model.export(tmp_path)
    assert {name: (tmp_path / name).read_text() for name in other} == other
    with pytest.raises(InputError, match="format = 'tflite'"):
        model.export(tmp_path / "new", "tflite")  # pyright: ignore[reportArgumentType]


def test_an_older_export_is_replaced_and_other_files_are_kept(copy: Path) -> None:
    (copy / "notes.txt").write_text("mine")
    plain = wrap(nn.AvgPool2d(2), nn.Upsample(scale_factor=2), image=(3, 8, 8)).eval()  # without examples
    plain.export(copy, "pt2")
    assert {path.name for path in copy.iterdir()} == {"encoder.pt2", "decoder.pt2", "model.json", "notes.txt"}


def test_exports_of_several_processes_to_one_folder_wait_for_each_other(copy: Path) -> None:
    plain = wrap(nn.AvgPool2d(2), nn.Upsample(scale_factor=2), image=(3, 8, 8)).eval()
    with locked(copy, wait=True):
        thread = threading.Thread(target=plain.export, args=(copy, "pt2"))
        thread.start()
        thread.join(3)
        assert thread.is_alive()
        interpzoo.onnx.load(copy)
    thread.join(60)
    assert (copy / "encoder.pt2").exists()


def test_a_full_disk_leaves_the_older_export(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {path: path.read_bytes() for path in copy.iterdir()}
    plain = wrap(nn.AvgPool2d(2), nn.Upsample(scale_factor=2), image=(3, 8, 8)).eval()
    written: list[str] = []

    def full(number: int) -> None:
        written.append("")
        if len(written) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match=f"cannot write '{copy}/.*': No space left on device; the old"):
        plain.export(copy, "pt2")
    assert {path: path.read_bytes() for path in copy.iterdir()} == before


def test_an_export_that_was_killed_can_be_repeated(model: InterpolationModel, copy: Path) -> None:
    before = {path.name for path in copy.iterdir()}
    (copy / "model.json").unlink()
    (copy / ".0123456789abcdef.tmp").write_text("a part")
    model.export(copy)
    assert {path.name for path in copy.iterdir()} == before
    (copy / "model.json").unlink()
    (copy / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"already holds 'notes\.txt'"):
        model.export(copy)


def test_float16_halves_the_size_and_stays_close(model: InterpolationModel, copy: Path) -> None:
    before = (copy / "decoder.onnx").stat().st_size
    assert model.export(copy, half=True) == copy
    assert (copy / "decoder.onnx").stat().st_size < before
    z = np.random.default_rng(0).standard_normal((3, *model.latent_shape), dtype=np.float32)
    expected = model.decode(torch.from_numpy(z)).detach().numpy()
    found = interpzoo.onnx.load(copy).decode(z)
    assert 0 < np.abs(found - expected).max() < 1e-2


def test_a_program_of_torch_computes_the_same(model: InterpolationModel, tmp_path: Path) -> None:
    program = torch.export.load(model.export(tmp_path / "pt2", "pt2") / "decoder.pt2").module()
    z = torch.randn(3, *model.latent_shape)
    assert torch.allclose(program(z), model.decode(z), atol=CLOSE)
    with pytest.raises(ConfigError, match="does not hold ONNX networks but 'pt2'"):
        interpzoo.onnx.load(tmp_path / "pt2")


def test_a_model_of_any_size_stays_one(tmp_path: Path) -> None:
    half = wrap(nn.AvgPool2d(2), nn.Upsample(scale_factor=2), image=(3, 8, 12), size_multiple=4).eval()
    exported = interpzoo.onnx.load(half.export(tmp_path / "halving"))
    image = torch.rand(3, 16, 4)
    assert near(exported.decode(exported.encode(image.numpy())), half.reconstruct(image))
    assert near(exported.encode(image.numpy(), size=(16, 4)), half.encode(image))
    with pytest.raises(InputError, match="expected multiples of 4"):
        exported.encode(image.numpy(), size=(6, 4))
    with pytest.raises(InputError, match=r"\(1, 3, 4, 6\) and \(1, 3, 2, 6\) cannot be paired"):
        exported.decode_path(np.ones((1, 3, 4, 6), np.float32), np.ones((1, 3, 2, 6), np.float32))


class Bent(Interpolator):
    def __call__(self, z0: Tensor, z1: Tensor, t: Tensor, *, model: LatentModel) -> Tensor:
        return torch.stack([z0 + z1 for _ in t], 1)


class Uniform(Prior):
    def sample(self, n: int, *, generator: Generator | None = None) -> Tensor:
        return torch.rand(n, *self.latent_shape, generator=generator)

    def log_prob(self, z: Tensor) -> Tensor:
        return torch.zeros(len(z))


def test_a_plugins_path_and_prior_are_not_taken_for_ours_of_the_same_name(
    tmp_path: Path, register_mine: Callable[[Kind, str, type], None]
) -> None:
    register_mine("interpolator", "slerp", Bent)
    register_mine("prior", "normal", Uniform)
    for plugin, path, prior in (("mine", "linear", None), ("baselines", "slerp", "normal")):
        names = {"interpolator": Component(name=f"{plugin}:slerp"), "prior": Component(name=f"{plugin}:normal")}
        model = wrap(nn.Identity(), nn.Identity(), image=(1, 8, 8)).eval()
        model.config = model.config.model_copy(update=names)
        description = interpzoo.onnx.load(model.export(tmp_path / plugin)).description
        assert (description["path"], description["prior"]) == (path, prior)


class Branching(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * 2 if x.sum() > 0 else x - 1


class Counting(nn.Module):
    """Its number of images is that of the example that it is exported with: `len` of a tensor is a plain number."""

    def forward(self, x: Tensor) -> Tensor:
        return x + x.new_zeros(len(x), *x.shape[1:])


@pytest.mark.parametrize("kind", ["onnx", "pt2"])
def test_a_network_whose_number_of_images_is_fixed_is_refused_in_one_line(
    tmp_path: Path, kind: Literal["onnx", "pt2"]
) -> None:
    with pytest.raises(InputError, match="cannot be exported: ") as raised:
        wrap(nn.Identity(), Counting(), image=(3, 8, 8)).eval().export(tmp_path / "counting", kind)
    assert "\n" not in str(raised.value)
    assert not [*(tmp_path / "counting").iterdir()]


def test_what_cannot_be_exported_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be exported"):
        wrap(nn.Identity(), Branching(), image=(3, 8, 8)).eval().export(tmp_path / "branching")
    assert not [*(tmp_path / "branching").iterdir()]
    with pytest.raises(InputError, match="draws one pixel after another"):
        interpzoo.create("vae-pixelcnn-mnist").export(tmp_path / "pixels")


def of_each_kind() -> list[str]:
    """The first bundled model of each pair of networks."""
    found: dict[tuple[str, str, int], str] = {}
    for name in interpzoo.list_models():
        config = locate(name).config()
        found.setdefault((config.encoder.name, config.decoder.name, config.image.channels), name)
    return [*found.values()]


@pytest.mark.parametrize("name", of_each_kind())
def test_bundled_models_of_each_kind_are_exported(name: str, tmp_path: Path) -> None:
    assert run(["export", name, "-o", str(tmp_path / name)]) == 0
    model, exported = interpzoo.load(name), interpzoo.onnx.load(tmp_path / name)
    assert model.examples is not None
    z0, z1 = model.examples[:2, None]
    frames = model.decode(model.interpolate_codes(z0, z1, torch.linspace(0, 1, 9), interpolator="linear")[0])
    assert near(exported.decode_path(z0.numpy(), z1.numpy(), path="linear")[0], frames)
    images = model.decode(model.examples).clamp(0, 1)
    codes = model.encode(images).detach().numpy()
    # A template's encoder descends step by step, and each step carries on what the one before rounded otherwise.
    close = 1e-3 if name.startswith("template") else CLOSE
    assert np.allclose(exported.encode(images.detach().numpy()), codes, atol=close * max(1.0, np.abs(codes).max()))
