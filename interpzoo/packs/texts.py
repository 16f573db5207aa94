"""What a pack says of itself: programs that show its frames, and the words for a methods section."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final

from interpzoo.errors import InterpzooError
from interpzoo.plugins import registry

JSPSYCH: Final = "jspsych"
"""Folder of jsPsych beside the page: the machines of a laboratory are often offline."""
JSPSYCH_FILES: Final = ("jspsych.js", "image-keyboard-response.js", "jspsych.css", "licenses.txt")


@dataclass(frozen=True)
class Condition:
    """One model with one path."""

    label: str
    """Name of its folder; empty if the pack has only one condition."""
    model: str
    path: str
    method: str
    revision: str
    """Commit of its repository on the Hub; empty if it is not from there."""
    weights: str
    """`interpzoo.pretrained.folder.fingerprint`: SHA-256 of all that its frames depend on."""


def write_programs(folder: Path) -> None:
    """A page with jsPsych and a program for PsychoPy that read the manifest and show its pictures."""
    source = files("interpzoo.packs")
    (folder / JSPSYCH).mkdir(exist_ok=True)
    for name in JSPSYCH_FILES:
        (folder / JSPSYCH / name).write_bytes((source / JSPSYCH / name).read_bytes())
    for name, file in (("experiment.html", "experiment.html"), ("experiment.txt", "experiment.py")):
        (folder / file).write_text((source / name).read_text("utf-8"), "utf-8")


def methods_text(
    conditions: Sequence[Condition], *, pairs: int, steps: int, where: str, kind: str, versions: str
) -> str:
    """The sentences for a methods section, with citations, as Markdown."""
    made = " and ".join(f"the model `{c.model}` along its path `{c.path}`{_source(c)}" for c in conditions)
    methods = dict.fromkeys(c.method for c in conditions)
    lines = [
        f"Stimuli were {steps} images on the path between the two images of each of {pairs:,} "
        f"pair{'s' * (pairs != 1)} ({len(conditions) * pairs * steps:,} images in all, {kind}). They were made with "
        f"{versions} by {made}. {where} Every image is listed in `manifest.csv`, with its position and SHA-256.",
        "",
        "Please cite:",
        "",
        "- interpzoo: the model zoo for latent interpolation.",
        *(f"- {_citation(method)}" for method in methods),
    ]
    return "\n".join(lines) + "\n"


def _source(condition: Condition) -> str:
    at = f"revision {condition.revision}, " if condition.revision else ""
    return f" ({at}SHA-256 of its networks {condition.weights})"


def _citation(method: str) -> str:
    try:
        found = registry().methods.find(method).entry
    except InterpzooError:  # of a plugin that is not installed, or made by hand
        return f"the method `{method}`"
    return f"{found.title}. {found.paper}".rstrip()
