"""What a benchmark writes: one JSON file for each subject on a data set, with figures, intervals and reasons."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final, Literal, get_args

from pydantic import Field

from interpzoo.benchmark.metric import Control, Family
from interpzoo.benchmark.protocol import Protocol
from interpzoo.config import Component, ImageSpec, Schema, validate
from interpzoo.errors import ConfigError, OutputError
from interpzoo.pretrained.folder import write_text

FORMAT: Final = 1
CONTROLS: Final = "controls"
"""Folder of the controls' files beside the models'."""


class Figure(Schema):
    """What one metric says of a subject: a value, or why there is none."""

    title: str
    family: Family
    better: Literal["lower", "higher"]
    value: float | None = None
    low: float | None = None
    high: float | None = None
    """Ends of the interval, where there is one."""
    pairs: int = Field(default=0, ge=0)
    """That the figure is of; 0: it is of other things."""
    reason: str = ""
    """Why it is not applicable."""
    error: str = ""
    """Why it could not be measured."""
    seconds: float = Field(default=0.0, ge=0)


class Record(Schema):
    """One subject on one data set."""

    format: int = Field(default=FORMAT, ge=1, le=FORMAT)
    subject: str
    """A model's name, see `interpzoo.benchmark.run.jobs_of`, or a control's."""
    control: bool = False
    method: str = ""
    weights: str = ""
    """SHA-256 of the model's ``SHA256SUMS``; empty for a control or a model without one."""
    samples: int = Field(default=0, ge=0)
    """Training images that the model has seen."""
    data: Component
    image: ImageSpec
    features: str
    """What images are compared by."""
    chosen: bool = False
    """Whether these features were asked for; else they are the data set's own."""
    protocol: Protocol
    versions: dict[str, str] = Field(default_factory=dict)
    figures: dict[str, Figure] = Field(default_factory=dict)
    """By the metric's name."""

    @property
    def arena(self) -> str:
        """The folder of what is compared with each other, see `arena_name`."""
        return arena_name(self.data, self.image, self.features if self.chosen else "")

    def same_as(self, other: Record) -> bool:
        """Whether both are of the same subject, weights, data, features and protocol: their figures go together."""
        own = {"figures", "versions"}
        return self.model_dump(exclude=own) == other.model_dump(exclude=own)


def arena_name(data: Component, image: ImageSpec, features: str = "") -> str:
    """``mnist-32``; images that are not square, data sets with settings and features that were asked for say so."""
    size = str(image.height) if image.height == image.width else f"{image.height}x{image.width}"
    chosen = f"-{features}" if features else ""
    settings = "".join(f"-{key}={value}" for key, value in sorted(data.options.items()))
    return "".join(c if c.isalnum() or c in "-_.=" else "_" for c in f"{data.name}{settings}-{size}{chosen}")


def path_of(record: Record, folder: Path) -> Path:
    """Where a record lies."""
    parts = (record.arena, CONTROLS) if record.control else (record.arena,)
    return folder.joinpath(*parts, f"{record.subject}.json")


def write_record(record: Record, folder: Path) -> Path:
    """Write a record whole or not at all.

    Raises:
        OutputError: it cannot be written.
    """
    path = path_of(record, folder)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot write to {path.parent}: {error.strerror or error}") from None
    write_text(path, record.model_dump_json(indent=1) + "\n")
    return path


def read_record(path: Path) -> Record:
    """A record from its file.

    Raises:
        ConfigError: it is no such file.
    """
    try:
        value: Any = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from None
    if not isinstance(value, dict):
        raise ConfigError(f"{path} holds a {type(value).__name__}, expected an object")
    return validate(Record, value, str(path))


def read_records(folder: Path) -> list[Record]:
    """All records below a folder, by data set and then models by name, controls in their own order.

    Raises:
        ConfigError: a file is no record.
    """
    rank = {name: number for number, name in enumerate(get_args(Control))}
    records = [read_record(path) for path in sorted(folder.glob("**/*.json"))]
    return sorted(records, key=lambda r: (r.arena, r.control, rank.get(r.subject, 0) if r.control else 0, r.subject))
