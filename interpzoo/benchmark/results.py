"""What a benchmark writes: one JSON file for each candidate on a task, with scores, intervals and reasons."""

from __future__ import annotations

import base64
import errno
import json
import os
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, field_validator
from torch import Tensor

from interpzoo.benchmark.metric import Control, Family
from interpzoo.benchmark.protocol import EvaluationProtocol
from interpzoo.config import Component, ImageSpec, Schema, validate
from interpzoo.errors import ConfigError, OutputError
from interpzoo.files import locked, made, write_text, writing
from interpzoo.text import quoted

FORMAT: Final = 2
"""Version of the records and of the measures in them. Scores of different versions are not compared: 2 has several
probes of alpha, targets, paired resamples, and no ends of pairs among the images that frames are compared with."""
CONTROLS: Final = "controls"
"""Folder of the controls' files, next to those of the models."""
README, HTML = "README.md", "index.html"
"""The pages with all scores."""
_MARKS: Final = {
    README: "the records of `interpzoo benchmark`",
    HTML: "the records of <code>interpzoo benchmark</code>",
}
"""What is on each page, and on nobody else's."""
_MOST_NAME: Final = 100
"""Characters of a file's name that tell what is in it."""


class Score(Schema):
    """The score of a candidate by one metric: a value, or why there is none."""

    title: str
    family: Family
    better: Literal["lower", "higher"]
    value: float | None = None
    low: float | None = None
    """Lower end of the 95 % interval, if there is one."""
    high: float | None = None
    """Upper end of the 95 % interval, if there is one."""
    pairs: int = Field(default=0, ge=0)
    """Number of pairs averaged; 0 if the metric is not per pair."""
    reason: str = ""
    """Why the metric is not applicable."""
    error: str = ""
    """Why the metric could not be measured."""
    seconds: float = Field(default=0.0, ge=0)
    draws: str = ""
    """The resampled scores, see `packed`: those of two candidates on the same pairs belong together, one by one."""

    @field_validator("draws")
    @classmethod
    def _readable(cls, draws: str) -> str:
        _unpacked(draws)
        return draws

    @property
    def resampled(self) -> NDArray[np.float64] | None:
        """The resampled scores (draws,), NaN where a resample has none; ``None`` if there are none."""
        return _unpacked(self.draws) if self.draws else None


def packed(draws: Tensor) -> str:
    """Resampled scores (draws,) as text: float32, little-endian, in base64. A line is easier to keep than 200."""
    return base64.b64encode(draws.numpy().astype("<f4").tobytes()).decode()


def _unpacked(text: str) -> NDArray[np.float64]:
    return np.frombuffer(base64.b64decode(text, validate=True), "<f4").astype(np.float64)


class Record(Schema):
    """The scores of one candidate on one task, as kept in a JSON file."""

    model_config = ConfigDict(populate_by_name=True)

    format: int = Field(default=FORMAT, ge=1, le=FORMAT)
    candidate: str = Field(validation_alias="subject", serialization_alias="subject")
    """Name of the model, see `interpzoo.benchmark.selection.jobs_of`, or of the control."""
    control: bool = False
    method: str = ""
    weights: str = ""
    """`interpzoo.pretrained.folder.fingerprint` of the model; empty for a control."""
    samples: int = Field(default=0, ge=0)
    """Number of training images that the model has seen."""
    data: Component
    image: ImageSpec
    features: str
    """What images are compared by."""
    chosen: bool = False
    """Whether the user asked for these features; otherwise they are the data set's own."""
    protocol: EvaluationProtocol
    versions: dict[str, str] = Field(default_factory=dict)
    scores: dict[str, Score] = Field(default_factory=dict, validation_alias="figures", serialization_alias="figures")
    """Scores by the name of the metric."""

    @property
    def task(self) -> str:
        """Name of the task, see `task_name`: records with the same one are compared with each other."""
        return task_name(self.data, self.image, self.features if self.chosen else "")

    def same_as(self, other: Record) -> bool:
        """Whether candidate, weights, data, features and protocol are the same, so that the scores go together."""
        own = {"scores", "versions"}
        return self.model_dump(exclude=own) == other.model_dump(exclude=own)


