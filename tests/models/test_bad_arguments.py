"""Every public function with wrong types and values: it works, or one line says what is wrong."""

from __future__ import annotations

import inspect
import itertools
import random
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import FunctionType
from typing import Any

import interpzoo_lol
import interpzoo_riemannian
import numpy as np
import pytest
import torch
from interpzoo_riemannian import NotConvergedWarning
from PIL import Image
from torch import Tensor, nn

import interpzoo
from interpzoo.config import Framing
from interpzoo.errors import InterpzooError
from interpzoo.model import InterpolationModel
from tests.tiny import random_images, tiny_fitness, tiny_model

NESTED: list[Any] = []
NESTED.append(NESTED)
DEEP: list[Any] = []
for _ in range(3000):
    DEEP = [DEEP]

NO_PATHS = Path("a\0b"), Path("x" * 300)
"""Paths that no file system has."""

WRONG: Mapping[str, Any] = {
    "none": None,
    "true": True,
    "word": "seven",
    "digits": "9",
    "empty text": "",
    "null": "a\0b",
    "surrogate": "\ud800",
    "bytes": b"9",
    "fraction": 2.5,
    "whole float": 9.0,
    "nan": float("nan"),
    "infinite": float("inf"),
    "minus one": -1,
    "zero": 0,
    "beyond 32 bits": 2**32,
    "beyond 63 bits": 2**63,
    "beyond 64 bits": 2**64,
    "beyond a float": 10**400,
    "beyond printing": 10**5000,
    "beyond float32": 1e300,
    "complex": 1j,
    "list": [],
    "table": {},
    "numbers": [0.5, float("nan")],
    "huge numbers": [10**400],
    "ragged": [[1.0], [1.0, 2.0]],
    "list in itself": NESTED,
    "deep list": DEEP,
    "object": object(),
    "class": int,
    "function": len,
    "array": np.zeros((2, 3)),
    "object array": np.array([None, "x"], dtype=object),
    "masked array": np.ma.array(np.zeros((2, 3)), mask=True),
    "complex array": np.zeros((2, 3), dtype=complex),
    "bytes to change": bytearray(b"9"),
    "picture without pixels": Image.new("RGB", (0, 5)),
    "long name": "x" * 300,
    "numpy number": np.float64(2.5),
    "tensor": torch.zeros(2, 3),
    "scalar tensor": torch.tensor(2.5),
    "empty tensor": torch.zeros(0),
    "whole tensor": torch.zeros(1, 2, 4, 4, dtype=torch.int64),
    "complex tensor": torch.zeros(1, 2, 4, 4, dtype=torch.complex64),
    "float8 tensor": torch.zeros(1, 2, 4, 4).to(torch.float8_e5m2),
    "meta tensor": torch.zeros(1, 2, 4, 4, device="meta"),
    "sparse tensor": torch.zeros(1, 2, 4, 4).to_sparse(),
    "nan codes": torch.full((1, 2, 4, 4), torch.nan),
    "huge codes": torch.full((1, 2, 4, 4), 1e300, dtype=torch.float64),
    "large codes": torch.full((1, 2, 4, 4), 3e38),
    "file that is not there": Path("not-there.png"),
    "layer": nn.Linear(1, 1),
    "dtype": torch.float8_e5m2,
    "device": "nowhere:7",
}
"""Values that no argument, or not every argument, may have."""


def _frames_anew(folder: Path, frames: Tensor, scale: int) -> list[Path]:
    """`save_frames` in a folder that the call before has not filled."""
    shutil.rmtree("d", ignore_errors=True)
    return interpzoo.save_frames(folder, frames, scale=scale)


def _streamed_anew(folder: Path, parts: Any, scale: int) -> int:
    """`save_stream`, as `_frames_anew`."""
    shutil.rmtree("d", ignore_errors=True)
    return interpzoo.save_stream(folder, parts, scale=scale)


def _is_bright(images: Tensor) -> Tensor:
    return images.flatten(1).mean(1) - 0.5


