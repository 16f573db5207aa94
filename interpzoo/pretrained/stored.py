"""Safetensors files: each tensor is read into memory of its own, and the bytes that are read are those that are hashed.

The library's own reader maps the file into memory: values would change, and the process end, when the file does.
"""

import hashlib
import json
import math
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

import torch
from safetensors.torch import save
from torch import Tensor

from interpzoo.errors import InputError, WeightsError
from interpzoo.files import atomic_write
from interpzoo.pretrained.reading import MOST_FILE_BYTES, WHOLE_AGAIN, check_digest, open_regular, unique_keys

MOST_HEADER_BYTES: Final = 1 << 20
"""Largest header of a safetensors file, which is parsed before anything is known of it: some 10,000 tensors."""

_TYPES: Final[Mapping[str, torch.dtype]] = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
"""The types that are read and written: those that every module can be computed or indexed with."""

_PIECE: Final = 1 << 20

Shapes = Mapping[str, tuple[int, ...]]


class _Entry(NamedTuple):
    """One tensor, as the header describes it."""

    name: str
    dtype: torch.dtype
    shape: tuple[int, ...]
    start: int
    end: int


def read_tensors(
    path: Path,
    check: Callable[[Shapes], None] | None = None,
    *,
    most: int = MOST_FILE_BYTES,
    sha256: str | None = None,
    wanted: Collection[str] | None = None,
) -> dict[str, Tensor]:
    """The tensors of a safetensors file, in memory of their own.

    Args:
        path: the file.
        check: is given the shapes that the header claims, before anything is allocated; raises what it refuses.
        most: largest size of the file in bytes.
        sha256: the hash that the bytes must have.
        wanted: names of the tensors to return; all by default.

    Raises:
        WeightsError: the file is missing, damaged or too large, or has a tensor of another type than floating point of
            16 to 64 bits, integer or bool.
    """
    digest = hashlib.sha256() if sha256 is not None else None
    found: dict[str, Tensor] = {}
    try:
        with open_regular(path, most) as (file, size):
            entries, header = _read_header(file, path, size)
            if check is not None:
                check({entry.name: entry.shape for entry in entries})
            if digest is not None:
                digest.update(header)
            for entry in entries:
                if wanted is None or entry.name in wanted:
                    found[entry.name] = torch.empty(entry.shape, dtype=entry.dtype)
                    pieces = [memoryview(found[entry.name].reshape(-1).view(torch.uint8).numpy().data)]
                elif digest is None:
                    file.seek(entry.end - entry.start, 1)
                    continue
                else:
                    pieces = _spare(entry.end - entry.start)
                for piece in pieces:
                    if file.readinto(piece) != len(piece):  # pyright: ignore[reportAttributeAccessIssue]
                        raise WeightsError(f"{path} changed while it was read: try again")
                    if digest is not None:
                        digest.update(piece)
    except FileNotFoundError:
        raise WeightsError(f"{path.parent} has no {path.name}. {WHOLE_AGAIN}") from None
    if digest is not None:
        check_digest(path, digest.hexdigest(), sha256)
    for name, tensor in found.items():
        if tensor.dtype == torch.bool and bool((tensor.view(torch.uint8) > 1).any()):
            raise WeightsError(f"{path} is not a whole safetensors file: {name!r} has bytes that are not 0 or 1")
    return found


def read_shapes(path: Path) -> Shapes:
    """The shapes of the tensors of a safetensors file, from its header; raises as `read_tensors`."""
    try:
        with open_regular(path, MOST_FILE_BYTES) as (file, size):
            return {entry.name: entry.shape for entry in _read_header(file, path, size)[0]}
    except FileNotFoundError:
        raise WeightsError(f"{path.parent} has no {path.name}. {WHOLE_AGAIN}") from None


def _spare(size: int) -> list[memoryview]:
    """Buffers, all of the same memory, to read `size` bytes that only the hash needs."""
    buffer = memoryview(bytearray(min(size, _PIECE)))
    whole, rest = divmod(size, _PIECE)
    return [buffer] * whole + [buffer[:rest]] * (rest > 0)


def _read_header(file: BinaryIO, path: Path, size: int) -> tuple[list[_Entry], bytes]:
    """The tensors in the order of their bytes, and the bytes of the header with its length."""
    refused = f"{path} is not a whole safetensors file"
    start = file.read(8)
    length = int.from_bytes(start, "little")
    if length > MOST_HEADER_BYTES:
        raise WeightsError(f"{refused}: its header would have {length:,} bytes, expected at most {MOST_HEADER_BYTES:,}")
    text = file.read(length)
    if len(start) < 8 or len(text) < length:
        raise WeightsError(f"{refused}: it ends within its header")
    try:
        value = json.loads(text.decode("utf-8"), object_pairs_hook=unique_keys)
    except (ValueError, RecursionError) as error:
        raise WeightsError(f"{refused}: its header is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise WeightsError(f"{refused}: its header is not an object")
    entries = sorted(
        (_entry(name, described, path) for name, described in value.items() if name != "__metadata__"),
        key=lambda entry: (entry.start, entry.end),
    )
    ends = [0, *(entry.end for entry in entries)]
    if any(entry.start != end for entry, end in zip(entries, ends, strict=False)):
        raise WeightsError(f"{refused}: its tensors overlap or have gaps")
    if ends[-1] != size - 8 - length:
        raise WeightsError(f"{refused}: it has {size:,} bytes, its header says {ends[-1] + 8 + length:,}")
    return entries, start + text


def _entry(name: str, value: Any, path: Path) -> _Entry:
    match value:
        case {"dtype": str(kind), "shape": [*shape], "data_offsets": [int(start), int(end)]}:
            if all(type(side) is int and side >= 0 for side in shape):
                dtype = _TYPES.get(kind)
                if dtype is None:
                    raise WeightsError(f"{path} has {name!r} in {kind!r}, expected one of {', '.join(_TYPES)}")
                if start >= 0 and end - start == math.prod(shape) * dtype.itemsize:
                    return _Entry(name, dtype, tuple(shape), start, end)
        case _:
            pass
    raise WeightsError(f"{path} is not a whole safetensors file: its header has an impossible entry {name!r}")


def check_shapes(path: Path, found: Shapes, expected: Shapes) -> None:
    """Raise a `WeightsError` unless the names and shapes in a file are the expected ones."""
    problems = [f"lacks {name!r}" for name in expected if name not in found]
    problems += [f"has {name!r}, which the config's modules do not" for name in found if name not in expected]
    problems += [
        f"has {name!r} of shape {tuple(shape)}, the config says {tuple(expected[name])}"
        for name, shape in found.items()
        if name in expected and shape != expected[name]
    ]
    if problems:
        more = f" (and {len(problems) - 3} more)" if len(problems) > 3 else ""
        raise WeightsError(f"{path} {'; '.join(problems[:3])}{more}")


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write a safetensors file atomically; raises an `InputError` for a tensor that `read_tensors` would refuse."""
    for name, tensor in tensors.items():
        if tensor.dtype not in _TYPES.values() or tensor.layout != torch.strided or tensor.is_meta:
            raise InputError(
                f"{name!r} cannot be saved: it is in {tensor.dtype} on {tensor.device}, expected a dense tensor in one "
                f"of {', '.join(str(dtype) for dtype in _TYPES.values())}"
            )
    # Copied, because safetensors refuses tensors that share memory, such as tied weights.
    contiguous = {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in tensors.items()}
    with atomic_write(path) as temporary:
        temporary.write_bytes(save(contiguous))
