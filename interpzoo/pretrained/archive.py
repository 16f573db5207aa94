"""Files of ``torch.save`` (.pt, .pth, .bin): their tensors, without unpickling anything.

Such a file is a zip archive with the numbers of each storage and a small pickle that says which tensors they make up. A
pickle is a program. `pickletools` lists its steps, and here those that build dictionaries, plain values and tensors are
followed, without calling anything by name. Any other step is refused.
"""

import hashlib
import io
import math
import pickletools
import zipfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor

from interpzoo.errors import WeightsError
from interpzoo.pretrained.reading import check_digest, read_bytes
from interpzoo.text import quoted

MOST_ARCHIVE_BYTES: Final = 1 << 30
"""Largest file of ``torch.save``, which is read as a whole."""
MOST_PROGRAM_BYTES: Final = 1 << 20
"""Largest pickle in it: some 10,000 tensors."""

_MOST_ITEMS: Final = 10_000
"""Tensors, values and dictionaries in each other."""
_LONGEST_NAME: Final = 1_000
"""Characters of a tensor's name, with those of the dictionaries that it is in."""

_STORAGES: Final = {
    "torch DoubleStorage": torch.float64,
    "torch FloatStorage": torch.float32,
    "torch HalfStorage": torch.float16,
    "torch BFloat16Storage": torch.bfloat16,
    "torch LongStorage": torch.int64,
    "torch IntStorage": torch.int32,
}
_TENSOR, _PARAMETER = "torch._utils _rebuild_tensor_v2", "torch._utils _rebuild_parameter"
_DICTIONARIES: Final = ("collections OrderedDict", "builtins dict")
_VALUES: Final = frozenset(
    ("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT")
)
_CONSTANTS: Final = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_TUPLES: Final = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_MARK: Final = object()


class _Name(NamedTuple):
    """A function or class, by name: it is not looked up."""

    text: str


class _Storage(NamedTuple):
    """Numbers in the archive."""

    key: str
    dtype: torch.dtype
    numel: int


