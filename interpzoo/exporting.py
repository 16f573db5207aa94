"""Models beyond Python's torch: ONNX networks for ONNX Runtime, or programs of `torch.export`."""

import hashlib
import json
import logging
import warnings
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import Any, Final, Literal, NamedTuple, cast, get_args

import numpy as np
import torch
from torch import Tensor, nn

from interpzoo.autoencoder import evaluating
from interpzoo.config import Component, ModelConfig
from interpzoo.errors import ConfigError, InputError, MissingDependencyError, OutputError, how_to_install
from interpzoo.files import exchange, expanded, locked, writing
from interpzoo.onnx.files import DESCRIPTION, EXAMPLES, FORMAT, METADATA, described, session
from interpzoo.onnx.paths import LINES
from interpzoo.plugins import registry
from interpzoo.pretrained.stored import write_tensors
from interpzoo.registry import FIRST_PARTY, Kind
from interpzoo.saving import Saved
from interpzoo.text import explained, quoted

Format = Literal["onnx", "pt2"]
"""``onnx``: for ONNX Runtime, see `interpzoo.onnx`. ``pt2``: for `torch.export.load`."""

CLOSE: Final = 1e-3
"""Largest difference of an exported network's values from torch's, relative to values above 1."""
CLOSE_HALF: Final = 1e-2
"""The same where weights are rounded to float16."""

_KINDS: Final = ("encoder", "decoder")
_OWN: Final = {DESCRIPTION, EXAMPLES, *(f"{kind}.{format}" for kind in _KINDS for format in get_args(Format))}
_LEAST_HALVED: Final = 64  # numbers in a weight, below which half the size is no gain
_CHECKED: Final = 5  # images and codes; another number than the network is traced with
_TRACED: Final = 2

Run = Callable[[Tensor], Tensor]


class _Network(NamedTuple):
    module: nn.Module
    inputs: Tensor
    sides: tuple[int, int] | None
    """By what its input's height and width can be divided; ``None``: they are fixed."""


def export(model: Saved, target: str | Path, format: Format = "onnx", *, half: bool = False) -> Path:
    """Write encoder, decoder, examples and a description to a folder; see `interpzoo.InterpolationModel.export`."""
    if format not in ("onnx", "pt2"):
        raise InputError(f"format = {quoted(format)}: expected 'onnx' or 'pt2'")
    if model.decoder.noise_shape is not None:
        raise InputError(
            f"{model.name!r} cannot be exported: its decoder {type(model.decoder).__name__!r} draws one pixel "
            "after another, which is a loop and not a network"
        )
    if model.space is not None:
        raise InputError(
            f"{model.name!r} cannot be exported: the networks that are written leave out its space of codes "
            f"{type(model.space).__name__!r}, and would give other images"
        )
    folder = _claimed(expanded(target))
    examples = _examples(model)
    with _scratch() as made, torch.no_grad(), evaluating(model):
        frames = model.decode(examples)
        description = _description(model, format)
        for kind, network in _networks(model, examples, frames.clamp(0, 1)).items():
            file = made / f"{kind}.{format}"
            run = _to_onnx(network, file, description, half) if format == "onnx" else _to_program(network, file)
            description["difference"][kind] = _check(model.name, kind, network, run, CLOSE_HALF if half else CLOSE)
        if model.examples is not None:
            write_tensors(made / EXAMPLES, {"codes": examples.cpu(), "frames": frames.cpu()})
        contents = {path.name: path.read_bytes() for path in sorted(made.iterdir())}
        description["files"] = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
        contents[DESCRIPTION] = f"{json.dumps(description, indent=2, ensure_ascii=False)}\n".encode()
        with locked(folder, wait=True):
            exchange(folder, contents, _OWN - contents.keys())
    return folder


