"""Random configs and safetensors files: each loads or is refused with an error of this package."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from interpzoo import load
from interpzoo.errors import InterpzooError, WeightsError
from interpzoo.pretrained.folder import read_hashes
from interpzoo.pretrained.stored import read_tensors
from tests.safety.hostile import CONFIG, WEIGHTS, Files, good, header

BOUNDED = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
"""The same examples in every run, and few of them."""

PARTS = [
    "name",
    "image",
    "encoder",
    "decoder",
    "prior",
    "interpolator",
    "format",
    "kind",
    "method",
    "plugins",
    "trained",
]
SIZES = ["width", "scales", "height", "channels", "latent_channels", "posterior", "output", "activation", "target"]
KEYS = st.sampled_from([*PARTS, *SIZES])
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.integers(0, 5000),
    st.floats(),
    st.text(max_size=40),
    st.sampled_from(["conv", "linear", "slerp", "normal", "timm", "vhp", "os.system", "baselines:conv", "../x", "vae"]),
)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=8
)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return {
        name: data for name, data in good(tmp_path_factory.mktemp("good") / "model").items() if name != "SHA256SUMS"
    }


@pytest.fixture(scope="module")
def folder(files: Files, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A valid folder without a list of hashes, to be overwritten."""
    folder = tmp_path_factory.mktemp("fuzz")
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def places(value: Any) -> Iterator[tuple[dict[str, Any], str]]:
    """Every object in a config, with each of its keys."""
    if isinstance(value, dict):
        for key in value:
            yield value, key
            yield from places(value[key])


@BOUNDED
@given(data=st.data())
def test_a_config_with_random_changes(files: Files, folder: Path, data: st.DataObject) -> None:
    value = json.loads(files[CONFIG])
    for _ in range(data.draw(st.integers(1, 3))):
        target, key = data.draw(st.sampled_from([*places(value)]))
        if data.draw(st.booleans()):
            target[key] = data.draw(VALUES)
        else:
            target[data.draw(KEYS)] = data.draw(VALUES)
    (folder / CONFIG).write_text(json.dumps(value))
    (folder / WEIGHTS).write_bytes(files[WEIGHTS])
    with suppress(InterpzooError):
        load(folder)


@BOUNDED
@given(noise=st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_a_config_of_noise(files: Files, folder: Path, noise: bytes) -> None:
    (folder / CONFIG).write_bytes(noise)
    with pytest.raises(InterpzooError):
        load(folder)


SHAPES = st.lists(st.integers(-1, 2**40) | st.integers(0, 8), max_size=5)
ENTRIES = st.fixed_dictionaries(
    {},
    optional={
        "dtype": st.sampled_from(["F32", "F16", "BF16", "I64", "BOOL", "F8_E4M3", "C64", "X"]) | LEAVES,
        "shape": SHAPES | LEAVES,
        "data_offsets": st.lists(st.integers(-1, 2**64) | st.integers(0, 64), max_size=3) | LEAVES,
    },
)
NAMES = st.sampled_from(["encoder.layers.0.weight", "encoder.layers.0.bias", "__metadata__", "../x", ""])


@BOUNDED
@given(described=st.dictionaries(NAMES, ENTRIES | LEAVES, max_size=4), body=st.binary(max_size=64))
def test_a_safetensors_header_of_random_entries(
    files: Files, folder: Path, described: dict[str, Any], body: bytes
) -> None:
    (folder / CONFIG).write_bytes(files[CONFIG])
    (folder / WEIGHTS).write_bytes(header(described, body))
    with suppress(WeightsError):
        read_tensors(folder / WEIGHTS)
    with pytest.raises(InterpzooError):
        load(folder)


@BOUNDED
@given(data=st.data())
def test_weights_with_random_bytes(files: Files, folder: Path, data: st.DataObject) -> None:
    changed = bytearray(files[WEIGHTS])
    end = 8 + int.from_bytes(changed[:8], "little")
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, end + 8))] = data.draw(st.integers(0, 255))
    (folder / CONFIG).write_bytes(files[CONFIG])
    (folder / WEIGHTS).write_bytes(changed[: data.draw(st.integers(0, len(changed)))])
    with suppress(InterpzooError):
        load(folder)


@BOUNDED
@given(noise=st.binary(max_size=300) | st.text(alphabet="0a /.\n", max_size=200).map(str.encode))
def test_a_list_of_noise(folder: Path, noise: bytes) -> None:
    (folder / "SHA256SUMS").write_bytes(noise)
    with suppress(WeightsError):
        assert read_hashes(folder) == {}
    (folder / "SHA256SUMS").unlink()
