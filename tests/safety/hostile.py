"""Hostile repositories, made in code: a good pretrained folder with one thing changed, and a list that agrees."""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import load, save

from tests.tiny import files_of, tiny_model

Files = dict[str, bytes]
CONFIG, WEIGHTS, EXAMPLES, CODES = "config.json", "model.safetensors", "examples.safetensors", "codes.safetensors"


def good(folder: Path) -> Files:
    """A folder of a small model, with everything that one can have."""
    model = tiny_model(examples=4)
    model.codes = model.examples
    return files_of(model.save_pretrained(folder))


def sealed(files: Files) -> Files:
    """The files with a valid list of hashes, so that the hashes are not what refuses them."""
    listed = {name: data for name, data in files.items() if name not in ("README.md", "SHA256SUMS")}
    lines = (f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in listed.items())
    return {**files, "SHA256SUMS": "".join(lines).encode()}


def config(change: Callable[[dict[str, Any]], object]) -> Callable[[Files], Files]:
    """The config changed in place."""

    def changed(files: Files) -> Files:
        value = json.loads(files[CONFIG])
        change(value)
        return {**files, CONFIG: json.dumps(value).encode()}

    return changed


def text(name: str, content: bytes) -> Callable[[Files], Files]:
    """A file replaced."""
    return lambda files: {**files, name: content}


def tensors(name: str, change: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[Files], Files]:
    """A file's tensors changed in place."""

    def changed(files: Files) -> Files:
        found = load(files[name])
        change(found)
        return {**files, name: save(found)}

    return changed


def header(value: object, data: bytes = b"") -> bytes:
    """A safetensors file whose header is `value` as JSON."""
    described = value if isinstance(value, bytes) else json.dumps(value).encode()
    return len(described).to_bytes(8, "little") + described + data


class Boom:
    """Makes a file where it is unpickled."""

    def __init__(self, witness: Path) -> None:
        self.witness = witness

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(self.witness), "w")


def pickled(witness: Path) -> bytes:
    """A pickle that leaves `witness` behind when it is read."""
    return pickle.dumps({"encoder.layers.0.weight": Boom(witness)})


def _poison(name: str, value: float) -> Callable[[dict[str, torch.Tensor]], object]:
    return lambda found: found[name].view(-1)[0].fill_(value)