def calls(folder: Path) -> dict[str, tuple[Callable[..., Any], dict[str, Any]]]:
    """The public functions with arguments that work."""
    model = tiny_model("vae")
    model.config = model.config.model_copy(update={"framing": Framing(ink=True)})
    a, b = random_images(2, model.config.image)
    model.fitness = tiny_fitness(model)
    z0, z1 = torch.randn(2, 1, *model.latent_shape)
    model.examples = torch.cat([z0, z1])
    there = interpzoo.Direction("x", z0[0])
    frames = torch.rand(1, 3, 1, 4, 4)
    flat, code, other = nn.Sequential(nn.Linear(2, 3), nn.Tanh()), torch.randn(1, 2), torch.randn(1, 2)
    codes = torch.randn(12, 2)
    pair: dict[str, Any] = {"decoder": flat, "z0": code, "z1": other, "steps": 4}
    shots: dict[str, Any] = {"decoder": flat, "z": code, "v": 0.1 * other, "steps": 4}
    corners = dict(zip(("x00", "x01", "x10", "x11"), (a, b, b, a), strict=True))
    return {
        "encode": (model.encode, {"images": a, "refine": 0}),
        "decode": (model.decode, {"codes": z0}),
        "forward": (model.forward, {"images": a}),
        "reconstruct": (model.reconstruct, {"images": a, "refine": 0, "batch_size": 1}),
        "unlike": (model.unlike, {"images": a}),
        "frame": (model.frame, {"images": a, "how": "ink", "size": None}),
        "sample": (model.sample, {"n": 1, "seed": 0, "batch_size": 1}),
        "interpolate": (model.interpolate, {"a": a, "b": b, "steps": 3, "t": None, "interpolator": None, "refine": 0}),
        "stream": (
            lambda **given: [*model.stream(**given)],
            {"a": a[None], "b": b[None], "steps": 3, "t": None, "interpolator": None, "pairs": 1},
        ),
        "interpolate_codes": (model.interpolate_codes, {"z0": z0, "z1": z1, "t": [0.5], "interpolator": None}),
        "solve": (model.solve, {"z0": z0, "z1": z1, "t": [0.5], "interpolator": None}),
        "positions": (model.positions, {"z0": z0, "z1": z1, "steps": 3, "spacing": "even", "interpolator": None}),
        "morph": (
            model.morph,
            {"images": [a, b], "steps": 3, "spacing": "even", "interpolator": None, "batch_size": None},
        ),
        "grid": (model.grid, {**corners, "rows": 2, "cols": 2, "interpolator": None, "batch_size": None}),
        "mix": (model.mix, {"images": [a, b], "weights": [0.5, 0.5], "mixer": "mixup", "batch_size": None}),
        "counterfactual": (
            model.counterfactual,
            {"images": a, "classifier": _is_bright, "target": 1, "towards": torch.ones_like(a), "steps": 3},
        ),
        "walk": (
            model.walk,
            {"z0": model.encode(a), "z1": model.encode(b), "steps": 3, "spacing": "even", "interpolator": None},
        ),
        "example_strip": (model.example_strip, {"pairs": 1, "steps": 3, "interpolator": None, "batch_size": None}),
        "direction": (
            model.direction,
            {"positive": a, "negative": b, "name": "x", "probe": True, "orthogonal_to": (), "batch_size": 1},
        ),
        "edit": (model.edit, {"images": a, "direction": there, "strengths": [0.0, 1.0], "size": None, "refine": 0}),
        "traverse": (model.traverse, {"image": a, "directions": [there], "strengths": [1.0], "count": 1}),
        "save_directions": (interpzoo.save_directions, {"path": folder / "e.safetensors", "directions": [there]}),
        "save_image": (interpzoo.save_image, {"path": folder / "a.png", "image": frames[0, 0]}),
        "save_strip": (interpzoo.save_strip, {"path": folder / "b.png", "frames": frames, "scale": 1}),
        "save_gif": (interpzoo.save_gif, {"path": folder / "c.gif", "frames": frames, "scale": 1, "seconds": 0.1}),
        "save_video": (
            interpzoo.save_video,
            {"path": folder / "c.gif", "frames": frames, "fps": 5, "loop": "once", "hold": 0.1, "keys": [0]},
        ),
        "save_frames": (
            _frames_anew,
            {"folder": folder / "d", "frames": frames, "scale": 1},
        ),
        "save_stream": (_streamed_anew, {"folder": folder / "d", "parts": [frames], "scale": 1}),
        "to_pil": (interpzoo.to_pil, {"images": frames[0]}),
        "to_strip": (interpzoo.to_strip, {"frames": frames, "scale": 1, "enlarge": "smooth"}),
        "score": (
            interpzoo.score,
            {"paths": frames, "ends": (a[:, :4, :4], b[:, :4, :4]), "size": (4, 4), "metrics": ["end-mse"], "seed": 0},
        ),
        "ease": (interpzoo.ease, {"steps": 3, "easing": "linear"}),
        "create": (interpzoo.create, {"recipe": "ae-lines", "seed": 0}),
        "wrap": (
            interpzoo.wrap,
            {"encoder": nn.Flatten(), "decoder": nn.Unflatten(1, (1, 4, 4)), "image": (1, 4, 4)},
        ),
        "geodesic": (
            interpzoo_riemannian.geodesic,
            {**pair, "tolerance": 1e-3, "max_iterations": 3, "batch_size": 8, "init": None, "method": "auto"},
        ),
        "exponential_map": (interpzoo_riemannian.exponential_map, {**shots, "batch_size": 8}),
        "logarithm_map": (interpzoo_riemannian.logarithm_map, {**pair, "tolerance": 1e-3, "batch_size": 8}),
        "parallel_transport": (
            interpzoo_riemannian.parallel_transport,
            {"decoder": flat, "path": torch.stack([code, other], 1), "v": code, "batch_size": 8},
        ),
        "analogy": (interpzoo_riemannian.analogy, {"decoder": flat, "a": code, "b": other, "c": code, "steps": 4}),
        "metric": (interpzoo_riemannian.metric, {"decoder": flat, "z": code, "batch_size": 8}),
        "density_aware": (interpzoo_riemannian.density_aware, {"decoder": flat, "codes": codes, "weight": 1.0}),
        "combine": (interpzoo_lol.combine, {"codes": codes[None, :2], "weights": torch.ones(1, 2), "mean": 0.0}),
        "neighbor_path": (interpzoo_riemannian.neighbor_path, {**pair, "codes": codes, "neighbors": 5}),
    }