class _View(NamedTuple):
    """A tensor on a storage."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class Archive:
    """The tensors of a file of ``torch.save``; those of dictionaries in each other have names with dots.

    Raises:
        WeightsError: the file is missing, damaged, too large or of another hash, or holds something other than tensors
            and plain values.
    """

    def __init__(self, path: Path, sha256: str | None = None) -> None:
        self._path = path
        try:
            content = read_bytes(path, MOST_ARCHIVE_BYTES)
        except FileNotFoundError:
            raise WeightsError(f"{path.parent} has no {path.name}") from None
        check_digest(path, hashlib.sha256(content).hexdigest(), sha256)
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(content))
        except (zipfile.BadZipFile, ValueError, OSError, EOFError) as error:
            raise WeightsError(
                f"{path} is not a file of torch.save since torch 1.6 ({error}): expected safetensors, or a state dict "
                "saved by a newer torch"
            ) from None
        programs = [name for name in self._zip.namelist() if name.count("/") == 1 and name.endswith("/data.pkl")]
        if len(programs) != 1:
            raise WeightsError(f"{path} is not a file of torch.save: it has {len(programs)} programs, expected one")
        self._root = programs[0].partition("/")[0]
        if f"{self._root}/byteorder" in self._zip.namelist() and self._bytes("byteorder", 16) != b"little":
            raise WeightsError(f"{path} was saved on a machine with another byte order")
        self._views = dict(self._tensors(self._followed(self._bytes("data.pkl", MOST_PROGRAM_BYTES))))
        self.shapes = {name: view.shape for name, view in self._views.items()}

    def read(self, wanted: Collection[str]) -> dict[str, Tensor]:
        """The tensors of these names, in memory of their own; raises a `WeightsError` if their numbers are damaged."""
        found: dict[str, Tensor] = {}
        for name in wanted:
            view = self._views[name]
            size = view.storage.numel * view.storage.dtype.itemsize
            content = self._bytes(f"data/{view.storage.key}", size)
            last = view.offset + sum((n - 1) * step for n, step in zip(view.shape, view.strides, strict=True))
            if len(content) != size or (math.prod(view.shape) and last >= view.storage.numel):
                raise WeightsError(f"{self._path} is damaged: {name!r} has fewer numbers than its shape says")
            numbers = torch.frombuffer(bytearray(content), dtype=view.storage.dtype) if size else torch.empty(0)
            found[name] = numbers.as_strided(view.shape, view.strides, view.offset).clone().contiguous()
        return found

    def _bytes(self, name: str, most: int) -> bytes:
        try:
            entry = self._zip.getinfo(f"{self._root}/{name}")
            # What is compressed could become larger than the file.
            if entry.compress_type != zipfile.ZIP_STORED or entry.file_size > most:
                raise WeightsError(f"{self._path}: its {name} is compressed or has more than {most:,} bytes")
            return self._zip.read(entry)
        # What zipfile raises for damaged or encrypted entries; a missing one is a LookupError.
        except (LookupError, zipfile.BadZipFile, ValueError, OSError, EOFError, RuntimeError) as error:
            raise WeightsError(f"{self._path} is damaged: its {name} cannot be read: {error}") from None

    def _tensors(self, value: object) -> Iterator[tuple[str, _View]]:
        """The tensors of nested dictionaries, which may contain one another many times."""
        left: list[tuple[str, object]] = [("", value)]
        seen = 0
        while left:
            name, item = left.pop()
            if len(name) > _LONGEST_NAME:
                raise WeightsError(f"{self._path} has a name of over {_LONGEST_NAME:,} characters: {quoted(name)}")
            if isinstance(item, _View):
                yield name, item
            elif isinstance(item, dict):
                seen += 1 + len(item)
                if seen > _MOST_ITEMS:
                    raise WeightsError(f"{self._path} has more than {_MOST_ITEMS:,} tensors and values")
                left += [(f"{name}.{key}".lstrip("."), inner) for key, inner in item.items()]

    def _followed(self, program: bytes) -> object:
        try:
            return self._run(program)
        except WeightsError:
            raise
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise WeightsError(f"{self._path} is damaged: its program cannot be followed: {error}") from None

    def _run(self, program: bytes) -> object:
        stack: list[Any] = []
        memo: dict[int, Any] = {}

        def since_mark() -> list[Any]:
            at = len(stack) - 1
            while stack[at] is not _MARK:
                at -= 1
            items = stack[at + 1 :]
            del stack[at:]
            return items

        for code, argument, _ in pickletools.genops(program):
            match code.name:
                case "PROTO" | "FRAME":
                    pass
                case "MARK":
                    stack.append(_MARK)
                case "EMPTY_DICT":
                    stack.append({})
                case "EMPTY_LIST":
                    stack.append([])
                case "EMPTY_TUPLE":
                    stack.append(())
                case "TUPLE":
                    stack.append(tuple(since_mark()))
                case "TUPLE1" | "TUPLE2" | "TUPLE3":
                    n = _TUPLES[code.name]
                    stack[-n:] = [tuple(stack[-n:])]
                case "NONE" | "NEWTRUE" | "NEWFALSE":
                    stack.append(_CONSTANTS[code.name])
                case "GLOBAL":
                    stack.append(_Name(str(argument)))
                case "STACK_GLOBAL":
                    module, name = stack[-2:]
                    stack[-2:] = [_Name(f"{module} {name}")]
                case "BINPUT" | "LONG_BINPUT":
                    memo[int(str(argument))] = stack[-1]
                case "MEMOIZE":
                    memo[len(memo)] = stack[-1]
                case "BINGET" | "LONG_BINGET":
                    stack.append(memo[int(str(argument))])
                case "APPEND":
                    item = stack.pop()
                    target: Any = stack[-1]
                    target.append(item)
                case "APPENDS":
                    items = since_mark()
                    target = stack[-1]
                    target.extend(items)
                case "SETITEM":
                    key, value = stack[-2:]
                    del stack[-2:]
                    stack[-1][self._key(key)] = value
                case "SETITEMS":
                    items = since_mark()
                    stack[-1].update(zip(map(self._key, items[::2]), items[1::2], strict=True))
                case "BUILD":  # attributes of a dictionary, such as the versions of its modules
                    stack.pop()
                    if not isinstance(stack[-1], dict):
                        raise self._refused("an object with attributes")
                case "BINPERSID":
                    stack.append(self._storage(stack.pop()))
                case "REDUCE":
                    name, arguments = stack[-2:]
                    stack[-2:] = [self._made(name, arguments)]
                case "STOP":
                    return stack.pop()
                case name if name in _VALUES:
                    stack.append(argument)
                case name:
                    raise self._refused(f"the step {name!r}")
        raise ValueError("it does not end")

    def _key(self, key: object) -> str | int:
        """A key of a dictionary. A tuple that holds itself twice, over and over, would take hours to hash or print."""
        if not isinstance(key, str | int):
            raise self._refused(f"a dictionary with a key of type {type(key).__name__!r}")
        return key

    def _made(self, name: object, arguments: Any) -> object:
        """What a call of a name would make, for those that make dictionaries and tensors."""
        if not isinstance(name, _Name):
            raise self._refused("a call")
        if name.text in _DICTIONARIES and arguments == ():
            return {}
        if name.text == _TENSOR:
            storage, offset, shape, strides = arguments[:4]
            numbers = (offset, *shape, *strides)
            if isinstance(storage, _Storage) and len(shape) == len(strides) and all(_is_size(n) for n in numbers):
                return _View(storage, offset, tuple(shape), tuple(strides))
            raise ValueError("a tensor is not described by sizes")
        if name.text == _PARAMETER and isinstance(arguments[0], _View):
            return arguments[0]
        raise self._refused(f"{name.text.replace(' ', '.')!r}")

    def _storage(self, value: Any) -> _Storage:
        kind, storage, key, _, numel = value
        if kind != "storage" or not isinstance(storage, _Name) or storage.text not in _STORAGES:
            found = quoted(storage.text) if isinstance(storage, _Name) else f"type {type(storage).__name__!r}"
            raise self._refused(f"a storage of {found}")
        if not isinstance(key, str) or not key.isalnum() or not _is_size(numel):
            raise ValueError("a storage without a name or size")
        return _Storage(key, _STORAGES[storage.text], numel)

    def _refused(self, what: str) -> WeightsError:
        return WeightsError(
            f"{self._path} holds {what}, which is not a plain tensor: nothing is unpickled. Expected a state dict, or "
            "safetensors"
        )


def _is_size(value: object) -> bool:
    return type(value) is int and 0 <= value < 1 << 48