FIRST = "encoder.layers.0.weight"
_MANY = {f"t{i}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for i in range(15_000)}
_F32 = {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}


class Hostile(NamedTuple):
    """A change and the message that refuses it."""

    change: Callable[[Files], Files]
    expected: str


REPOSITORIES: Mapping[str, Hostile] = {
    # Weights
    "a header of half the world": Hostile(text(WEIGHTS, b"\xff" * 7 + b"\x7f{"), "its header would have 9,"),
    "a header of 64 MB": Hostile(
        text(WEIGHTS, header(b'{"a":[' + b"1," * (32 << 20) + b"1]}")), "expected at most 1,0"
    ),
    "a header of many tensors": Hostile(text(WEIGHTS, header(_MANY)), "lacks 'encoder.layers.0.bias'"),
    "a header of deep nesting": Hostile(text(WEIGHTS, header(b"[" * 500_000)), "is not a whole safetensors file"),
    "a header that is no JSON": Hostile(text(WEIGHTS, header(b"\xff\xfe\x00")), "is not a whole safetensors file"),
    "offsets outside the file": Hostile(
        text(WEIGHTS, header({FIRST: {**_F32, "data_offsets": [0, 1 << 60]}})), "is not a whole safetensors file"
    ),
    "offsets that run backwards": Hostile(
        text(WEIGHTS, header({FIRST: {**_F32, "data_offsets": [16, 0]}}, bytes(16))), "is not a whole safetensors file"
    ),
    "offsets that overlap": Hostile(
        text(WEIGHTS, header({"a": _F32, "b": _F32}, bytes(16))), "is not a whole safetensors file"
    ),
    "a shape that overflows": Hostile(
        text(WEIGHTS, header({FIRST: {**_F32, "shape": [1 << 40, 1 << 40]}}, bytes(16))),
        "is not a whole safetensors file",
    ),
    "an empty file": Hostile(text(WEIGHTS, b""), "is not a whole safetensors file"),
    "a wrong shape": Hostile(
        tensors(WEIGHTS, lambda found: found.update({FIRST: torch.zeros(3, 1, 1, 1)})),
        "has 'encoder.layers.0.weight' of shape (3, 1, 1, 1), the config says (4, 1, 1, 1)",
    ),
    "a tensor too few": Hostile(tensors(WEIGHTS, lambda found: found.pop(FIRST)), "lacks 'encoder.layers.0.weight'"),
    "a tensor named as a path": Hostile(
        tensors(WEIGHTS, lambda found: found.update({"../../x": torch.zeros(1)})), "has '../../x', which the config's"
    ),
    "weights that are not numbers": Hostile(
        tensors(WEIGHTS, _poison(FIRST, float("nan"))), "has values in 'encoder.layers.0.weight' that are not finite"
    ),
    "weights that are infinite": Hostile(
        tensors(WEIGHTS, _poison(FIRST, float("inf"))), "has values in 'encoder.layers.0.weight' that are not finite"
    ),
    "codes that are not numbers": Hostile(
        tensors(CODES, _poison("codes", float("nan"))), "has values in 'codes' that are not finite"
    ),
    "examples of another shape": Hostile(
        tensors(EXAMPLES, lambda found: found.update({"codes": torch.zeros(4, 1 << 10)})), "has 'codes' of shape"
    ),
    "no examples but gigabytes claimed": Hostile(
        text(EXAMPLES, header({"codes": {"dtype": "F32", "shape": [1 << 28, 2, 4, 4], "data_offsets": [0, 1 << 35]}})),
        "is not a whole safetensors file",
    ),
    # Configs
    "a command as a component": Hostile(config(lambda c: c["encoder"].update(name="os.system")), "encoder 'os.system'"),
    "an import path as a component": Hostile(config(lambda c: c["decoder"].update(name="os:system")), "decoder 'os:s"),
    "a path as a component": Hostile(
        config(lambda c: c["encoder"].update(name="../../evil")), "encoder.name = '../../evil'"
    ),
    "a target to import": Hostile(config(lambda c: c["encoder"].update(target="os:system")), "unknown field 'target'"),
    "code to run": Hostile(config(lambda c: c.update(auto_map={"AutoModel": "modeling.Evil"})), "field 'auto_map'"),
    "a command to install": Hostile(
        config(lambda c: c.update(plugins={"evil": "--index-url http://evil x"})), "plugins.evil = '--index-url"
    ),
    "a plugin that nobody has": Hostile(
        config(lambda c: c.update(plugins={"evil": "evil 1.0"})), "if you trust it, 'pip install evil'"
    ),
    "a model of a terabyte": Hostile(
        config(lambda c: c["encoder"].update(width=4096, scales=8, latent_channels=4096)), "multiples of 256 as image"
    ),
    "a model of many gigabytes": Hostile(
        config(lambda c: (c["encoder"].update(width=4096, scales=4), c["decoder"].update(width=4096))),
        "lacks 'encoder.",
    ),
    "an image of a billion pixels": Hostile(
        config(lambda c: c["image"].update(height=1 << 15, width=1 << 15)), "image.height = 32768"
    ),
    "a number beyond all bounds": Hostile(text(CONFIG, b'{"format": 1' + b"0" * 100_000 + b"}"), "is not valid JSON"),
    "infinity": Hostile(text(CONFIG, b'{"format": 1e999}'), "format = inf"),
    "a config of two megabytes": Hostile(text(CONFIG, b'{"x": "' + b"y" * (2 << 20) + b'"}'), "expected at most 1,048"),
    "a config of deep nesting": Hostile(text(CONFIG, b'{"a":' * 100_000), "is not valid JSON"),
    "a config of many keys": Hostile(
        text(CONFIG, json.dumps(dict.fromkeys(map(str, range(80_000)), 0)).encode()), "and 80000 more"
    ),
    "a key that stands twice": Hostile(
        lambda files: {**files, CONFIG: files[CONFIG].rstrip()[:-1] + b', "kind": "interpolator"}'},
        "key 'kind' occurs twice in one object",
    ),
    "a config in another encoding": Hostile(text(CONFIG, "{}".encode("utf-16")), "is not valid JSON"),
    "a name that drives the terminal": Hostile(config(lambda c: c.update(name="\x1b[2J")), "name = '\\x1b[2J'"),
    "the name of another file": Hostile(text(CONFIG, b"../../../../etc/passwd"), "is not valid JSON"),
}
"""Each is refused with its message, from a folder and from the Hub alike."""

LISTS: Mapping[str, bytes] = {
    "a path to elsewhere": b"0" * 64 + b"  ../../etc/passwd\n",
    "an absolute path": b"0" * 64 + b"  /etc/passwd\n",
    "a file that a pretrained folder cannot hold": b"0" * 64 + b"  modeling.py\n",
    "a file that stands twice": (b"0" * 64 + b"  config.json\n") * 2,
    "no hash": b"xyz  config.json\n",
    "no text": b"\xff\xfe\x00",
    "a megabyte": b"0" * (1 << 20),
}
"""Invalid lists of hashes; each is refused."""