ELSEWHERE = {
    "load",
    "load_directions",
    "export",
    "stimuli",
    "verify",
    "push",
    "train",
    "evaluate",
    "save_pretrained",
    "push_to_hub",
}
"""Functions that read or write folders or the Hub, or train: their own tests give them what is wrong."""


def tensors(value: object) -> Iterator[Tensor]:
    """The tensors in a result."""
    if isinstance(value, Tensor):
        yield value
    for field in (
        vars(value).values() if hasattr(value, "__dict__") and not isinstance(value, (Tensor, nn.Module)) else ()
    ):
        yield from tensors(field)


def public_functions() -> set[str]:
    """The functions of `interpzoo`, of a model and of the plugins whose functions take codes that users call."""
    functions = {
        name
        for module in (interpzoo, interpzoo_lol, interpzoo_riemannian)
        for name in module.__all__
        if isinstance(getattr(module, name), FunctionType)
    }
    methods = {
        name
        for owner in InterpolationModel.__mro__
        if owner.__module__.startswith("interpzoo")
        for name, member in vars(owner).items()
        if callable(member) and not name.startswith("_")
    }
    return {name for name in functions | methods if not name.startswith("list_")} - {"register"}


def test_every_public_function_is_tried(tmp_path: Path) -> None:
    assert public_functions() == {*calls(tmp_path)} | ELSEWHERE