def _description(model: Saved, format: Format) -> dict[str, Any]:
    image, sizes = model.config.image, model.sizes
    return {
        "format": FORMAT,
        "name": model.name,
        "method": model.config.method,
        "license": model.config.license,
        "image": {
            **image.model_dump(),
            "multiple": sizes.multiple,
            "border": 0 if model.config.framing is None else model.config.framing.border,
            "layout": "NCHW",
            "colors": {1: "gray", 3: "RGB"}.get(image.channels, "any"),
            "range": [0, 1],
        },
        "code": {"shape": [*model.latent_shape]},
        "path": line_of(model.config) or "linear",
        "prior": "normal" if _own_name("prior", model.config.prior) == "normal" else None,
        "networks": format,
        "versions": {name: version(name) for name in ("interpzoo", "torch")},
        "difference": {},
        "files": {},
    }


def line_of(config: ModelConfig) -> str | None:
    """The name in `interpzoo.onnx.paths.LINES` of the model's own path; ``None``: it is another path."""
    name = _own_name("interpolator", config.interpolator)
    return name if name in LINES else None


def _own_name(kind: Kind, component: Component | None) -> str | None:
    """The bare name of a component of this distribution; ``None`` for one of others, which may have the same name."""
    if component is None:
        return None
    row = registry().components[kind].find(component.name)
    return row.name if row.owner.distribution == FIRST_PARTY else None


def _examples(model: Saved) -> Tensor:
    """The model's example codes, or else those of fixed noise."""
    if model.examples is not None and len(model.examples):
        return model.examples
    noise = torch.rand(_CHECKED, *model.config.image.shape, generator=torch.Generator().manual_seed(0))
    return model.encode(noise)


def _networks(model: Saved, codes: Tensor, images: Tensor) -> Mapping[str, _Network]:
    multiple = model.sizes.multiple
    if multiple is None:
        sides = None, None
    else:
        inner = multiple // (model.config.image.height // model.latent_shape[1])
        sides = (multiple, multiple), (inner, inner)
    return {
        "encoder": _Network(_plain(model.encoder), images.cpu(), sides[0]),
        "decoder": _Network(_plain(model.decoder), codes.cpu(), sides[1]),
    }


def _plain(network: nn.Module) -> nn.Module:
    """A copy in float32 and the usual layout, on the CPU."""
    copy = deepcopy(network).cpu().float().requires_grad_(False)
    return copy.to(memory_format=torch.contiguous_format)  # pyright: ignore[reportCallIssue]  # missing from torch's stubs


def _dynamic_shapes(network: _Network) -> tuple[dict[int, Any]]:
    shapes: dict[int, Any] = {0: torch.export.Dim("batch")}
    if network.sides is not None:
        for axis, (name, multiple) in enumerate(zip(("height", "width"), network.sides, strict=True), 2):
            side = torch.export.Dim(name)
            shapes[axis] = side if multiple == 1 else multiple * side
    return (shapes,)


def _to_onnx(network: _Network, file: Path, description: Mapping[str, Any], half: bool) -> Run:
    try:
        import onnx_ir as ir
        import onnxruntime  # noqa: F401  # pyright: ignore[reportUnusedImport]
        import onnxscript  # noqa: F401  # pyright: ignore[reportUnusedImport]
    except ImportError as error:
        raise MissingDependencyError(
            f"exporting to ONNX needs more packages ({error}): {how_to_install('onnx')}"
        ) from None
    kind = file.stem
    names = ("image", "code") if kind == "encoder" else ("code", "image")
    with _exporting(network.module):
        exported = torch.onnx.export(
            network.module,
            (network.inputs[:_TRACED],),
            dynamo=True,
            dynamic_shapes=_dynamic_shapes(network),
            input_names=names[:1],
            output_names=names[1:],
            verbose=False,
        )
    program = cast(torch.onnx.ONNXProgram, exported)
    _halve(ir, program.model, always=half)
    program.model.metadata_props[METADATA] = json.dumps(description)
    program.save(str(file))
    run = session(file.parent, file.name, hashlib.sha256(file.read_bytes()).hexdigest(), None)
    return lambda x: torch.from_numpy(run.run(None, {names[0]: np.ascontiguousarray(x.numpy())})[0])


