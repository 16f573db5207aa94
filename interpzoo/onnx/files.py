"""The exported folder: its description, and files that are read once and checked."""

import hashlib
import json
from pathlib import Path
from typing import Any, Final

import numpy as np

from interpzoo.errors import ConfigError, MissingDependencyError, WeightsError, how_to_install
from interpzoo.files import open_regular
from interpzoo.onnx.arrays import Array
from interpzoo.text import explained, quoted

FORMAT: Final = 1
"""Version of ``model.json``; a reader refuses a later one."""
DESCRIPTION, EXAMPLES = "model.json", "examples.safetensors"
METADATA: Final = "interpzoo"
"""Key of the description in the networks' metadata."""

_MOST_BYTES: Final = 1 << 20  # of the description


def read_description(folder: Path) -> dict[str, Any]:
    """As `described`; raises a `ConfigError` also if the networks are not for ONNX Runtime."""
    value = described(folder)
    if value.get("networks") != "onnx":
        raise ConfigError(
            f"{folder} does not hold ONNX networks but {quoted(value.get('networks'))}: export with 'onnx'"
        )
    return value


def described(folder: Path) -> dict[str, Any]:
    """The content of ``model.json``; raises a `ConfigError` if it is not one that this version reads."""
    description = folder / DESCRIPTION
    try:
        with open_regular(description) as file:
            content = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise ConfigError(
            f"{folder} is not an exported model ({DESCRIPTION}: {error.strerror}): see interpzoo export"
        ) from None
    if len(content) > _MOST_BYTES:
        raise ConfigError(f"{description} does not describe an exported model: it is larger than {_MOST_BYTES:,} bytes")
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{description} is not valid JSON: {error}") from None
    version = value.get("format") if isinstance(value, dict) else None
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        found = "it has no format" if version is None else f"format = {quoted(version)}, expected 1 to {FORMAT}"
        raise ConfigError(f"{description} does not describe an exported model: {found}")
    if version > FORMAT:
        raise ConfigError(f"{description} has format {version}, this interpzoo reads up to {FORMAT}: upgrade it")
    return value


def session(folder: Path, name: str, digest: str, threads: int | None) -> Any:
    """ONNX Runtime's session of a network, on the CPU.

    Args:
        folder, name, digest: as in `read_file`.
        threads: how many threads compute it; all cores if ``None``.

    Raises:
        WeightsError: as `read_file`, or ONNX Runtime cannot run the file.
        MissingDependencyError: ONNX Runtime is not installed.
    """
    try:
        import onnxruntime as runtime
    except ImportError as error:
        raise MissingDependencyError(f"exported models need ONNX Runtime ({error}): {how_to_install('onnx')}") from None
    content = read_file(folder, name, digest)
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    if threads is not None:
        options.intra_op_num_threads = threads
    try:
        return runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime has its own classes
        raise WeightsError(
            f"{folder / name} cannot be run by ONNX Runtime {runtime.__version__}: {explained(error)}"
        ) from None


def read_examples(folder: Path, files: dict[str, str], shape: tuple[int, ...]) -> Array | None:
    """Example codes (n, *shape), or ``None`` if `files`, the SHA-256 of each file, lists none.

    Raises:
        WeightsError: as `read_file`, or the file holds no such codes.
    """
    if EXAMPLES not in files:
        return None
    from safetensors import SafetensorError
    from safetensors.numpy import load as load_tensors

    content = read_file(folder, EXAMPLES, files[EXAMPLES])
    try:
        codes = load_tensors(content)["codes"]
    except (SafetensorError, KeyError) as error:  # KeyError also for types that NumPy has not
        raise WeightsError(f"{folder / EXAMPLES} holds no codes ({explained(error)}): export the model again") from None
    if codes.shape[1:] != shape or codes.dtype.kind != "f":
        raise WeightsError(
            f"{folder / EXAMPLES} holds codes of shape {codes.shape} and {codes.dtype}, expected (n, "
            f"{str(shape)[1:]} and floats: export the model again"
        )
    return codes.astype(np.float32)


def read_file(folder: Path, name: str, digest: str) -> bytes:
    """The content of a file of the folder.

    Raises:
        WeightsError: it cannot be read, or its SHA-256 is not `digest`.
    """
    try:
        with open_regular(folder / name) as file:
            content = file.read()
    except OSError as error:
        raise WeightsError(f"{folder / name} cannot be read ({error.strerror}): export the model again") from None
    if hashlib.sha256(content).hexdigest() != digest:
        raise WeightsError(f"{folder / name} is damaged: it has another SHA-256 than {DESCRIPTION} lists")
    return content