@pytest.mark.parametrize("share", [0.3, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", sorted(public_functions() - ELSEWHERE))
def test_a_wrong_argument_is_one_line_or_works(
    name: str, share: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    function, arguments = calls(tmp_path)[name]
    function(**arguments)
    public = getattr(interpzoo, name, None) or getattr(interpzoo.InterpolationModel, name, function)
    assert {*arguments} <= {*inspect.signature(public).parameters}
    faults: list[str] = []
    draw = random.Random(name)
    for argument, (label, value) in itertools.product(arguments, WRONG.items()):
        if draw.random() > share:
            continue
        where = f"{name}({argument} = {label})"
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", NotConvergedWarning)
                warnings.filterwarnings("ignore", "no image with another answer was found")
                warnings.filterwarnings("ignore", ".*a GIF shows a frame for whole hundredths")
                warnings.filterwarnings("ignore", ".* unlike the images that")
                result = function(**{**arguments, argument: value})
        except InterpzooError as error:
            if len(str(error).splitlines()) != 1 or len(str(error)) > 400:
                faults.append(f"{where}: {error}")
        except Exception as error:
            faults.append(f"{where}: {type(error).__name__}: {error}")
        else:
            faults += [f"{where}: not finite" for found in tensors(result) if not bool(found.isfinite().all())]
    assert not faults, "\n" + "\n".join(faults)


REFUSED: list[tuple[str, dict[str, Any]]] = [
    *(("evaluate", {name: value}) for name in ("model", "protocol", "features", "progress") for value in (1, b"x", [])),
    ("evaluate", {"protocol": {}}),
    *(("score", {name: value}) for name in ("paths", "features", "progress") for value in (1, b"x")),
    *(("train", {name: value}) for name in ("recipe", "model", "changes", "trackers") for value in (1, b"x", [1])),
    *(
        ("stimuli", {name: value})
        for name in ("models", "pairs", "output", "t", "interpolators", "features", "progress")
        for value in (1, b"\0\1")
    ),
    *(("push", {"repository": value}) for value in (None, 1, b"a/b")),
    *(("list_models", {name: value}) for name in ("pattern", "method", "dataset", "license") for value in (1, [])),
    *((name, {"pattern": []}) for name in ("list_metrics", "list_recipes", "list_interpolators", "list_datasets")),
    ("save_frames", {"frames": {}}),
    *((name, {"path": Path("x" * 300 + ".png")}) for name in ("save_image", "save_strip")),
    *(("train", {name: path}) for name in ("recipe", "output", "data_root", "dataset") for path in NO_PATHS),
    *(("stimuli", {name: path}) for name in ("pairs", "output") for path in NO_PATHS),
    *(("score", {"paths": path}) for path in NO_PATHS),
    *(("load_directions", {"path": path}) for path in NO_PATHS),
    *((name, {"target": path}) for name in ("export", "save_pretrained") for path in NO_PATHS),
]
"""Arguments that are refused before anything is read or trained."""


@pytest.mark.parametrize(("name", "wrong"), REFUSED, ids=str)
def test_a_wrong_argument_is_refused_before_the_work(
    name: str, wrong: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    frames = torch.rand(1, 3, 1, 4, 4)
    right: dict[str, dict[str, Any]] = {
        "evaluate": {"model": tiny_model()},
        "score": {"paths": frames},
        "train": {"recipe": "ae-lines", "output": "run"},
        "stimuli": {"models": "ae-lines", "pairs": [("a.png", "b.png")], "output": "pack"},
        "push": {"folder": "./run"},
        "save_frames": {"folder": "frames"},
        "save_image": {"image": frames[0, 0]},
        "save_strip": {"frames": frames},
    }
    public = getattr(interpzoo, name, None) or getattr(tiny_model(), name)
    with pytest.raises(InterpzooError) as caught:
        public(**{**right.get(name, {}), **wrong})
    assert len(str(caught.value)) < 400
    assert not [*tmp_path.iterdir()]