def _to_program(network: _Network, file: Path) -> Run:
    with _exporting(network.module):
        example = (network.inputs[:_TRACED],)
        program = torch.export.export(network.module, example, dynamic_shapes=_dynamic_shapes(network))
        torch.export.save(program, file)
        return torch.export.load(file).module()


def _halve(ir: Any, model: Any, *, always: bool) -> None:
    """Store weights in float16, where that loses nothing or `always`; they are float32 again before they are used."""
    graph = model.graph
    for name, value in [*graph.initializers.items()]:
        tensor = value.const_value
        if tensor is None or tensor.dtype != ir.DataType.FLOAT or tensor.size < _LEAST_HALVED:
            continue
        numbers = tensor.numpy()
        with np.errstate(over="ignore"):
            halves = numbers.astype(np.float16)
        if not always and not np.array_equal(halves.astype(np.float32), numbers):
            continue
        stored = ir.Value(name=f"{name}.float16", const_value=ir.tensor(halves, name=f"{name}.float16"))
        stored.type, stored.shape = ir.TensorType(ir.DataType.FLOAT16), ir.Shape(halves.shape)
        cast = ir.Node("", "Cast", [stored], [ir.AttrInt64("to", ir.DataType.FLOAT)])
        del graph.initializers[name]
        graph.initializers.add(stored)
        value.replace_all_uses_with(cast.outputs[0])
        cast.outputs[0].name = name
        graph.insert_before(graph[0], cast)


def _check(name: str, kind: str, network: _Network, run: Run, close: float) -> float:
    """The largest difference of an exported network from the module; raises an `InputError` if it is not close."""
    largest = 0.0
    for inputs in (network.inputs[:_CHECKED], network.inputs[:1]):
        expected = network.module(inputs)
        try:
            found = run(inputs)
        except Exception as error:  # ONNX Runtime and torch have many classes for what they cannot run
            raise InputError(
                f"{name!r} cannot be exported: the exported {kind} does not run for {len(inputs)} inputs at once "
                f"({explained(error)}): take sizes in `forward` from x.shape, as len(x) is fixed"
            ) from error
        worst = (found - expected).abs().max().item() if found.shape == expected.shape else float("inf")
        largest = max(largest, worst)
        if not worst <= close * max(1.0, expected.abs().max().item()):
            raise InputError(
                f"{name!r} cannot be exported: the exported {kind} gives other values (by up to {worst:.2g})"
            )
    return largest


def _claimed(folder: Path) -> Path:
    """Create `folder`; raises an `OutputError` if it cannot, or it holds something else than an exported model.

    Without a description it may hold files of an export only, which a killed one leaves behind.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        names = sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))
    others = [name for name in names if name not in _OWN]
    if DESCRIPTION in names:
        try:
            described(folder)
        except ConfigError as error:  # other tools have files of this name
            raise OutputError(f"cannot replace what is in {folder}: {error}") from None
    elif others:
        raise OutputError(f"{folder} already holds {others[0]!r}: choose an empty or a new folder")
    return folder


@contextmanager
def _scratch() -> Generator[Path]:
    """A folder of temporary files; raises an `OutputError` if they cannot be written."""
    try:
        with TemporaryDirectory() as folder:
            yield Path(folder)
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(f"cannot write temporary files to {gettempdir()}: {error.strerror or error}") from error


@contextmanager
def _exporting(module: nn.Module) -> Generator[None]:
    """Without torch's warnings and logs on its own code; raises an `InputError` if torch cannot export the module."""
    logger = logging.getLogger("torch")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except Exception as error:  # torch has many classes for what it cannot export
        raise InputError(f"{type(module).__name__!r} cannot be exported: {explained(error)}") from error
    finally:
        logger.setLevel(level)