def task_name(data: Component, image: ImageSpec, features: str = "") -> str:
    """Name of a task, such as ``mnist-32``, with settings of the data and chosen features if there are any."""
    size = str(image.height) if image.height == image.width else f"{image.height}x{image.width}"
    chosen = f"-{features}" if features else ""
    settings = "".join(f"-{_setting(key, value)}" for key, value in sorted(data.options.items()))
    return _file_name(f"{data.name}{settings}-{size}{chosen}")


def _setting(key: str, value: object) -> str:
    return str(value).removeprefix("./") if key == "source" else f"{key}={value}"


def _file_name(text: str) -> str:
    """`text` as the name of a file on any system; what it loses is told apart by a checksum."""
    plain = "".join(c if c.isalnum() or c in "-_.=@" else "_" for c in text)
    same = plain == text and len(text) <= _MOST_NAME
    return plain if same else f"{plain[:_MOST_NAME]}-{zlib.crc32(text.encode(errors='backslashreplace')):08x}"


def path_of(record: Record, folder: Path) -> Path:
    """The file of a record."""
    parts = (record.task, CONTROLS) if record.control else (record.task,)
    return folder.joinpath(*parts, f"{_file_name(record.candidate)}.json")


def strip_of(record: Record, folder: Path) -> Path:
    """Where a picture of a candidate's paths lies: beside its record."""
    return path_of(record, folder).with_suffix(".png")


def claim_output(folder: Path) -> None:
    """Create a folder for records; raises an `OutputError` if it cannot be created or written to."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


@contextmanager
def claimed(folder: Path) -> Generator[None, None, None]:
    """Keep a folder for the records of one run; it is removed again if it is new and stays empty.

    Raises an `OutputError` if the folder holds something else, another run writes to it, or it cannot be written to.
    """
    with made(folder):
        claim_output(folder)
        for path in (folder / README, folder / HTML, *sorted(folder.glob("**/*.json"))):
            if path.exists() and not _is_own(path):
                raise OutputError(
                    f"{str(path)!r} is not a file of interpzoo benchmark, which reads every .json below its folder and "
                    f"writes {README} and {HTML}: choose another folder"
                )
        with locked(folder):
            yield


def _is_own(path: Path) -> bool:
    """Whether a file is a page, or a record of any version."""
    try:
        text = path.read_text("utf-8")
        if path.name in _MARKS:
            return _MARKS[path.name] in text
        value: Any = json.loads(text)
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(value, dict) and {"subject", "figures"} <= {*cast(dict[str, Any], value)}


def write_record(record: Record, folder: Path) -> Path:
    """Write a record whole or not at all; raises an `OutputError` if it cannot be written."""
    path = path_of(record, folder)
    claim_output(path.parent)
    write_text(path, record.model_dump_json(indent=1, by_alias=True) + "\n")
    return path


def read_record(path: Path) -> Record:
    """A record from its file; raises a `ConfigError` if the file is not a record."""
    try:
        value: Any = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from None
    if not isinstance(value, dict):
        raise ConfigError(f"{path} holds {quoted(value)}, expected an object")
    return validate(Record, value, str(path))


def read_records(folder: Path) -> list[Record]:
    """All records below a folder, by task, then models by name, then controls in their own order.

    Raises a `ConfigError` as `read_record`.
    """
    rank = {name: number for number, name in enumerate(get_args(Control))}
    records = [read_record(path) for path in sorted(folder.glob("**/*.json"))]
    return sorted(records, key=lambda r: (r.task, r.control, rank.get(r.candidate, 0) if r.control else 0, r.candidate))
